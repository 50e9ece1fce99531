//! Tests of expressions and mappings. Tables carry why each row is there.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::{
    id::{AppId, IntegrationKey, PersonId},
    person::PersonState,
    scim_path::ENTERPRISE_USER,
};

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => panic!("not a map"),
    }
}

fn person(attributes: Value) -> Person {
    let id = PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new("1"));
    Person { id, state: PersonState::Active, profile: map(attributes).into_iter().collect() }
}

fn zoe() -> Person {
    person(json!({"userName": "zoe@acme.example", "email": "Zoe@acme.example", "givenName": "Zoë", "familyName": "Lee",
                  "locale": "de-DE", "division": "EMEA/DE/Sales", "department": "Sales", "costCenter": "4711"}))
}

fn record() -> Value {
    json!({"userName": "zoe", "NickName": "zo", "x": null, "n": 3, "f": 1.5, "yes": true, "empty": [],
           "name": {"givenName": "Zoë"},
           "emails": [{"type": "home", "value": "h@x.example"}, {"type": "work", "value": "w@x.example", "primary": true}],
           ENTERPRISE_USER: {"department": "Sales"}})
}

fn evaluate(text: &str) -> Result<Value, EvaluationError> {
    let (user, app, assignment) = (zoe(), record(), map(json!({"teams": ["north", "south"], "costCenter": "42"})));
    let variables = Variables { user: Some(&user), assignment: Some(&assignment), app: Some(&app) };
    Expression::compile("spec.toApp[0].expression", text, Scope::ToApp)
        .unwrap_or_else(|problem| panic!("{text}: {}", problem.message))
        .evaluate(variables)
}

fn refused(text: &str) -> Problem {
    match Expression::compile("f", text, Scope::ToApp) {
        Ok(_) => panic!("{text} compiles"),
        Err(problem) => problem,
    }
}

