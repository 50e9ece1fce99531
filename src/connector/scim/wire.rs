//! SCIM messages as they stand on the wire.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    connector::{AppError, ListedRecord, http::Answer},
    domain::{account::Record, id::AppId},
};

/// The schema of list answers (RFC 7644 §3.4.2).
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The schema of PATCH requests (RFC 7644 §3.5.2).
pub(super) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

const NOT_JSON: AppError = AppError::NotScim("it is not JSON");
const NO_LIST: AppError = AppError::NotScim("it is not a ListResponse");

/// A counter of a list answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Absent,
    Is(u64),
    /// There, but not a whole number of JSON.
    Malformed,
}

/// A page of a listing. The records are not parsed yet, and may lack an id.
#[derive(Debug)]
pub(super) struct Page {
    pub total: Counter,
    /// `startIndex` or `itemsPerPage` is there and not a whole number.
    pub odd_counters: bool,
    pub records: Vec<Result<ListedRecord, NoId>>,
    /// The cursor of the next page; an empty one counts as none.
    pub next_cursor: Option<String>,
}

/// A record without an `id`, or with one that is not a text, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoId;

#[derive(Deserialize)]
struct ListResponse<'a> {
    #[serde(default)]
    schemas: Vec<String>,
    #[serde(default, borrow, rename = "totalResults")]
    total_results: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "startIndex")]
    start_index: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "itemsPerPage")]
    items_per_page: Option<&'a RawValue>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: Option<String>,
    #[serde(default, borrow, rename = "Resources", alias = "resources")]
    resources: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct IdOnly<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// Reads a page. The answer is a success.
pub(super) fn page(answer: &Answer) -> Result<Page, AppError> {
    let list: ListResponse<'_> = serde_json::from_slice(json(answer)?).map_err(|error| if error.is_data() { NO_LIST } else { NOT_JSON })?;
    if !list.schemas.iter().any(|schema| schema.eq_ignore_ascii_case(LIST_RESPONSE)) {
        return Err(NO_LIST);
    }
    let is_odd = |raw| counter(raw) == Counter::Malformed;
    Ok(Page {
        total: counter(list.total_results),
        odd_counters: is_odd(list.start_index) || is_odd(list.items_per_page),
        records: list.resources.unwrap_or_default().into_iter().map(listed).collect(),
        next_cursor: list.next_cursor.filter(|cursor| !cursor.is_empty()),
    })
}

/// Reads one resource, which must be an object with an id. The answer is a success.
pub(super) fn resource(answer: &Answer) -> Result<Record, AppError> {
    let resource = object(answer)?;
    match resource.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(id) => Ok(Record { id: AppId::new(id), resource }),
        None => Err(AppError::NotScim("the resource has no id")),
    }
}

/// Reads a JSON object.
pub(super) fn object(answer: &Answer) -> Result<Value, AppError> {
    let value: Value = serde_json::from_slice(json(answer)?).map_err(|_| NOT_JSON)?;
    if value.is_object() { Ok(value) } else { Err(AppError::NotScim("it is not a JSON object")) }
}

/// The JSON as it was sent.
pub(super) fn text(answer: &Answer) -> Result<Box<RawValue>, AppError> {
    serde_json::from_slice(json(answer)?).map_err(|_| NOT_JSON)
}

/// The body, unless it is none or HTML. A byte order mark is left out, as RFC 8259 §8.1 allows.
fn json(answer: &Answer) -> Result<&[u8], AppError> {
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    if body.trim_ascii().is_empty() {
        return Err(AppError::NotScim("it is empty"));
    }
    if is_html(answer) { Err(AppError::NotScim("it is HTML")) } else { Ok(body) }
}

/// Is the answer a web page, as it says itself or by its first character?
pub(super) fn is_html(answer: &Answer) -> bool {
    match answer.body.trim_ascii_start().first() {
        None => false,
        Some(first) => answer.html || *first == b'<',
    }
}

fn counter(raw: Option<&RawValue>) -> Counter {
    match raw {
        None => Counter::Absent,
        Some(raw) => raw.get().parse().map_or(Counter::Malformed, Counter::Is),
    }
}

fn listed(raw: &RawValue) -> Result<ListedRecord, NoId> {
    match serde_json::from_str::<IdOnly<'_>>(raw.get()) {
        Ok(IdOnly { id }) if !id.is_empty() => Ok(ListedRecord { id: AppId::new(id), raw: raw.to_owned() }),
        _ => Err(NoId),
    }
}

/// `active` of a resource, if it says so; `"True"` and `"False"` read as booleans (SC-1).
pub(super) fn active(resource: &Value) -> Option<bool> {
    match resource.get("active")? {
        Value::Bool(active) => Some(*active),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash::ShortHash;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, body: body.into(), location: None, html: false, credential: ShortHash::of(b"") }
    }

    fn list(rest: &str) -> Result<Page, AppError> {
        page(&answer(&format!(r#"{{"schemas":["{LIST_RESPONSE}"]{rest}}}"#)))
    }

    #[test]
    fn only_json_list_responses_are_pages() {
        for (body, expected) in [
            ("", AppError::NotScim("it is empty")),
            (" \n", AppError::NotScim("it is empty")),
            ("<!doctype html>", AppError::NotScim("it is HTML")),
            ("nonsense", NOT_JSON),
            (r#"{"schemas":"#, NOT_JSON),
            ("[]", NO_LIST),
            ("{}", NO_LIST),
            ("null", NO_LIST),
            (r#"{"schemas":["urn:x"],"totalResults":0}"#, NO_LIST),
            (r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":{}}"#, NO_LIST),
        ] {
            assert_eq!(page(&answer(body)).unwrap_err(), expected, "{body}");
        }
        assert!(page(&answer(&format!("\u{feff}{{\"schemas\":[\"{LIST_RESPONSE}\"]}}"))).is_ok());
        assert!(page(&Answer { html: true, ..answer("{}") }).is_err());
    }

    #[test]
    fn counters_are_whole_numbers_of_json_or_malformed() {
        for (text, expected) in [
            (r#","totalResults":5"#, Counter::Is(5)),
            ("", Counter::Absent),
            (r#","totalResults":null"#, Counter::Absent),
            (r#","totalResults":"5""#, Counter::Malformed),
            (r#","totalResults":5.0"#, Counter::Malformed),
            (r#","totalResults":-1"#, Counter::Malformed),
            (r#","totalResults":99999999999999999999"#, Counter::Malformed),
        ] {
            assert_eq!(list(text).unwrap().total, expected, "{text}");
        }
        assert!(list(r#","startIndex":"1""#).unwrap().odd_counters);
        assert!(!list(r#","startIndex":1,"itemsPerPage":null"#).unwrap().odd_counters);
    }

    #[test]
    fn records_stay_as_they_were_sent_and_need_a_text_as_id() {
        let page = list(r#","Resources":[{"id":"a\u0062", "x": 1.50},{"id":5},{},{"id":""},{"id":null},7]"#).unwrap();
        let first = page.records[0].as_ref().unwrap();
        assert_eq!((first.id.as_str(), first.raw.get()), ("ab", r#"{"id":"a\u0062", "x": 1.50}"#));
        assert!(page.records[1..].iter().all(Result::is_err));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(object(&answer(&deep)).unwrap_err(), NOT_JSON);
        assert!(list(&format!(r#","Resources":[{{"id":"a","x":{deep}}}]"#)).unwrap().records[0].as_ref().unwrap().parse().is_err());
    }
}
