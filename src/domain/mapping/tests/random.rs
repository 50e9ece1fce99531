//! Whatever is written and whoever it is: properties.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

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