#[test]
fn expressions_give_what_their_text_says() {
    for (text, expected, why) in [
        ("user.givenName", json!("Zoë"), "a path"),
        ("user[\"givenName\"]", json!("Zoë"), "the other way to write it"),
        ("user.title", Value::Null, "an attribute without a value is null"),
        ("user.status", json!("Active"), "the state is an attribute"),
        ("app.nickName", json!("zo"), "names are case-insensitive in SCIM"),
        ("app.name.givenName", json!("Zoë"), "a part"),
        ("app.nothing.at.all", Value::Null, "missing at any depth"),
        ("app.x.y", Value::Null, "a part of null"),
        ("app.emails[1].value", json!("w@x.example"), "an element"),
        ("app.emails[7].value", Value::Null, "an element that is not there"),
        ("app.emails[-1].value", Value::Null, "an element that cannot be there"),
        ("app[\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"].department", json!("Sales"), "an extension"),
        ("app[\"urn:none\"].department", Value::Null, "an extension that is not there"),
        ("assignment.costCenter", json!("42"), "a value of an assignment"),
        ("assignment.nothing", Value::Null, "none"),
        ("\"ü\"", json!("ü"), "a constant"),
        ("[1, 2.5, true, null, \"a\"]", json!([1, 2.5, true, null, "a"]), "a constant list"),
        ("{\"a\": [1]}", json!({"a": [1]}), "a constant map"),
        ("-1", json!(-1), "a negative constant"),
        ("lower(user.email)", json!("zoe@acme.example"), "lower"),
        ("upper(user.givenName)", json!("ZOË"), "upper knows more than ASCII"),
        ("lower(app.nothing)", Value::Null, "helpers make null of null"),
        ("lower(app.NICKNAME)", json!("zo"), "case-insensitive in the interpreter too"),
        ("removeDiacritics(\"Zoë Łukaszóß Ångström Øre\")", json!("Zoe Lukaszoss Angstrom Ore"), "marks and strokes"),
        ("removeDiacritics(\"한글 नी\")", json!("한글 नी"), "no marks of scripts that have none"),
        ("substringBefore(user.locale, \"-\")", json!("de"), "before"),
        ("substringBefore(user.department, \"-\")", json!("Sales"), "all of it where there is no mark"),
        ("substringAfter(user.locale, \"-\")", json!("DE"), "after"),
        ("substringAfter(user.department, \"-\")", Value::Null, "nothing where there is no mark"),
        ("split(user.division, \"/\")[0]", json!("EMEA"), "an element of a result"),
        ("split(user.division, \"/\")[9]", Value::Null, "none of a result"),
        ("split(user.title, \"/\")[0]", Value::Null, "null all the way"),
        ("split(\"ab\", \"\")", json!(["ab"]), "an empty separator separates nothing"),
        ("join(assignment.teams, \",\")", json!("north,south"), "join"),
        ("join(assignment.nothing, \",\")", Value::Null, "join of null"),
        ("join([\"a\", null, \"b\"], \"-\")", json!("a-b"), "nulls are left out"),
        ("join([], \",\")", json!(""), "join of nothing"),
        ("replace(user.locale, \"-\", \"_\")", json!("de_DE"), "replace"),
        ("replace(\"ab\", \"\", \"x\")", json!("ab"), "an empty pattern occurs nowhere"),
        ("default(user.title, \"Employee\")", json!("Employee"), "default for null"),
        ("default(user.givenName, user.nothing_is_read)", json!("Zoë"), "unreachable: refused below"),
        ("default(app.a.b.c, \"x\")", json!("x"), "default for a missing key"),
        ("default(app.yes, int(\"no number\"))", json!(true), "the fallback is evaluated when needed only"),
        ("default(default(user.title, app.nothing), default(app.x, \"last\"))", json!("last"), "nested defaults"),
        ("default(lower(user.title), \"x\") + \"!\"", json!("x!"), "default of a result"),
        ("default(assignment.costCenter, user.costCenter)", json!("42"), "the assignment first"),
        ("default(user.title, \"\").startsWith(\"Head\")", json!(false), "as in the examples"),
        ("user.givenName + \" \" + upper(user.familyName)", json!("Zoë LEE"), "texts add"),
        ("[1] + [2]", json!([1, 2]), "lists add"),
        ("1 + 2 * 3 - 4 / 2 % 3", json!(5), "numbers"),
        ("app.n + 1", json!(4), "a number of the app"),
        ("app.f > 1.0 && !(app.n == 4) || false", json!(true), "logic"),
        ("user.department == \"Sales\" ? \"Seller\" : \"Viewer\"", json!("Seller"), "a choice"),
        ("user.title == null", json!(true), "null compares"),
        ("user.title == \"x\"", json!(false), "null is no text"),
        ("has(user.title)", json!(false), "has asks for a value"),
        ("has(user.email) && has(app.name.givenName) && !has(app.nothing.at)", json!(true), "has at any depth"),
        ("has(app.x)", json!(false), "a null is no value"),
        ("app.emails.filter(e, e.type == \"work\").map(e, e.value)", json!(["w@x.example"]), "loops follow each other"),
        ("app.emails.filter(e, e.type == \"work\")[0].value", json!("w@x.example"), "an element of a loop's result"),
        ("app.emails.exists(e, e.primary == true)", json!(true), "exists, over a missing part"),
        ("app.emails.all(e, e.value.contains(\"@\"))", json!(true), "all"),
        ("app.emails.exists_one(e, e.type == \"home\")", json!(true), "exactly one"),
        ("app.nothing.exists(e, e.type == \"x\")", json!(false), "a loop over null is over nothing"),
        ("app.name.map(k, k)", json!(["givenName"]), "keys of a map"),
        ("{\"b\": 1, \"a\": app.n, \"c\": 1}.map(k, k)", json!(["a", "b", "c"]), "always in their order"),
        ("\"north\" in assignment.teams", json!(true), "in"),
        ("app.emails.filter(e, e.type in [\"home\"]).size()", json!(1), "in, inside a loop"),
        ("size(user.givenName)", json!(3), "characters, not bytes"),
        ("string(app.n) + \"x\"", json!("3x"), "conversions"),
        ("user.email.matches(\"^[A-Z][a-z]+@acme[.]example$\")", json!(true), "a pattern"),
        ("app == null", json!(false), "is there an account?"),
        ("user.givenName // the first\n + \"!\"", json!("Zoë!"), "comments and lines"),
    ] {
        if text.contains("nothing_is_read") {
            assert_eq!(refused(text).kind, ProblemKind::UnknownAttribute, "even where it is never read");
            continue;
        }
        assert_eq!(evaluate(text), Ok(expected), "{text}: {why}");
    }
}

#[test]
fn paths_and_constants_never_reach_the_interpreter() {
    for (text, plain) in [
        ("user.email", true),
        ("app.emails[0].value", true),
        ("app[\"urn:x\"].y", true),
        ("assignment.a", true),
        ("'42'", true),
        ("[\"germany\"]", true),
        ("lower(user.email)", false),
        ("user.email == null", false),
    ] {
        assert_eq!(Expression::compile("f", text, Scope::ToApp).unwrap().is_plain(), plain, "{text}");
    }
}

