//! What expressions give, and how their failures are said.

use serde_json::{Value, json};

use super::*;

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
fn conditions_and_texts_are_checked_where_they_can_be() {
    assert_eq!(Expression::compile_condition("f", "user.email", Scope::User).unwrap_err().kind, ProblemKind::TypeMismatch);
    assert_eq!(Expression::compile_text("f", "user.email == \"\"", Scope::User).unwrap_err().kind, ProblemKind::TypeMismatch);
    let condition = Expression::compile_condition("f", "app.yes", Scope::ToDirectory).unwrap();
    let holds = |app: Value| condition.holds(Variables { app: Some(&app), ..Variables::default() });
    assert_eq!(holds(json!({"yes": true})), Ok(true));
    assert_eq!(holds(json!({})).unwrap_err().problem, "it gives null, where true or false is needed");
    assert_eq!(holds(json!({"yes": "secret"})).unwrap_err().to_string(), "f: it gives a text, where true or false is needed");
}
