//! The limits of length, depth and size (promise G3).

use serde_json::{Value, json};

use super::*;

#[test]
fn expensive_expressions_are_refused_before_they_run() {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let defaults = format!("{}1{}", "default(app.x,".repeat(100), ",1)".repeat(100));
    for (text, why) in [
        ("a".repeat(3000), "length"),
        (format!("\"{}\"", "a".repeat(2000)), "a long text"),
        (nested("(", ")", 200), "brackets"),
        (nested("[", "]", 200), "lists"),
        (nested("{\"a\":", "}", 100), "maps"),
        (nested("lower(", ")", 100), "calls"),
        (nested("!", "", 400), "negations"),
        (nested("-", "", 400), "minuses"),
        (vec!["1"; 500].join("+"), "a long sum"),
        (vec!["true"; 400].join("?true:"), "a long choice"),
        (format!("app{}", ".a".repeat(400)), "a long path"),
        (defaults, "nested defaults"),
        ("app.a.map(x, app.a.map(y, app.a.map(z, x)))".to_owned(), "three loops inside each other"),
        ("app.a.filter(x, app.a.exists(y, x == y))".to_owned(), "two loops inside each other"),
    ] {
        let problem = refused(&text);
        assert_eq!(problem.kind, ProblemKind::SyntaxError, "{why}: {}", problem.message);
        assert!(problem.message.len() < 600, "{why}: {}", problem.message);
    }
}

#[test]
fn the_deepest_expressions_allowed_fit_on_a_small_stack() {
    // A worker thread of the runtime has 2 MiB, and a debug build needs more of it than a release.
    let checks = || {
        for text in [
            format!("{}1{}", "(".repeat(32), ")".repeat(32)),
            format!("{}app.x{}", "default(".repeat(15), ",1)".repeat(15)),
            format!("{}app.x{}", "default(1,".repeat(10), ")".repeat(10)),
            format!("{}app.x{}", "(-".repeat(30), ")".repeat(30)),
            format!("{}app.x", "!".repeat(299)),
            format!("{}app.x", "-".repeat(298)),
            vec!["app.x"; 30].join("+"),
            vec!["app.x"; 150].join("+"),
            vec!["true"; 31].join(" ? true : "),
            vec!["true"; 100].join(" ? true : "),
            format!("app{}", ".a".repeat(300)),
            format!("app.a{}", "[0]".repeat(149)),
            format!("\"\"{}", ".size()".repeat(30)),
            format!("\"\"{}", ".size()".repeat(99)),
            format!("{}1{}", "[".repeat(32), "]".repeat(32)),
            "(".repeat(32),
            "[".repeat(300),
            "a?".repeat(300),
        ] {
            if let Ok(expression) = Expression::compile("f", &text, Scope::ToApp) {
                let app = json!({"x": 1});
                let _ = expression.evaluate(Variables { app: Some(&app), ..Variables::default() });
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(checks).unwrap().join().unwrap();
}

#[test]
fn what_grows_with_the_data_is_bounded() {
    let many: Vec<Value> = (0..2000).map(|n| json!({"value": n})).collect();
    let app = json!({"many": many, "big": "a".repeat(6_000), "huge": "a".repeat(300_000), "texts": vec!["t".repeat(5000); 20]});
    let run = |text: &str| {
        let expression = Expression::compile("f", text, Scope::ToDirectory).unwrap();
        expression.evaluate(Variables { app: Some(&app), ..Variables::default() }).map_err(|error| error.problem)
    };
    for (text, part, why) in [
        ("app.many.map(m, m.value)", "too long for what is done with each", "many elements"),
        ("split(app.big, \"a\")", "more than 1000 parts", "many parts"),
        ("replace(app.big, \"a\", \"aaaaaaaa\")", "more than 8 KiB", "growth by replace"),
        ("app.big + app.big", "more than 8 KiB", "growth by +"),
        ("removeDiacritics(app.big)", "at most 1024 bytes", "many letters"),
        ("join([app.big, app.big], \"\")", "more than 8 KiB", "growth by join"),
        ("lower(app.huge)", "larger than 256 KiB", "a huge attribute"),
        ("app.texts.map(t, t)[0] + \"\"", "", "elements that are there already"),
        ("app.texts.map(t, t + \"\")", "too large", "large elements that are made"),
    ] {
        match run(text) {
            Ok(_) => assert_eq!(part, "", "{why}"),
            Err(problem) => assert!(!part.is_empty() && problem.contains(part), "{why}: {problem}"),
        }
    }
    assert_eq!(run("app.huge").unwrap(), app["huge"], "what is not interpreted costs nothing");
}