#[test]
fn failures_name_kinds_and_no_values() {
    for (text, expected, why) in [
        ("user.title + \"x\"", "`+` does not apply to null and a text; `default(value, fallback)` replaces a null", "null + text"),
        (
            "user.title.startsWith(\"x\")",
            "`startsWith` does not apply to null and a text; `default(value, fallback)` replaces a null",
            "null as target",
        ),
        ("app.userName + app.n", "`+` does not apply to a text and an integer", "kinds known late"),
        ("app.userName.x", "a text has no attributes", "a part of a text, read directly"),
        ("lower(app.userName.x)", "a text has no attributes", "a part of a text, interpreted"),
        ("app.userName[0]", "a text has no element of that number", "an element of a text, read directly"),
        ("lower(app.userName[0])", "a text has no element of that number", "an element of a text, interpreted"),
        ("lower(app.n)", "`lower` needs a text, not an integer", "a helper"),
        ("int(app.userName)", "`int` cannot work with what it was given", "the interpreter would quote the text"),
        ("app.n / 0", "division by zero", "division"),
        ("app.userName && true", "`&&` does not apply to a text and true or false", "no condition"),
        ("[] + app.name", "`+` does not apply to a list and a map", "a map has no order"),
        ("app.userName.map(x, x)", "a text has no elements", "no loop over a text"),
        ("app.userName < app.n", "`<` does not apply to a text and an integer", "no order"),
    ] {
        let error = evaluate(text).expect_err(text);
        assert_eq!((error.problem.as_str(), error.field.as_str()), (expected, "spec.toApp[0].expression"), "{why}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_a_caret() {
    for (text, kind, part, caret, why) in [
        ("user.emial", ProblemKind::UnknownAttribute, "`emial` is no attribute", 4, "a typo"),
        ("user.username", ProblemKind::UnknownAttribute, "it is written `userName`", 4, "case"),
        (
            "\"ü\" + usr.email",
            ProblemKind::UnknownAttribute,
            "`usr` is unknown; the variables here are `user`, `assignment`, `app`",
            6,
            "a variable",
        ),
        (
            "isMemberOf(\"sales\")",
            ProblemKind::UnknownAttribute,
            "the function `isMemberOf` does not exist; there are contains, default",
            10,
            "a function",
        ),
        ("user.email.lower()", ProblemKind::UnknownAttribute, "`lower` is written `lower(x, …)`", 16, "as a method"),
        ("startsWith(user.email, \"x\")", ProblemKind::UnknownAttribute, "`startsWith` is written `x.startsWith(…)`", 10, "as a function"),
        ("user", ProblemKind::TypeMismatch, "name an attribute", 0, "a whole person"),
        ("user[user.email]", ProblemKind::TypeMismatch, "name an attribute", 0, "an attribute that is not written out"),
        ("user.email.value", ProblemKind::TypeMismatch, "`user.email` is a text and has no parts", 10, "a part of a text"),
        ("user.employeeNumber + 1", ProblemKind::TypeMismatch, "`+` does not apply to a text and an integer", 20, "adding"),
        ("user.employeeNumber == 42", ProblemKind::TypeMismatch, "`==` does not apply to a text and an integer", 20, "never true"),
        ("user.email ? 1 : 2", ProblemKind::TypeMismatch, "before `?` stands a condition, not a text", 11, "no condition"),
        ("user.email && true", ProblemKind::TypeMismatch, "`&&` does not apply", 11, "no condition"),
        ("lower(1)", ProblemKind::TypeMismatch, "`lower` needs a text, not an integer", 6, "an argument"),
        ("lower()", ProblemKind::TypeMismatch, "`lower` takes 1 argument, not 0", 5, "too few"),
        ("user.email.map(x, x)", ProblemKind::TypeMismatch, "a text has no elements", 14, "a loop over a text"),
        ("user.email + ", ProblemKind::SyntaxError, "not a valid expression", 13, "half of one"),
        ("user.email +* 1", ProblemKind::SyntaxError, "not a valid expression", 12, "no operand"),
        ("\"ü\" +* 1", ProblemKind::SyntaxError, "not a valid expression", 5, "no operand, behind two bytes"),
        ("1 +\n  \"ü\" +* 1", ProblemKind::SyntaxError, "not a valid expression", 7, "no operand, in the second line"),
        ("user.?email", ProblemKind::SyntaxError, "unsupported", 4, "optional values"),
        ("b\"x\"", ProblemKind::TypeMismatch, "no bytes", 0, "bytes"),
        ("Name{a: 1}", ProblemKind::SyntaxError, "messages", 4, "messages"),
        ("app.a.map(x, app.b.map(y, y))", ProblemKind::SyntaxError, "a loop inside a loop", 22, "quadratic"),
        ("app.a.map(user, user)", ProblemKind::SyntaxError, "needs another name", 9, "shadowing"),
        (
            "app.a.map(x, 1) == app.a.map(y, 1) && app.a.map(x, 1) == app.a.map(y, 1) && [] == app.a.map(x, 1)",
            ProblemKind::SyntaxError,
            "too many loops",
            91,
            "many loops",
        ),
        ("user.email.matches(app.pattern)", ProblemKind::TypeMismatch, "must be written out", 22, "a pattern from outside"),
        ("user.email.matches(\"(a\")", ProblemKind::SyntaxError, "not a regular expression", 19, "no pattern"),
        ("user.email.matches(\"(a{50}){50}\")", ProblemKind::SyntaxError, "counted repetition", 19, "an expensive pattern"),
        ("user.email.matches(r\"\\w\\w\\w\\w\\w\")", ProblemKind::SyntaxError, "too many classes", 19, "an expensive pattern"),
        ("duration(\"1s\")", ProblemKind::UnknownAttribute, "does not exist", 8, "time"),
        ("now()", ProblemKind::UnknownAttribute, "does not exist", 3, "a clock"),
        ("optional.of(1)", ProblemKind::UnknownAttribute, "`optional` is unknown", 0, "optional values by their functions"),
        ("type(1)", ProblemKind::UnknownAttribute, "does not exist", 4, "types"),
        ("int", ProblemKind::UnknownAttribute, "`int` is unknown", 0, "a type as a value"),
    ] {
        let problem = refused(text);
        let last = problem.message.lines().last().unwrap();
        let found = (problem.kind, problem.message.contains(part), last.find('^').map(|at| at - 2));
        assert_eq!(found, (kind, true, Some(caret)), "{why}:\n{}", problem.message);
    }
}

#[test]
fn each_scope_has_its_variables() {
    for (text, scope, fits) in [
        ("app.x", Scope::ToDirectory, true),
        ("user.email", Scope::ToDirectory, false),
        ("user.email", Scope::User, true),
        ("app.x", Scope::User, false),
        ("assignment.x", Scope::User, false),
    ] {
        assert_eq!(Expression::compile("f", text, scope).is_ok(), fits, "{text} in {scope:?}");
    }
}

#[test]
fn conditions_and_texts_are_checked_where_they_can_be() {
    assert_eq!(Expression::compile_condition("f", "user.email", Scope::User).unwrap_err().kind, ProblemKind::TypeMismatch);
    assert_eq!(Expression::compile_text("f", "user.email == \"\"", Scope::User).unwrap_err().kind, ProblemKind::TypeMismatch);
    let condition = Expression::compile_condition("f", "app.yes", Scope::ToDirectory).unwrap();
    let holds = |app: Value| condition.holds(Variables { app: Some(&app), ..Variables::default() });
    assert_eq!(holds(json!({"yes": true})), Ok(true));
    assert_eq!(holds(json!({})).unwrap_err().problem, "it gives null, where true or false is needed");
    assert_eq!(holds(json!({"yes": "secret"})).unwrap_err().to_string(), "f: it gives a text, where true or false is needed");
}

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
    let app = json!({"many": many, "big": "a".repeat(60_000), "huge": "a".repeat(300_000), "texts": vec!["t".repeat(5000); 20]});
    let run = |text: &str| {
        let expression = Expression::compile("f", text, Scope::ToDirectory).unwrap();
        expression.evaluate(Variables { app: Some(&app), ..Variables::default() }).map_err(|error| error.problem)
    };
    for (text, part, why) in [
        ("app.many.map(m, m.value)", "too long for what is done with each", "many elements"),
        ("split(app.big, \"a\")", "more than 1000 parts", "many parts"),
        ("replace(app.big, \"a\", \"aaaaaaaa\")", "more than 64 KiB", "growth by replace"),
        ("app.big + app.big", "more than 64 KiB", "growth by +"),
        ("join([app.big, app.big], \"\")", "more than 64 KiB", "growth by join"),
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

fn entry(target: &str, expression: &str) -> ToAppEntry {
    ToAppEntry { target: target.to_owned(), expression: expression.to_owned(), apply: Apply::CreateAndUpdate, on_null: OnNull::Omit }
}

fn read(target: &str, expression: &str) -> ToDirectoryEntry {
    ToDirectoryEntry { target: target.to_owned(), expression: expression.to_owned() }
}

fn desired(mapping: &Mapping, user: &Person, assignment: Value) -> Vec<(String, Value)> {
    let found = mapping.to_app(user, &map(assignment), None).unwrap();
    found.into_iter().filter_map(|attribute| Some((attribute.path.to_string(), attribute.value?))).collect()
}

fn pairs(expected: &[(&str, Value)]) -> Vec<(String, Value)> {
    expected.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
}

#[test]
fn the_preset_sends_the_core_attributes() {
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    assert_eq!(mapping.sizes(), (24, 23));
    assert_eq!(
        desired(&mapping, &zoe(), json!({"costCenter": "42", "teams": ["a"], "department": null})),
        pairs(&[
            ("name.givenName", json!("Zoë")),
            ("name.familyName", json!("Lee")),
            ("locale", json!("de-DE")),
            ("emails[type eq \"work\"].value", json!("Zoe@acme.example")),
            ("emails[type eq \"work\"].primary", json!(true)),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", json!("Sales")),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", json!("EMEA/DE/Sales")),
            // MA-2
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", json!("42")),
        ])
    );
    let nobody = person(json!({"userName": "x"}));
    assert_eq!(desired(&mapping, &nobody, json!({})), vec![], "no primary flag without an address");
    assert_eq!(mapping.to_app(&nobody, &Map::new(), None).unwrap().len(), 24, "each target once, null or not");
}

#[test]
fn the_preset_reads_what_it_sends() {
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    let user = person(json!({"userName": "u", "email": "e@x.example", "givenName": "A", "middleName": "B", "familyName": "C",
        "displayName": "D", "nickName": "N", "title": "T", "userType": "U", "employeeNumber": "1", "department": "d", "division": "v",
        "organization": "o", "costCenter": "c", "phoneNumber": "+1", "mobilePhone": "+2", "streetAddress": "s", "locality": "l",
        "region": "r", "postalCode": "p", "country": "DE", "preferredLanguage": "de", "locale": "de-DE", "timezone": "Europe/Berlin"}));
    let mut resource = json!({});
    for DesiredAttribute { path, value, .. } in mapping.to_app(&user, &Map::new(), None).unwrap() {
        path.set(&mut resource, value.unwrap_or_default());
    }
    let mut mapped = mapping.to_directory(&resource).unwrap();
    assert_eq!(mapped.nulls, Vec::<String>::new());
    mapped.profile.set("userName", json!("u"));
    assert_eq!(mapped.profile, user.profile);
}

#[test]
fn the_email_of_a_record_is_the_primary_else_work_else_the_only_one() {
    let name = Expression::default_to_directory_user_name();
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    for (emails, expected, why) in [
        (json!([{"value": "a", "type": "work"}, {"value": "b", "primary": true}]), json!("b"), "primary"),
        (json!([{"value": "a", "type": "Work"}, {"value": "b", "primary": false}]), json!("a"), "work"),
        (json!([{"value": "a", "type": "home"}]), json!("a"), "the only one"),
        (json!([{"value": "a"}, {"type": "work"}]), json!("a"), "the only one that has a value"),
        (json!([{"value": "a"}, {"value": "b"}]), Value::Null, "cannot be told"),
        (json!([{"value": "a", "primary": "True"}, {"value": "b", "type": "work"}]), json!("a"), "SC-1"),
        (json!([]), Value::Null, "none"),
        (Value::Null, Value::Null, "null"),
        (json!("x"), Value::Null, "no list"),
    ] {
        let app = json!({"emails": emails});
        assert_eq!(name.evaluate(Variables { app: Some(&app), ..Variables::default() }), Ok(expected.clone()), "{why}");
        let mapped = mapping.to_directory(&app).unwrap();
        assert_eq!(mapped.profile.get("email").cloned().unwrap_or_default(), expected, "{why}");
        assert_eq!(mapped.nulls.iter().any(|null| null == "email"), expected.is_null(), "{why}");
    }
}

#[test]
fn nulls_of_the_app_are_told_from_values() {
    let entries = vec![read("title", "app.title"), read("locale", "app.locale"), read("userType", "app.kinds"), read("region", "\"\"")];
    let mapping = Mapping::compile(&MappingSource { preset: Preset::None, to_directory: entries, ..MappingSource::default() }).unwrap();
    let mapped = mapping.to_directory(&json!({"title": null, "kinds": []})).unwrap();
    assert_eq!(mapped.nulls, ["title", "locale", "userType"], "null, absent, empty list (AI-10)");
    assert_eq!(mapped.profile.text("region"), Some(""), "an empty text is a value");
    let error = mapping.to_directory(&json!({"title": 4711})).unwrap_err();
    assert_eq!(error.to_string(), "spec.toDirectory[0].expression: it gives an integer, and `title` is a text; `string(x)` makes one");
}

#[test]
fn entries_override_the_preset_in_its_order_and_others_follow() {
    let mapping = Mapping::compile(&MappingSource {
        to_app: vec![
            entry("urn:acme:User:teams", "assignment.teams"),
            ToAppEntry { apply: Apply::CreateOnly, ..entry("EMAILS[type eq \"WORK\"].value", "lower(user.email)") },
            entry("name", "{\"formatted\": user.givenName}"),
            entry("urn:ietf:params:scim:schemas:core:2.0:User:title", "\"T\""),
        ],
        to_directory: vec![read("title", "upper(app.title)")],
        ..MappingSource::default()
    })
    .unwrap();
    let found = mapping.to_app(&zoe(), &map(json!({"teams": []})), None).unwrap();
    let paths: Vec<String> = found.iter().map(|attribute| attribute.path.to_string()).collect();
    assert_eq!(paths[2], "title", "in the preset's place");
    assert!(!paths.iter().any(|path| path.starts_with("name.")), "the whole overrides its parts");
    assert_eq!(paths[paths.len() - 2..], ["urn:acme:User:teams", "name"], "others in the order in which they are written");
    let flag = found.iter().position(|attribute| attribute.path.sub_attribute.as_deref() == Some("primary")).unwrap();
    assert_eq!((found[flag].apply, found[flag - 1].apply), (Apply::CreateOnly, Apply::CreateOnly), "the flag goes with its address");
    assert_eq!(found[flag - 1].value, Some(json!("zoe@acme.example")));
    assert_eq!(found[paths.len() - 2].value, None, "an empty list is null");
    assert_eq!(mapping.to_directory(&json!({"title": "t"})).unwrap().profile.text("title"), Some("T"));
}

#[test]
fn every_problem_is_reported_at_its_field() {
    let source = MappingSource {
        to_app: vec![
            entry("userName", "user.userName"),
            entry("META.location", "'x'"),
            entry("urn:ietf:params:scim:schemas:core:2.0:User:active", "true"),
            entry("title", "user.titel"),
            entry("Title", "user.title"),
            entry("nickName", "user.nickName"),
            entry("NICKNAME", "user.nickName"),
            entry("name.givenName", "user.givenName"),
            entry("name", "app.name"),
            entry("a b", "1 +"),
            entry("password", "'x'"),
            entry("urn:acme:User:active", "true"),
        ],
        to_directory: vec![
            read("userName", "app.userName"),
            read("status", "app.active"),
            read("title", "app.title"),
            read("title", "app.title"),
            read("Title", "app.title"),
            read("badgeColor", "app.x"),
            read("locale", "app.x == 1"),
        ],
        ..MappingSource::default()
    };
    let problems = Mapping::compile(&source).unwrap_err();
    let found: Vec<(&str, ProblemKind)> = problems.iter().map(|problem| (problem.field.as_str(), problem.kind)).collect();
    assert_eq!(
        found,
        [
            ("spec.toApp[0].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[1].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[2].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[3].expression", ProblemKind::UnknownAttribute),
            ("spec.toApp[6].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[8].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[9].target", ProblemKind::SyntaxError),
            ("spec.toApp[9].expression", ProblemKind::SyntaxError),
            ("spec.toApp[10].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[0].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[1].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[3].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[4].target", ProblemKind::UnknownAttribute),
            ("spec.toDirectory[5].target", ProblemKind::UnknownAttribute),
            ("spec.toDirectory[6].expression", ProblemKind::TypeMismatch),
        ]
    );
    assert!(problems[0].message.contains("usernameFormat"), "{}", problems[0].message);
}

#[test]
fn the_digest_tells_what_a_mapping_does() {
    let digest = |to_app: Vec<ToAppEntry>| Mapping::compile(&MappingSource { to_app, ..MappingSource::default() }).unwrap().digest();
    let same = digest(vec![entry("title", "user.title")]);
    assert_eq!(same, digest(vec![entry("TITLE", " user.title\n")]), "spelling");
    assert_ne!(same, digest(vec![]), "the preset prefers an assignment's value");
    assert_ne!(same, digest(vec![entry("title", "user.nickName")]));
    assert_ne!(same, digest(vec![ToAppEntry { on_null: OnNull::Clear, ..entry("title", "user.title") }]));
    assert_ne!(same, digest(vec![ToAppEntry { apply: Apply::CreateOnly, ..entry("title", "user.title") }]));
    let tests = vec![test(MappingDirection::ToApp, json!({}), json!({}))];
    let with_tests = MappingSource { to_app: vec![entry("title", "user.title")], tests, ..MappingSource::default() };
    assert_eq!(same, Mapping::compile(&with_tests).unwrap().digest(), "tests do nothing");
}

fn test(direction: MappingDirection, given: Value, expect: Value) -> MappingTest {
    MappingTest { name: "t".to_owned(), direction, given: map(given), expect: map(expect) }
}

#[test]
fn tests_of_a_mapping_are_run() {
    use MappingDirection::{ToApp, ToDirectory};
    for (given, expect, expected, why) in [
        ((ToApp, json!({"user": {"title": "T"}})), json!({"TITLE": "T", "nickName": null}), None, "as expected, null means none"),
        (
            (ToApp, json!({"user": {"title": "T"}})),
            json!({"title": "x"}),
            Some(("expect[\"title\"]", ProblemKind::TestFailed)),
            "another value",
        ),
        ((ToApp, json!({})), json!({"title": "x"}), Some(("expect[\"title\"]", ProblemKind::TestFailed)), "no value"),
        ((ToApp, json!({})), json!({"nothing": "x"}), Some(("expect[\"nothing\"]", ProblemKind::UnknownAttribute)), "no target"),
        ((ToApp, json!({})), json!({"a b": "x"}), Some(("expect[\"a b\"]", ProblemKind::SyntaxError)), "no path"),
        (
            (ToApp, json!({"user": {"titel": "T"}})),
            json!({}),
            Some(("given[\"user\"][\"titel\"]", ProblemKind::UnknownAttribute)),
            "a typo",
        ),
        ((ToApp, json!({"user": {"title": 1}})), json!({}), Some(("given[\"user\"][\"title\"]", ProblemKind::TypeMismatch)), "no text"),
        (
            (ToApp, json!({"user": {"status": "x"}})),
            json!({}),
            Some(("given[\"user\"][\"status\"]", ProblemKind::TypeMismatch)),
            "no state",
        ),
        ((ToApp, json!({"usr": {}})), json!({}), Some(("given[\"usr\"]", ProblemKind::UnknownAttribute)), "no variable"),
        ((ToApp, json!({"assignment": {"title": "A"}})), json!({"title": "A"}), None, "MA-2"),
        ((ToDirectory, json!({"app": {"title": "T"}})), json!({"title": "T", "locale": null}), None, "the other way"),
        (
            (ToDirectory, json!({"app": {"title": 1}})),
            json!({"title": "T"}),
            Some(("", ProblemKind::TestFailed)),
            "an evaluation that fails",
        ),
    ] {
        let source = MappingSource { tests: vec![test(given.0, given.1, expect)], ..MappingSource::default() };
        let found = Mapping::compile(&source).err().map(|problems| (problems[0].field.clone(), problems[0].kind));
        let expected = expected.map(|(field, kind)| (format!("spec.tests[0].{field}").trim_end_matches('.').to_owned(), kind));
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn the_mapping_of_the_crm_example_compiles_and_its_test_passes() {
    const USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let cleared = |target: &str, expression: &str| ToAppEntry { on_null: OnNull::Clear, ..entry(target, expression) };
    let source = MappingSource {
        preset: Preset::None,
        to_app: vec![
            entry("name.givenName", "user.givenName"),
            entry("name.familyName", "user.familyName"),
            entry("emails[type eq \"work\"].value", "lower(user.email)"),
            entry("displayName", "user.givenName + \" \" + upper(user.familyName)"),
            ToAppEntry {
                apply: Apply::CreateOnly,
                ..entry("nickName", "removeDiacritics(lower(user.givenName)) + \".\" + removeDiacritics(lower(user.familyName))")
            },
            cleared("title", "default(user.title, \"Employee\")"),
            entry("locale", "replace(user.locale, \"-\", \"_\")"),
            entry("preferredLanguage", "substringBefore(user.locale, \"-\")"),
            cleared(&format!("{USER}:department"), "user.department"),
            entry(&format!("{USER}:division"), "split(user.division, \"/\")[0]"),
            entry(&format!("{USER}:costCenter"), "default(assignment.costCenter, user.costCenter)"),
            entry("urn:acme:params:scim:schemas:extension:crm:2.0:User:teams", "join(assignment.teams, \",\")"),
        ],
        to_directory: vec![read("nickName", "app.nickName")],
        tests: vec![test(
            MappingDirection::ToApp,
            json!({
                "user": {"userName": "zoe@acme.example", "email": "Zoe@acme.example", "givenName": "Zoë", "familyName": "Lee",
                         "locale": "de-DE", "division": "EMEA/DE/Sales", "department": "Sales", "costCenter": "4711"},
                "assignment": {"costCenter": "42", "teams": ["north", "south"]},
                "app": {"nickName": "zo"}
            }),
            json!({
                "name.givenName": "Zoë",
                "emails[type eq \"work\"].value": "zoe@acme.example",
                "displayName": "Zoë LEE",
                "nickName": "zoe.lee",
                "title": "Employee",
                "locale": "de_DE",
                "preferredLanguage": "de",
                format!("{USER}:division"): "EMEA",
                format!("{USER}:costCenter"): "42",
                "urn:acme:params:scim:schemas:extension:crm:2.0:User:teams": "north,south",
            }),
        )],
    };
    let mapping = Mapping::compile(&source).unwrap();
    assert_eq!(mapping.sizes(), (12, 1));
    let error = mapping.to_app(&person(json!({"userName": "x"})), &Map::new(), None).unwrap_err();
    assert_eq!(error.field, "spec.toApp[3].expression", "a name is needed for the display name");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-cA-C]|value", inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        "[a-cA-C]".prop_map(|key| format!(".{key}")),
        "[a-cA-C]|value|urn:x".prop_map(|key| format!("[\"{key}\"]")),
        (-1..4_i64).prop_map(|index| format!("[{index}]")),
    ];
    ("[a-cA-C]", proptest::collection::vec(step, 0..4)).prop_map(|(first, steps)| format!("app.{first}{}", steps.concat()))
}

/// Text that looks like an expression more often than chance would have it.
fn any_expression() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => proptest::sample::select(vec![
            "user", "app", "assignment", ".email", ".a", "[0]", "[\"a\"]", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "%", "==", "!=",
            "<", ">=", "&&", "||", "!", "?", ":", ",", ".", " in ", "true", "null", "1", "2.5", "7u", "\"x\"", "'ü'", "b'x'", "r'\\w'",
            ".map(x, ", ".filter(x, ", ".exists(x, ", ".all(x, ", "x", "has(", "lower(", "upper(", "split(", "join(", "replace(",
            "default(", "removeDiacritics(", "substringBefore(", ".startsWith(", ".matches(", "size(", "string(", "int(", "@result", "\n", "//",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    proptest::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any_expression(), app in any_json()) {
        match Expression::compile("f", &text, Scope::ToApp) {
            Ok(expression) => {
                let user = zoe();
                let _ = expression.evaluate(Variables { user: Some(&user), assignment: None, app: Some(&app) });
            }
            Err(problem) => prop_assert!(!problem.message.is_empty()),
        }
    }

    #[test]
    fn no_text_at_all_makes_it_panic(text in any::<String>()) {
        let _ = Expression::compile("f", &text, Scope::ToDirectory);
    }

    #[test]
    fn the_direct_way_and_the_interpreter_agree(path in any_path(), app in any_json()) {
        let variables = Variables { app: Some(&app), ..Variables::default() };
        let direct = Expression::compile("f", &path, Scope::ToDirectory).unwrap();
        // Behind a choice the same path is interpreted.
        let interpreted = Expression::compile("f", &format!("true ? {path} : null"), Scope::ToDirectory).unwrap();
        prop_assert!(direct.is_plain() && !interpreted.is_plain());
        prop_assert_eq!(direct.evaluate(variables), interpreted.evaluate(variables));
    }

    #[test]
    fn default_gives_the_fallback_for_null_and_nothing_else(value in any_json()) {
        let app = json!({"value": value});
        let default = Expression::compile("f", "default(app.value, \"fallback\")", Scope::ToDirectory).unwrap();
        let found = default.evaluate(Variables { app: Some(&app), ..Variables::default() }).unwrap();
        prop_assert_eq!(found, if value.is_null() { json!("fallback") } else { value });
    }

    #[test]
    fn a_mapping_keeps_its_targets_whoever_it_is(title in proptest::option::of(".{0,8}"), email in proptest::option::of(".{0,8}")) {
        let mapping = Mapping::compile(&MappingSource::default()).unwrap();
        let user = person(json!({"userName": "u", "title": title, "email": email}));
        let found = mapping.to_app(&user, &Map::new(), None).unwrap();
        prop_assert_eq!(found.len(), mapping.sizes().0);
        prop_assert_eq!(found.iter().filter(|attribute| attribute.value == Some(json!(true))).count(), usize::from(email.is_some()));
    }
}
