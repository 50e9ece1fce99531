//! SCIM attribute paths (RFC 7644 §3.10): where in a resource a value stands.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

/// The schema of enterprise users (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The schema of users (RFC 7643 §4.1); a path that names it means the core attribute.
pub const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A path to one value: `title`, `name.givenName`, `emails[type eq "work"].value`, `urn:…:User:department`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScimPath {
    /// The extension's URN; `None` for core attributes.
    pub schema: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// Which element of a multi-valued attribute.
    pub filter: Option<ValueFilter>,
    /// The sub-attribute.
    pub sub_attribute: Option<String>,
}

/// `attribute eq value`: picks one element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueFilter {
    /// The sub-attribute that is compared, such as `type`.
    pub attribute: String,
    /// What it must equal.
    pub value: FilterValue,
}

/// The right-hand side of a [`ValueFilter`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterValue {
    /// A quoted text; compared case-insensitively, as `type` and its like are (RFC 7643 §2.4).
    Text(String),
    /// `true` or `false`.
    Bool(bool),
}

/// A text that is not a path of the supported form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; a target reads like `title`, `name.givenName`, `emails[type eq \"work\"].value` or `urn:…:User:department`")]
pub struct PathError {
    /// What is wrong.
    problem: String,
}

impl ScimPath {
    /// The value at this path, if the resource has one.
    pub fn get<'a>(&self, resource: &'a Value) -> Option<&'a Value> {
        let holder = match &self.schema {
            Some(schema) => member(resource.as_object()?, schema)?.as_object()?,
            None => resource.as_object()?,
        };
        let attribute = member(holder, &self.attribute)?;
        let element = match &self.filter {
            Some(filter) => attribute.as_array()?.iter().find(|element| filter.matches(element))?,
            None => attribute,
        };
        match &self.sub_attribute {
            Some(sub) => member(element.as_object()?, sub),
            None => Some(element),
        }
    }

    /// Puts a value at this path, making what is needed on the way; null takes the value away. Whatever else the
    /// resource holds stays as it is.
    pub fn set(&self, resource: &mut Value, value: Value) {
        if value.is_null() && self.get(resource).is_none() {
            return;
        }
        let holder = match &self.schema {
            Some(schema) => slot(object(resource), schema),
            None => resource,
        };
        let attribute = slot(object(holder), &self.attribute);
        let element = match &self.filter {
            Some(filter) => filter.element(attribute),
            None => attribute,
        };
        match &self.sub_attribute {
            Some(sub) if value.is_null() => {
                let fields = object(element);
                if let Some(key) = key_of(fields, sub) {
                    fields.remove(&key);
                }
            }
            Some(sub) => *slot(object(element), sub) = value,
            None => *element = value,
        }
    }
}

impl ValueFilter {
    fn matches(&self, element: &Value) -> bool {
        let found = element.as_object().and_then(|fields| member(fields, &self.attribute));
        match (&self.value, found) {
            (FilterValue::Text(wanted), Some(Value::String(text))) => wanted.eq_ignore_ascii_case(text),
            (FilterValue::Bool(wanted), Some(Value::Bool(flag))) => wanted == flag,
            _ => false,
        }
    }

    /// The element that matches, made if there is none.
    fn element<'a>(&self, attribute: &'a mut Value) -> &'a mut Value {
        if !attribute.is_array() {
            *attribute = Value::Array(Vec::new());
        }
        let Value::Array(elements) = attribute else { return attribute };
        let index = elements.iter().position(|element| self.matches(element)).unwrap_or_else(|| {
            let value = match &self.value {
                FilterValue::Text(text) => Value::String(text.clone()),
                FilterValue::Bool(flag) => Value::Bool(*flag),
            };
            elements.push(Value::Object(Map::from_iter([(self.attribute.clone(), value)])));
            elements.len() - 1
        });
        &mut elements[index]
    }
}

/// The key under which an attribute stands; names of attributes are case-insensitive (RFC 7643 §2.1).
fn key_of(fields: &Map<String, Value>, name: &str) -> Option<String> {
    if fields.contains_key(name) {
        return Some(name.to_owned());
    }
    fields.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

fn member<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn slot<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    let key = key_of(fields, name).unwrap_or_else(|| name.to_owned());
    fields.entry(key).or_insert(Value::Null)
}

/// The value as an object; anything else is replaced by an empty one.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("made an object above"),
    }
}

