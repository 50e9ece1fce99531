//! JSON that is changed in places and otherwise stays as it was sent, to the byte (E5): a number of more digits than a
//! computer's would come back as another one.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// `after` as text, where everything that is as in `before` is taken from `text`, which `before` was read from.
pub(super) fn text(text: &RawValue, before: &Value, after: &Value) -> String {
    let mut out = String::with_capacity(text.get().len());
    write(&mut out, text.get(), before, after);
    out
}

fn write(out: &mut String, text: &str, before: &Value, after: &Value) {
    if before == after {
        out.push_str(text);
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            // Of a name that stands twice the last counts, as it did for `before`.
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            out.push('{');
            for (place, (name, value)) in after.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                part(out, fields.get(name).copied(), before.get(name), value);
            }
            out.push('}');
        }
        (Value::Array(before), Value::Array(after)) => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            out.push('[');
            for (place, value) in after.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                part(out, elements.get(place).copied(), before.get(place), value);
            }
            out.push(']');
        }
        _ => out.push_str(&after.to_string()),
    }
}

fn part(out: &mut String, text: Option<&RawValue>, before: Option<&Value>, after: &Value) {
    match (text, before) {
        (Some(text), Some(before)) => write(out, text.get(), before, after),
        _ => out.push_str(&after.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn e5_what_does_not_change_stays_to_the_byte() {
        let sent =
            r#"{ "a": 12345678901234567890123, "b": {"c": 1.10, "d": 1e2}, "e": [1.50, {"f": 2.50}], "g": "\u00fc", "g": "\u00e4" }"#;
        let before: Value = serde_json::from_str(sent).unwrap();
        let raw: &RawValue = serde_json::from_str(sent).unwrap();
        assert_eq!(text(raw, &before, &before), sent);
        let mut after = before.clone();
        after["b"]["d"] = json!(7);
        after["e"][1]["f"] = json!(3);
        after["e"].as_array_mut().unwrap().push(json!("new"));
        after["h"] = json!({"i": null});
        let found = text(raw, &before, &after);
        assert_eq!(found, r#"{"a":12345678901234567890123,"b":{"c":1.10,"d":7},"e":[1.50,{"f":3},"new"],"g":"\u00e4","h":{"i":null}}"#);
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), after);
        after.as_object_mut().unwrap().remove("a");
        after["b"] = json!(null);
        assert_eq!(serde_json::from_str::<Value>(&text(raw, &before, &after)).unwrap(), after);
    }
}
