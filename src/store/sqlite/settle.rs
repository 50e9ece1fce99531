//! What a group of journal entries writes: all intents in one statement, and what all results mean in a few.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::SqliteConnection;

use super::{
    bulk,
    journal::Entries,
    rows,
    scope::{Scope, Write},
};
use crate::{
    domain::{
        hash::ShortHash,
        id::{IntentId, PersonId},
        link::Link,
        provision_plan::Failure,
        report::ActionClass,
    },
    store::{Claim, Intent, IntentResult, Result},
};

/// Results in `?1`, a JSON array of arrays whose first element is the intent; `?2` is the integration and `?3` the
/// organisation. Only intents of the integration are met (H5); one that is settled already is gone, and nothing happens
/// twice.
macro_rules! results {
    () => {
        "json_each(?1) k CROSS JOIN intent i ON i.id = k.value ->> 0 AND i.integration = ?2
        CROSS JOIN person p ON p.organisation = ?3 AND p.id = i.person"
    };
}

/// The person's former account is remembered no longer. What else the account's row says stays as the import found it.
const DROP_OLD_VALUES: &str = concat!(
    "DELETE FROM account_values WHERE integration = ?2 AND app_id IN (SELECT x.app_id FROM ",
    results!(),
    " CROSS JOIN account x ON x.person = p.pk AND x.integration = ?2 AND x.app_id <> k.value ->> 1)"
);

const DROP_OLD_LINKS: &str = concat!(
    "DELETE FROM account WHERE integration = ?2 AND app_id IN (SELECT x.app_id FROM ",
    results!(),
    " CROSS JOIN account x ON x.person = p.pk AND x.integration = ?2 AND x.app_id <> k.value ->> 1)"
);

/// An account that an import has meanwhile linked to somebody else stays theirs.
const PUT_LINKS: &str = concat!(
    "INSERT INTO account (integration, app_id, person, state, origin, assigned, active, missing, inputs)
    SELECT ?2, k.value ->> 1, p.pk, k.value ->> 2, k.value ->> 3, k.value ->> 4, k.value ->> 5, 0, unhex(k.value ->> 6) FROM ",
    results!(),
    " WHERE true ON CONFLICT (integration, app_id) DO UPDATE SET
        person = excluded.person, state = excluded.state, origin = excluded.origin, assigned = excluded.assigned,
        active = excluded.active, inputs = excluded.inputs, missing = iif(excluded.state = 'Live' AND state <> 'Live', 0, missing)
    WHERE person = excluded.person OR state <> 'Live'"
);

const PUT_VALUES: &str = concat!(
    "INSERT INTO account_values (integration, app_id, written, resource)
    SELECT ?2, k.value ->> 1, k.value ->> 7, k.value ->> 8 FROM ",
    results!(),
    " CROSS JOIN account a ON a.integration = ?2 AND a.app_id = k.value ->> 1 AND a.person = p.pk WHERE true
    ON CONFLICT (integration, app_id) DO UPDATE SET written = excluded.written, resource = excluded.resource"
);

const FORGET_FAILURES: &str = concat!("DELETE FROM failure WHERE integration = ?2 AND person IN (SELECT p.pk FROM ", results!(), ")");

const NOTE_REMOVALS: &str = concat!(
    "INSERT INTO removal (integration, direction, app_id, run, at)
    SELECT ?2, 'ToApp', k.value ->> 1, k.value ->> 9, k.value ->> 10 FROM ",
    results!(),
    " WHERE i.removes ON CONFLICT (integration, direction, app_id) DO UPDATE SET run = excluded.run, at = excluded.at"
);

const PUT_FAILURES: &str = concat!(
    "INSERT INTO failure (integration, person, inputs, attempts, next_attempt)
    SELECT ?2, p.pk, unhex(k.value ->> 1), k.value ->> 2, k.value ->> 3 FROM ",
    results!(),
    " WHERE true ON CONFLICT (integration, person) DO UPDATE SET
        inputs = excluded.inputs, attempts = excluded.attempts, next_attempt = excluded.next_attempt"
);

const DROP_INTENTS: &str = "DELETE FROM intent WHERE id IN (
    SELECT i.id FROM json_each(?1) k CROSS JOIN intent i ON i.id = k.value ->> 0 AND i.integration = ?2)";

/// What is done about results with an effect.
pub(super) const DONE: [&str; 6] = [DROP_OLD_VALUES, DROP_OLD_LINKS, PUT_LINKS, PUT_VALUES, FORGET_FAILURES, NOTE_REMOVALS];

/// The last id that the journal has ever given.
pub(super) async fn last_intent(connection: &mut SqliteConnection) -> Result<i64> {
    let last = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'intent'").fetch_optional(connection).await?;
    Ok(last.unwrap_or_default())
}

/// An intent, ready to be written.
pub(super) struct NewIntent {
    person: PersonId,
    removes: bool,
    action: String,
}

