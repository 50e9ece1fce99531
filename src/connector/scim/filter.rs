//! Lookups by filter, and whether they can be believed (SC-3, SC-4).
//!
//! Some servers answer filters they do not understand with nobody, others with everybody. The first would make us create
//! people twice, so a filter is tried on an account that is known to be there before its "nobody" is believed.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Client, encode, is_nobody, wire};
use crate::{
    clock::SharedClock,
    connector::{AppError, LookupAttribute, http::PAGE},
    domain::account::Record,
};

/// How long a filter that could not be trusted is not tried again.
const DISTRUST: SignedDuration = SignedDuration::from_mins(10);
/// How many accounts are looked at to find one that has the attribute.
const SAMPLE: u32 = 100;

/// What was learned of the filters of one app.
pub(super) struct Filters {
    clock: SharedClock,
    external_id: Mutex<Trust>,
    user_name: Mutex<Trust>,
}

#[derive(Clone, Copy, Default)]
enum Trust {
    #[default]
    Unknown,
    Trusted,
    DistrustedUntil(Timestamp),
}

impl Filters {
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, external_id: Mutex::default(), user_name: Mutex::default() }
    }

    /// Accounts whose attribute equals the value.
    pub async fn find(&self, client: &Client, attribute: LookupAttribute, value: &str) -> Result<Vec<Record>, AppError> {
        self.ensure_trusted(client, attribute).await?;
        let found = query(client, attribute, value).await?;
        match found {
            Found::These(records) if records.iter().all(|record| satisfies(record, attribute, value)) => Ok(records),
            Found::These(_) | Found::NotAllShown => {
                *self.trust(attribute).lock().await = self.distrust();
                Err(AppError::FilterUntrusted)
            }
        }
    }

    async fn ensure_trusted(&self, client: &Client, attribute: LookupAttribute) -> Result<(), AppError> {
        // Held while probing: those who come meanwhile wait for the verdict.
        let mut trust = self.trust(attribute).lock().await;
        match *trust {
            Trust::Trusted => return Ok(()),
            Trust::DistrustedUntil(then) if self.clock.now() < then => return Err(AppError::FilterUntrusted),
            Trust::Unknown | Trust::DistrustedUntil(_) => {}
        }
        let verdict = match probe(client, attribute).await {
            // The app answered, and refuses filters as such.
            Err(AppError::Invalid { .. } | AppError::Unsupported { .. } | AppError::NotScim(_) | AppError::NotFound) => false,
            other => other?,
        };
        *trust = if verdict { Trust::Trusted } else { self.distrust() };
        if verdict { Ok(()) } else { Err(AppError::FilterUntrusted) }
    }

    fn trust(&self, attribute: LookupAttribute) -> &Mutex<Trust> {
        match attribute {
            LookupAttribute::ExternalId => &self.external_id,
            LookupAttribute::UserName => &self.user_name,
        }
    }

    fn distrust(&self) -> Trust {
        Trust::DistrustedUntil(self.clock.now().checked_add(DISTRUST).unwrap_or(Timestamp::MAX))
    }
}

/// Does the filter find an account that is there, it alone, and nobody where there is nobody?
async fn probe(client: &Client, attribute: LookupAttribute) -> Result<bool, AppError> {
    let Some(sample) = sample(client, attribute).await? else { return Ok(false) };
    let value = value_of(&sample, attribute).unwrap_or_default();
    if !finds_only(client, attribute, value, &sample).await? {
        return Ok(false);
    }
    // A filter that minds the case of usernames would miss people who are there (SC-4).
    let swapped = swap_case(value);
    if attribute == LookupAttribute::UserName && swapped != value && !finds_only(client, attribute, &swapped, &sample).await? {
        return Ok(false);
    }
    let nobody = query(client, attribute, &Uuid::new_v4().to_string()).await?;
    Ok(matches!(nobody, Found::These(records) if records.is_empty()))
}

async fn finds_only(client: &Client, attribute: LookupAttribute, value: &str, sample: &Record) -> Result<bool, AppError> {
    let found = query(client, attribute, value).await?;
    Ok(matches!(found, Found::These(records) if matches!(records.as_slice(), [only] if only.id == sample.id)))
}

/// A listed account that has the attribute.
async fn sample(client: &Client, attribute: LookupAttribute) -> Result<Option<Record>, AppError> {
    let answer = client.get("probe", &["Users"], Some(&format!("startIndex=1&count={SAMPLE}")), PAGE).await?;
    if is_nobody(&answer) {
        return Ok(None);
    }
    let page = wire::page(&answer.success()?)?;
    let listed = page.records.into_iter().flatten().filter_map(|record| record.parse().ok());
    Ok(listed.into_iter().find(|record| value_of(record, attribute).is_some_and(|value| !value.is_empty())))
}

enum Found {
    These(Vec<Record>),
    /// More than the answer shows, so it proves nothing.
    NotAllShown,
}

async fn query(client: &Client, attribute: LookupAttribute, value: &str) -> Result<Found, AppError> {
    // Quoted as JSON, then encoded: no value can end its quotes or its parameter (G2).
    let filter = encode(&format!("{} eq {}", attribute.as_str(), Value::from(value)));
    let answer = client.get("find", &["Users"], Some(&format!("filter={filter}&startIndex=1&count={SAMPLE}")), PAGE).await?;
    if is_nobody(&answer) {
        return Ok(Found::These(Vec::new()));
    }
    if answer.status == 404 {
        return Err(AppError::NotScim("a lookup was answered with 404 and no SCIM error"));
    }
    let page = wire::page(&answer.success()?)?;
    let shown = page.records.len();
    if matches!(page.total, wire::Counter::Is(total) if total > shown as u64) {
        return Ok(Found::NotAllShown);
    }
    let records = page.records.into_iter().map(|record| record.ok()?.parse().ok()).collect::<Option<Vec<_>>>();
    records.map(Found::These).ok_or(AppError::NotScim("a lookup was answered with a resource that has no id or is too deep"))
}

fn satisfies(record: &Record, attribute: LookupAttribute, value: &str) -> bool {
    value_of(record, attribute).is_some_and(|found| match attribute {
        LookupAttribute::ExternalId => found == value,
        LookupAttribute::UserName => caseless::canonical_caseless_match_str(found, value),
    })
}

fn value_of(record: &Record, attribute: LookupAttribute) -> Option<&str> {
    match attribute {
        LookupAttribute::ExternalId => record.external_id(),
        LookupAttribute::UserName => record.user_name(),
    }
}

/// ASCII letters in the other case: what every server agrees on.
fn swap_case(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::AppId;

    #[test]
    fn sc4_usernames_compare_folded_and_external_ids_exactly() {
        let record = Record { id: AppId::new("1"), resource: json!({"userName": "Jörg@Example.com", "externalId": "p-A"}) };
        for (value, same) in [("jÖRG@example.com", true), ("Jo\u{308}rg@example.com", true), ("jorg@example.com", false), ("", false)] {
            assert_eq!(satisfies(&record, LookupAttribute::UserName, value), same, "{value}");
        }
        assert!(satisfies(&record, LookupAttribute::ExternalId, "p-A"));
        assert!(!satisfies(&record, LookupAttribute::ExternalId, "p-a"));
        let nameless = Record { id: AppId::new("1"), resource: json!({"userName": 7}) };
        assert!(!satisfies(&nameless, LookupAttribute::UserName, "7"));
    }
}
