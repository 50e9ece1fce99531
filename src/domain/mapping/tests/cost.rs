//! G3: what expressions may cost and reach. Memory is bounded by the sizes of what is read, made and given: a counting
//! allocator would need unsafe code.

use serde_json::json;

use super::*;
use crate::domain::mapping::functions::SIGNATURES;

const MEBIBYTE: usize = 1 << 20;

/// A call as often as it fits between the brackets of a list.
fn list_of(call: &str) -> String {
    let marks = call.chars().filter(|letter| letter.is_ascii_punctuation() && *letter != '"').count() + 1;
    format!("[{}]", vec![call; (298 / marks).min(2040 / (call.len() + 1))].join(","))
}

#[test]
fn g3_no_expression_gives_or_makes_more_than_a_mebibyte() {
    let text = "aB".repeat(4000);
    let app = json!({"a": text, "h": "x".repeat(200_000), "l": vec!["t".repeat(100); 1000], "m": {"k": "v".repeat(100_000)}});
    let mut given = 0;
    for call in [
        "app.a",
        "app.h",
        "app.l",
        "app.m",
        "lower(app.a)",
        "upper(app.h)",
        "split(app.a,\"a\")",
        "split(app.h,\"y\")",
        "string(app.h)",
        "app.a+app.a",
        "join(app.l,\",\")",
        "replace(app.a,\"a\",\"aaaa\")",
        "default(app.x,app.h)",
        "[app.h]+[app.h]",
        "{\"a\":app.h}",
        "app.l.map(x,x)",
        "app.l.filter(x,x!=\"\")",
    ] {
        for text in
            [call.to_owned(), list_of(call), list_of(&format!("lower({call})")), format!("{{\"a\":{},\"b\":{}}}", list_of("app.h"), call)]
        {
            let Ok(expression) = Expression::compile("f", &text, Scope::ToDirectory) else { continue };
            if let Ok(value) = expression.evaluate(Variables { app: Some(&app), ..Variables::default() }) {
                given += 1;
                let bytes = value.to_string().len();
                assert!(bytes <= MEBIBYTE, "{bytes} bytes from {call} in {} characters", text.len());
            }
        }
    }
    assert!(given > 10, "only {given} gave anything");
    // Whatever a call makes is at most so long, and an expression has at most so many calls.
    let calls = 300 / 4;
    assert!(calls * super::super::functions::MAX_TEXT <= MEBIBYTE);
}

#[test]
fn g3_neither_clock_nor_chance_nor_network_nor_files_can_be_reached() {
    let mut names: Vec<&str> = SIGNATURES.iter().map(|signature| signature.name).collect();
    names.sort_unstable();
    names.dedup();
    // Each of these depends on its arguments alone. A new one is a decision, and not a slip.
    assert_eq!(
        names.join(" "),
        "contains default double endsWith int join lower matches removeDiacritics replace size split startsWith string substringAfter \
         substringBefore upper"
    );
    for call in [
        "now()",
        "timestamp(\"2026-01-01T00:00:00Z\")",
        "duration(\"1s\")",
        "rand()",
        "random()",
        "uuid()",
        "env(\"HOME\")",
        "read(\"/etc/passwd\")",
        "http(\"http://x\")",
        "user.email.getFullYear()",
        "type(1)",
        "dyn(1)",
        "bytes(\"a\")",
        "optional.none()",
    ] {
        let problem = refused(call);
        assert!(matches!(problem.kind, ProblemKind::UnknownAttribute | ProblemKind::TypeMismatch), "{call}: {}", problem.message);
    }
}

#[test]
fn g3_the_same_person_gives_the_same_value_every_time() {
    for text in
        ["app.name.map(k, k)", "{\"b\": 1, \"a\": app.n}", "app.emails.filter(e, e.type == \"work\")", "lower(user.email) + string(app.n)"]
    {
        let first = evaluate(text);
        assert!(first.is_ok(), "{text}: {first:?}");
        (0..50).for_each(|_| assert_eq!(evaluate(text), first, "{text}"));
    }
}