impl NewIntent {
    pub fn new(intent: &Intent) -> Result<Self> {
        let removes = intent.action.kind.class() == Some(ActionClass::Removals);
        Ok(Self { person: intent.person, removes, action: rows::to_json(&intent.action, "intent.action")? })
    }
}

/// A result, ready to be written.
pub(super) struct Settlement {
    id: IntentId,
    result: IntentResult,
}

impl Settlement {
    pub fn new(id: IntentId, result: &IntentResult) -> Self {
        Self { id, result: result.clone() }
    }
}

struct IntentRow<'a> {
    id: i64,
    scope: Scope,
    epoch: i64,
    opened: i64,
    intent: &'a NewIntent,
}

/// Intent, app id, state, origin, assigned, active, inputs, written, resource, run, time.
#[derive(Serialize)]
struct DoneEntry<'a>(
    i64,
    &'a str,
    &'static str,
    &'static str,
    u8,
    u8,
    Option<ShortHash>,
    &'a serde_json::Map<String, Value>,
    Option<&'a Value>,
    i64,
    i64,
);

/// Intent, inputs, attempts, next attempt.
#[derive(Serialize)]
struct FailedEntry(i64, ShortHash, u32, i64);

/// Results of one integration.
#[derive(Default)]
struct Results<'a> {
    scope: Scope,
    done: Vec<DoneEntry<'a>>,
    failed: Vec<FailedEntry>,
    settled: Vec<[i64; 1]>,
}

/// What a transaction of the journal writes.
pub(super) struct Batch<'a> {
    last: i64,
    opened: Vec<IntentRow<'a>>,
    results: HashMap<i64, Results<'a>>,
}

impl<'a> Batch<'a> {
    pub fn starting_after(last: i64) -> Self {
        Self { last, opened: Vec::new(), results: HashMap::new() }
    }

    /// Adds what a request asks for; the ids are those of its intents.
    pub fn add(&mut self, scope: Scope, claim: &Claim, entries: &'a Entries, now: Timestamp) -> Vec<IntentId> {
        match entries {
            Entries::Open(intents) => intents.iter().map(|intent| self.add_intent(scope, claim, intent, now)).collect(),
            Entries::Close(settlements) => {
                let results = self.results.entry(scope.integration).or_default();
                results.scope = scope;
                for settlement in settlements {
                    results.add(claim, settlement, now);
                }
                Vec::new()
            }
        }
    }

    fn add_intent(&mut self, scope: Scope, claim: &Claim, intent: &'a NewIntent, now: Timestamp) -> IntentId {
        self.last += 1;
        self.opened.push(IntentRow { id: self.last, scope, epoch: claim.epoch.0, opened: now.as_millisecond(), intent });
        IntentId(self.last)
    }

    pub async fn write(self, write: &mut Write) -> Result<()> {
        const INTO: &str = "INSERT INTO intent (id, integration, epoch, person, removes, opened, action) ";
        bulk::insert(write, INTO, "", &self.opened, |mut values, row| {
            values.push_bind(row.id).push_bind(row.scope.integration).push_bind(row.epoch);
            values.push_bind(row.intent.person.as_bytes().as_slice()).push_bind(row.intent.removes);
            values.push_bind(row.opened).push_bind(row.intent.action.as_str());
        })
        .await?;
        for results in self.results.into_values() {
            results.write(write).await?;
        }
        Ok(())
    }
}

impl<'a> Results<'a> {
    fn add(&mut self, claim: &Claim, settlement: &'a Settlement, now: Timestamp) {
        let id = settlement.id.0;
        match &settlement.result {
            IntentResult::Done { link } => self.done.push(done_entry(id, claim, link, now)),
            IntentResult::Failed(failure) => self.failed.push(failed_entry(id, failure)),
            IntentResult::Void => {}
        }
        self.settled.push([id]);
    }

    async fn write(self, write: &mut Write) -> Result<()> {
        run(write, self.scope, &DONE, &self.done).await?;
        run(write, self.scope, &[PUT_FAILURES], &self.failed).await?;
        run(write, self.scope, &[DROP_INTENTS], &self.settled).await
    }
}

async fn run<T: Serialize>(write: &mut Write, scope: Scope, statements: &[&'static str], entries: &[T]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let entries = rows::to_json(&entries, "journal entries")?;
    for statement in statements {
        sqlx::query(*statement).bind(&entries).bind(scope.integration).bind(scope.organisation).execute(&mut **write).await?;
    }
    Ok(())
}

fn done_entry<'a>(id: i64, claim: &Claim, link: &'a Link, now: Timestamp) -> DoneEntry<'a> {
    DoneEntry(
        id,
        link.app_id.as_str(),
        link.state.as_str(),
        link.origin.as_str(),
        link.assigned.into(),
        link.active.into(),
        link.inputs,
        &link.written,
        link.resource.as_ref(),
        claim.run.0,
        now.as_millisecond(),
    )
}

fn failed_entry(id: i64, failure: &Failure) -> FailedEntry {
    FailedEntry(id, failure.inputs, failure.attempts, failure.next_attempt.as_millisecond())
}
