//! Manifests that are wrong in ways that a schema suggests: fields dropped, of another type, at and beyond their bounds, very
//! long, and expressions that mean harm.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::{cases, random::Random};

/// Expressions and other texts that somebody may try.
const HOSTILE: [&str; 40] = [
    "",
    " ",
    "\u{0}",
    "null",
    "true",
    "(",
    ")",
    "[[[[",
    "user",
    "user.email",
    "user.nothing",
    "app",
    "app.a.b.c",
    "1/0",
    "1 % 0",
    "\"a\" + 1",
    "user.email + user.title",
    "-9223372036854775808 - 1",
    "9223372036854775807 + 1",
    "[].map(x, x)",
    "app.map(k, app.map(l, k))",
    "app.emails.filter(e, e.value.matches(\"(a*)*b\"))",
    "\"\".matches(\"(\")",
    "split(user.email, \"\")",
    "replace(user.email, \"\", \"x\")",
    "default(default(default(user.title)))",
    "has(user)",
    "{\"a\": 1, \"a\": 2}",
    "b\"x\"",
    "now()",
    "user.email.matches(app.x)",
    "* * * * *",
    "*/0 * * * *",
    "99 99 99 99 99",
    "0 2 * * *",
    "Mars/Olympus",
    "Europe/Berlin",
    "https://",
    "http://[::1",
    "../../../etc/passwd",
];

/// A manifest of a kind with one to four changes in its spec.
pub fn mutated(table: &cases::Table, name: &str, random: &mut Random) -> Value {
    let crd = cases::definition(&table.kind);
    let spec = &cases::schema(crd).properties.as_ref().expect("properties")["spec"];
    let mut words = Vec::new();
    collect(spec, &mut words);
    let mut object = cases::merged(table, name, &json!({}));
    for _ in 0..=random.below(4) {
        let mut places = Vec::new();
        pointers(&object["spec"], "/spec", &mut places);
        let place = random.pick(&places).clone();
        change(&mut object, &place, &words, random);
    }
    object
}

/// Every enum word and every number at and beside a bound.
fn collect(schema: &JSONSchemaProps, words: &mut Vec<Value>) {
    words.extend(schema.enum_.iter().flatten().map(|word| word.0.clone()));
    for bound in [schema.minimum, schema.maximum].into_iter().flatten() {
        words.extend([bound - 1.0, bound, bound + 1.0].map(|number| json!(number)));
        words
            .extend(bound.to_string().parse::<i64>().ok().into_iter().flat_map(|number| [number - 1, number, number + 1]).map(Value::from));
    }
    cases::properties(schema).for_each(|(_, property)| collect(property, words));
    for inner in cases::items(schema).into_iter().chain(cases::values(schema)) {
        collect(inner, words);
    }
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            pointers(value, &format!("{at}/{name}"), found);
        }),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(place, value)| pointers(value, &format!("{at}/{place}"), found)),
        _ => {}
    }
}

fn change(object: &mut Value, place: &str, words: &[Value], random: &mut Random) {
    if random.percent(20)
        && let Some((parent, name)) = place.rsplit_once('/')
        && let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        fields.remove(name);
        return;
    }
    let Some(value) = object.pointer_mut(place) else { return };
    match random.below(8) {
        0 => {
            *value =
                random.pick(&[json!(null), json!(5), json!("five"), json!([]), json!({}), json!(true), json!(1.5), json!([[1]])]).clone();
        }
        1 => {
            *value = random
                .pick(&[json!(-1), json!(0), json!(i64::MAX), json!(i64::MIN), json!(i32::MAX), json!(u64::MAX), json!(1e300)])
                .clone();
        }
        2 => *value = json!("ü".repeat(*random.pick(&[1, 63, 64, 253, 1024, 2048, 2049, 100_000]))),
        3 if !words.is_empty() => *value = random.pick(words).clone(),
        4 => {
            if let Some(elements) = value.as_array_mut()
                && let Some(first) = elements.first().cloned()
            {
                elements.extend(vec![first; random.below(300)]);
            }
        }
        5 => {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("unknown".to_owned(), json!({"nested": [1, 2, {"three": 4}]}));
            }
        }
        6 => {
            let depth = random.below(200);
            *value = json!(format!("{}user.email{}", "(".repeat(depth), ")".repeat(depth)));
        }
        _ => *value = json!(*random.pick(&HOSTILE)),
    }
}
