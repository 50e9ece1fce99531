//! Creating an account (SC-6).

use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde_json::Value;

use super::{Client, wire};
use crate::{
    connector::{AppError, http::Answer},
    domain::{account::Record, id::AppId},
};

/// POSTs the resource. `None`: the app took it and did not say, in a way that can be believed, what it made.
pub(super) async fn run(client: &Client, resource: &Value) -> Result<Option<Record>, AppError> {
    let answer = client.write("create", Method::POST, &["Users"], resource).await?;
    match wire::resource(&answer) {
        Ok(record) if is_ours(&record, resource) => return Ok(Some(record)),
        // Somebody else's account: linking it would be worse than looking for ours.
        Ok(_) => return Ok(None),
        Err(_) => {}
    }
    let Some(id) = location_id(&answer) else { return Ok(None) };
    // The account was made; that it cannot be read just now does not undo it.
    Ok(client.read(&id).await.ok().filter(|record| is_ours(record, resource)))
}

/// Does the answer show the account that was asked for? What it leaves out does not count.
fn is_ours(record: &Record, sent: &Value) -> bool {
    match (record.external_id(), sent["externalId"].as_str()) {
        (Some(shown), Some(sent)) => shown == sent,
        _ => match (record.user_name(), sent["userName"].as_str()) {
            (Some(shown), Some(sent)) => caseless::canonical_caseless_match_str(shown, sent),
            _ => true,
        },
    }
}

/// The id in `Location`: its last segment. Only the id is taken, never the host or the path.
fn location_id(answer: &Answer) -> Option<AppId> {
    let location = answer.location.as_deref()?;
    let path = location.split(['?', '#']).next()?;
    let segment = path.rsplit('/').find(|segment| !segment.is_empty())?;
    let id = percent_decode_str(segment).decode_utf8().ok()?;
    (id != "Users").then(|| AppId::new(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::hash::ShortHash;

    #[test]
    fn sc6_the_id_is_the_last_segment_of_the_location() {
        for (location, id) in [
            ("https://a.example/scim/Users/42", Some("42")),
            ("/scim/Users/a%2Fb", Some("a/b")),
            ("https://other.example/x/Users/42/?v=1#f", Some("42")),
            ("https://a.example/scim/Users", None),
            ("https://a.example/scim/Users/%ff", None),
            ("", None),
            ("///", None),
        ] {
            let answer =
                Answer { status: 201, body: Vec::new(), location: Some(location.into()), html: false, credential: ShortHash::of(b"") };
            assert_eq!(location_id(&answer).as_ref().map(AppId::as_str), id, "{location}");
        }
    }

    #[test]
    fn sc6_anothers_account_is_not_ours() {
        let sent = json!({"userName": "ada", "externalId": "p-1"});
        for (shown, ours) in [
            (json!({"userName": "ADA", "externalId": "p-1"}), true),
            (json!({"userName": "ada-2", "externalId": "p-1"}), true),
            (json!({"userName": "ada", "externalId": "p-2"}), false),
            (json!({"userName": "Ada"}), true),
            (json!({"userName": "bob"}), false),
            (json!({}), true),
        ] {
            assert_eq!(is_ours(&Record { id: AppId::new("1"), resource: shown.clone() }, &sent), ours, "{shown}");
        }
    }
}
