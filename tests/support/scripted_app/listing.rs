//! Listing and filtering, rightly and with every fault of the catalogue.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    State, What,
    ledger::Entry,
    scim::{refuse, reply, shown},
    serve::Reply,
};

pub(super) fn list(state: &State, request: &Entry, faults: &[What]) -> Reply {
    let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let everybody: Vec<_> = state.users.values().cloned().map(|user| shown(user, faults)).collect();
    let found = match parameters.get("filter") {
        None => everybody,
        Some(filter) => match filtered(everybody, filter, faults) {
            Ok(found) => found,
            Err(reply) => return reply,
        },
    };
    if found.is_empty() && faults.iter().any(|fault| matches!(fault, What::NotFoundForEmpty)) {
        return refuse(404, None);
    }
    let asked: usize = parameters.get("count").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    if faults.iter().any(|fault| matches!(fault, What::MaxCount(most) if asked > *most && parameters.contains_key("count"))) {
        return refuse(422, None);
    }
    let size = asked.min(state.options.page_limit);
    match parameters.get("cursor") {
        Some(cursor) if state.options.cursor => by_cursor(&found, cursor, size, faults),
        _ => by_index(&found, parameters.get("startIndex").and_then(|start| start.parse().ok()).unwrap_or(1), size, faults),
    }
}

fn by_index(found: &[Value], start: usize, mut size: usize, faults: &[What]) -> Reply {
    let mut from = start.max(1) - 1;
    let mut total = found.len();
    let mut end = found.len();
    for fault in faults {
        match fault {
            What::ShortPages(most) => size = size.min(*most),
            What::Overlap(by) => from = from.saturating_sub(*by),
            What::IgnoreStartIndex => from = 0,
            What::IgnorePaging => (from, size) = (0, usize::MAX),
            What::SilentCap(cap) => {
                total = total.min(*cap);
                if from < *cap {
                    end = end.min(*cap);
                }
            }
            _ => {}
        }
    }
    let from = from.min(end);
    let page = found[from..end.min(from.saturating_add(size))].to_vec();
    finish(json!({"totalResults": total, "startIndex": start, "itemsPerPage": page.len()}), page, faults)
}

fn by_cursor(found: &[Value], cursor: &str, size: usize, faults: &[What]) -> Reply {
    let from = match cursor.strip_prefix("after-") {
        _ if cursor.is_empty() => 0,
        Some(number) => number.parse().unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if from > found.len() {
        return refuse(400, Some("invalidCursor"));
    }
    let to = found.len().min(from.saturating_add(size));
    let mut head = json!({"totalResults": found.len(), "itemsPerPage": to - from});
    if to < found.len() {
        head["nextCursor"] = format!("after-{to}").into();
    }
    if let Some(same) = faults.iter().find_map(|fault| if let What::CursorLoops(same) = fault { Some(*same) } else { None }) {
        head["nextCursor"] = same.into();
    }
    finish(head, found[from..to].to_vec(), faults)
}

fn finish(mut head: Value, mut page: Vec<Value>, faults: &[What]) -> Reply {
    head["schemas"] = json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]);
    for fault in faults {
        match fault {
            What::TotalIs(total) => head["totalResults"] = (*total).into(),
            What::TextCounters => {
                for name in ["totalResults", "startIndex", "itemsPerPage"] {
                    head[name] = head[name].to_string().into();
                }
            }
            What::LeaveOut(count) => page.truncate(page.len().saturating_sub(*count)),
            What::EmptyPage => page.clear(),
            What::DuplicateId if !page.is_empty() => page.push(page[0].clone()),
            What::MissingId => drop(page.first_mut().and_then(Value::as_object_mut).map(|user| user.remove("id"))),
            What::NumericId => drop(page.first_mut().map(|user| user["id"] = 7.into())),
            What::NoSchemas => drop(head.as_object_mut().map(|head| head.remove("schemas"))),
            What::NoTotal => drop(head.as_object_mut().map(|head| head.remove("totalResults"))),
            _ => {}
        }
    }
    // As many servers do, and RFC 7644 allows: no `Resources` where there are none.
    if !page.is_empty() {
        head["Resources"] = page.into();
    }
    reply(200, &head)
}

/// `attribute eq "value"`; the value must be JSON to its last byte.
fn filtered(users: Vec<Value>, filter: &str, faults: &[What]) -> Result<Vec<Value>, Reply> {
    let Some((attribute, value)) = filter.split_once(" eq ") else { return Err(refuse(400, Some("invalidFilter"))) };
    let Ok(Value::String(value)) = serde_json::from_str(value) else { return Err(refuse(400, Some("invalidFilter"))) };
    let mut mode = None;
    for fault in faults {
        match fault {
            What::FilterEverybody => return Ok(users),
            What::FilterNobody => return Ok(Vec::new()),
            What::FilterSimilar | What::FilterCaseSensitive => mode = Some(fault),
            _ => {}
        }
    }
    let matches = |user: &Value| {
        let Some(found) = user[attribute].as_str() else { return false };
        match (mode, attribute) {
            (Some(What::FilterSimilar), _) => found.starts_with(&value),
            (None, "userName") => found.to_lowercase() == value.to_lowercase(),
            _ => found == value,
        }
    };
    Ok(users.into_iter().filter(matches).collect())
}
