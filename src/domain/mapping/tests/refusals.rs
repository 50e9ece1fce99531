//! What is refused before anybody is evaluated.

use super::*;

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