impl fmt::Display for ScimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.attribute)?;
        match &self.filter {
            Some(ValueFilter { attribute, value: FilterValue::Text(text) }) => {
                write!(f, "[{attribute} eq {}]", Value::from(text.as_str()))?;
            }
            Some(ValueFilter { attribute, value: FilterValue::Bool(flag) }) => write!(f, "[{attribute} eq {flag}]")?,
            None => {}
        }
        match &self.sub_attribute {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ScimPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let before_filter = text.find('[').unwrap_or(text.len());
        let (schema, rest) = match text[..before_filter].rfind(':') {
            Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
            None => (None, text),
        };
        if let Some(schema) = schema
            && !schema.to_ascii_lowercase().starts_with("urn:")
        {
            return Err(problem("what stands before the last `:` is not a URN"));
        }
        let (attribute, filter, tail) = match rest.split_once('[') {
            Some((attribute, after)) => {
                let close = closing_bracket(after).ok_or_else(|| problem("the `[` is not closed"))?;
                (attribute, Some(parse_filter(&after[..close])?), &after[close + 1..])
            }
            None => match rest.split_once('.') {
                Some((attribute, _)) => (attribute, None, &rest[attribute.len()..]),
                None => (rest, None, ""),
            },
        };
        let sub_attribute = match tail.strip_prefix('.') {
            Some(sub) => Some(name(sub)?),
            None if tail.is_empty() => None,
            None => return Err(problem("after `]` only `.subAttribute` may follow")),
        };
        let schema = schema.filter(|schema| !schema.eq_ignore_ascii_case(CORE_USER)).map(str::to_owned);
        Ok(Self { schema, attribute: name(attribute)?, filter, sub_attribute })
    }
}

/// Where the filter ends; brackets inside quotes do not count.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

fn parse_filter(text: &str) -> Result<ValueFilter, PathError> {
    let mut words = text.trim().splitn(3, char::is_whitespace);
    let (Some(attribute), Some(operator), Some(value)) = (words.next(), words.next(), words.next()) else {
        return Err(problem("a filter in brackets reads `type eq \"work\"`"));
    };
    if !operator.eq_ignore_ascii_case("eq") {
        return Err(problem("the only operator in a target is `eq`"));
    }
    let value = match serde_json::from_str::<Value>(value.trim()) {
        Ok(Value::String(text)) => FilterValue::Text(text),
        Ok(Value::Bool(flag)) => FilterValue::Bool(flag),
        _ => return Err(problem("a filter compares with a quoted text, true or false")),
    };
    Ok(ValueFilter { attribute: name(attribute)?, value })
}

fn name(text: &str) -> Result<String, PathError> {
    let mut characters = text.chars();
    let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '$');
    if starts_well && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$')) {
        Ok(text.to_owned())
    } else {
        Err(problem(&format!("`{text}` is not an attribute name")))
    }
}

fn problem(text: &str) -> PathError {
    PathError { problem: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> ScimPath {
        text.parse().unwrap()
    }

    #[test]
    fn every_supported_form_reads_and_prints_as_written() {
        for text in [
            "title",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "emails[primary eq true].value",
            "addresses[type eq \"a]b\"]",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        ] {
            assert_eq!(path(text).to_string(), text);
        }
        assert_eq!(path("urn:ietf:params:scim:schemas:core:2.0:User:title"), path("title"));
    }

    #[test]
    fn what_is_no_path_is_refused_and_says_what_would_be() {
        for text in [
            "",
            "name.",
            ".x",
            "a b",
            "emails[type eq work].value",
            "emails[type ne \"work\"]",
            "emails[type eq \"work\"",
            "x:y",
            "a[b eq true]c",
        ] {
            let error = text.parse::<ScimPath>().unwrap_err().to_string();
            assert!(error.contains("name.givenName"), "{text}: {error}");
        }
    }

    #[test]
    fn values_are_put_in_place_and_the_rest_stays() {
        let mut user = json!({"Title": "old", "emails": [{"type": "home", "value": "h"}], "x": 1});
        path("title").set(&mut user, json!("new"));
        path("name.givenName").set(&mut user, json!("Ada"));
        path("emails[type eq \"work\"].value").set(&mut user, json!("w"));
        path("urn:a:b:User:c").set(&mut user, json!("d"));
        path("nickName").set(&mut user, Value::Null);
        assert_eq!(
            user,
            json!({"Title": "new", "emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}], "x": 1,
                   "name": {"givenName": "Ada"}, "urn:a:b:User": {"c": "d"}})
        );
        assert_eq!(path("emails[type eq \"WORK\"].value").get(&user), Some(&json!("w")));
        path("name.givenName").set(&mut user, Value::Null);
        assert_eq!(path("name.givenName").get(&user), None);
    }
}
