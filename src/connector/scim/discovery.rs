//! What an app says of itself (SC-2). What it does not say is assumed to be the least: PUT, indexes.

use serde_json::Value;

use super::{Client, wire};
use crate::{
    connector::{AppError, Capabilities, http::SINGLE},
    domain::hash::DigestBuilder,
};

/// The capabilities, and what only this connector wants to know.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    pub capabilities: Capabilities,
    /// The largest page that the app serves (RFC 9865 §2.3).
    pub max_page_size: Option<u32>,
}

/// Asks. Failures that may pass are errors; an endpoint that is not there, or not for us, is one that says nothing.
pub(super) async fn discover(client: &Client) -> Result<Discovered, AppError> {
    let config = endpoint(client, "ServiceProviderConfig").await?.unwrap_or_default();
    let types = endpoint(client, "ResourceTypes").await?;
    let schemas = endpoint(client, "Schemas").await?;
    let supported = |feature: &str| config[feature]["supported"] == true;
    let capabilities = Capabilities {
        patch: supported("patch"),
        bulk: supported("bulk"),
        filter: supported("filter"),
        etag: supported("etag"),
        cursor_paging: config["pagination"]["cursor"] == true,
        resource_types: types.as_ref().map(names).unwrap_or_default(),
        schema_digest: schemas.as_ref().and_then(digest),
    };
    let max_page_size = config["pagination"]["maxPageSize"].as_u64().and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
    Ok(Discovered { capabilities, max_page_size })
}

async fn endpoint(client: &Client, name: &'static str) -> Result<Option<Value>, AppError> {
    let answer = client.get("discover", &[name], None, SINGLE).await?;
    if answer.is_success() {
        // Web sites answer unknown paths with their front page.
        return Ok(serde_json::from_slice(&answer.body).ok());
    }
    match answer.refusal() {
        AppError::ServerFailed(status) => Err(AppError::ServerFailed(status)),
        error @ (AppError::Unauthorized | AppError::NoAnswer(_)) => Err(error),
        _ => Ok(None),
    }
}

/// The resources of an answer that may be a list or, at some servers, a bare array.
fn resources(answer: &Value) -> &[Value] {
    answer.get("Resources").unwrap_or(answer).as_array().map(Vec::as_slice).unwrap_or_default()
}

fn names(types: &Value) -> Vec<String> {
    let mut names: Vec<_> = resources(types).iter().filter_map(|kind| kind["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The digest of the schemas, whatever order they come in and wherever the server says they are.
fn digest(schemas: &Value) -> Option<String> {
    let mut texts: Vec<_> = resources(schemas)
        .iter()
        .map(|schema| {
            let mut schema = schema.clone();
            if let Some(fields) = schema.as_object_mut() {
                fields.remove("meta");
            }
            schema.to_string()
        })
        .collect();
    if texts.is_empty() {
        return None;
    }
    texts.sort();
    let mut digest = DigestBuilder::new();
    for text in &texts {
        digest.part(text.as_bytes());
    }
    Some(digest.finish().to_string())
}

/// Tests address and credentials (AI-2).
pub(super) async fn check(client: &Client) -> Result<(), AppError> {
    let answer = client.get("check", &["Users"], Some("startIndex=1&count=1"), SINGLE).await?;
    match answer.success().and_then(|answer| wire::page(&answer)) {
        Ok(_) => Ok(()),
        Err(AppError::NotFound) => Err(AppError::NotScim("there are no Users below baseURL (404)")),
        Err(AppError::Invalid { .. } | AppError::Conflict { .. } | AppError::Unsupported { .. }) => {
            Err(AppError::NotScim("it refuses to list one user"))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_of_schemas_knows_their_content_and_not_their_order_or_place() {
        let (user, group) = (json!({"id": "User", "meta": {"location": "https://a"}}), json!({"id": "Group"}));
        let moved = json!({"id": "User", "meta": {"location": "https://b"}});
        assert_eq!(digest(&json!({"Resources": [user, group]})), digest(&json!([group, moved])));
        assert_ne!(digest(&json!([user])), digest(&json!([group])));
        assert!(digest(&json!([user])).unwrap().starts_with("sha256:"));
        assert_eq!(digest(&json!({"Resources": []})), None);
        assert_eq!(digest(&json!("hello")), None);
    }
}
