//! What a group of journal entries writes: all intents in one statement, and what all results mean in a few.

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

/// The elements of a result in `?1`, a JSON array of arrays: see [`DoneEntry`]. Only intents of the same integration are
/// met (H5); one that is settled already is gone, and nothing happens twice.
macro_rules! done {
    () => {
        "json_each(?1) k CROSS JOIN intent i ON i.id = k.value ->> 0 AND i.integration = k.value ->> 1
        CROSS JOIN person p ON p.organisation = k.value ->> 2 AND p.id = i.person"
    };
}

/// The person's former account is remembered no longer. What else the account's row says stays as the import found it.
const DROP_OLD_VALUES: &str = concat!(
    "DELETE FROM account_values WHERE (integration, app_id) IN (SELECT x.integration, x.app_id FROM ",
    done!(),
    " CROSS JOIN account x ON x.person = p.pk AND x.integration = i.integration AND x.app_id <> k.value ->> 3)"
);

const DROP_OLD_LINKS: &str = concat!(
    "DELETE FROM account WHERE (integration, app_id) IN (SELECT x.integration, x.app_id FROM ",
    done!(),
    " CROSS JOIN account x ON x.person = p.pk AND x.integration = i.integration AND x.app_id <> k.value ->> 3)"
);

/// An account that an import has meanwhile linked to somebody else stays theirs.
const PUT_LINKS: &str = concat!(
    "INSERT INTO account (integration, app_id, person, state, origin, assigned, active, missing, inputs)
    SELECT i.integration, k.value ->> 3, p.pk, k.value ->> 4, k.value ->> 5, k.value ->> 6, k.value ->> 7, 0, unhex(k.value ->> 8) FROM ",
    done!(),
    " WHERE true ON CONFLICT (integration, app_id) DO UPDATE SET
        person = excluded.person, state = excluded.state, origin = excluded.origin, assigned = excluded.assigned,
        active = excluded.active, inputs = excluded.inputs, missing = iif(excluded.state = 'Live' AND state <> 'Live', 0, missing)
    WHERE person = excluded.person OR state <> 'Live'"
);

const PUT_VALUES: &str = concat!(
    "INSERT INTO account_values (integration, app_id, written, resource)
    SELECT i.integration, k.value ->> 3, k.value ->> 9, k.value ->> 10 FROM ",
    done!(),
    " CROSS JOIN account a ON a.integration = i.integration AND a.app_id = k.value ->> 3 AND a.person = p.pk WHERE true
    ON CONFLICT (integration, app_id) DO UPDATE SET written = excluded.written, resource = excluded.resource"
);

const FORGET_FAILURES: &str = concat!("DELETE FROM failure WHERE (integration, person) IN (SELECT i.integration, p.pk FROM ", done!(), ")");

const NOTE_REMOVALS: &str = concat!(
    "INSERT INTO removal (integration, direction, app_id, run, at)
    SELECT i.integration, 'ToApp', k.value ->> 3, k.value ->> 11, k.value ->> 12 FROM ",
    done!(),
    " WHERE i.removes ON CONFLICT (integration, direction, app_id) DO UPDATE SET run = excluded.run, at = excluded.at"
);

/// The elements of an entry in `?1`: see [`FailedEntry`].
const PUT_FAILURES: &str = "INSERT INTO failure (integration, person, inputs, attempts, next_attempt)
    SELECT i.integration, p.pk, unhex(k.value ->> 3), k.value ->> 4, k.value ->> 5
    FROM json_each(?1) k CROSS JOIN intent i ON i.id = k.value ->> 0 AND i.integration = k.value ->> 1
    CROSS JOIN person p ON p.organisation = k.value ->> 2 AND p.id = i.person WHERE true
    ON CONFLICT (integration, person) DO UPDATE SET
        inputs = excluded.inputs, attempts = excluded.attempts, next_attempt = excluded.next_attempt";

/// The elements of an entry in `?1` are the intent and the integration.
const DROP_INTENTS: &str = "DELETE FROM intent WHERE id IN (
    SELECT i.id FROM json_each(?1) k CROSS JOIN intent i ON i.id = k.value ->> 0 AND i.integration = k.value ->> 1)";

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

/// Intent, integration, organisation, app id, state, origin, assigned, active, inputs, written, resource, run, time.
#[derive(Serialize)]
struct DoneEntry<'a>(
    i64,
    i64,
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

/// Intent, integration, organisation, inputs, attempts, next attempt.
#[derive(Serialize)]
struct FailedEntry(i64, i64, i64, ShortHash, u32, i64);

/// What a transaction of the journal writes.
pub(super) struct Batch<'a> {
    last: i64,
    opened: Vec<IntentRow<'a>>,
    done: Vec<DoneEntry<'a>>,
    failed: Vec<FailedEntry>,
    settled: Vec<(i64, i64)>,
}

impl<'a> Batch<'a> {
    pub fn starting_after(last: i64) -> Self {
        Self { last, opened: Vec::new(), done: Vec::new(), failed: Vec::new(), settled: Vec::new() }
    }

    /// Adds what a request asks for; the ids are those of its intents.
    pub fn add(&mut self, scope: Scope, claim: &Claim, entries: &'a Entries, now: Timestamp) -> Vec<IntentId> {
        match entries {
            Entries::Open(intents) => intents.iter().map(|intent| self.add_intent(scope, claim, intent, now)).collect(),
            Entries::Close(settlements) => {
                for settlement in settlements {
                    self.add_settlement(scope, claim, settlement, now);
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

    fn add_settlement(&mut self, scope: Scope, claim: &Claim, settlement: &'a Settlement, now: Timestamp) {
        let id = settlement.id.0;
        match &settlement.result {
            IntentResult::Done { link } => self.done.push(done_entry(id, scope, claim, link, now)),
            IntentResult::Failed(failure) => self.failed.push(failed_entry(id, scope, failure)),
            IntentResult::Void => {}
        }
        self.settled.push((id, scope.integration));
    }

    pub async fn write(self, write: &mut Write) -> Result<()> {
        const INTO: &str = "INSERT INTO intent (id, integration, epoch, person, removes, opened, action) ";
        bulk::insert(write, INTO, "", &self.opened, |mut values, row| {
            values.push_bind(row.id).push_bind(row.scope.integration).push_bind(row.epoch);
            values.push_bind(row.intent.person.as_bytes().as_slice()).push_bind(row.intent.removes);
            values.push_bind(row.opened).push_bind(row.intent.action.as_str());
        })
        .await?;
        let done = [DROP_OLD_VALUES, DROP_OLD_LINKS, PUT_LINKS, PUT_VALUES, FORGET_FAILURES, NOTE_REMOVALS];
        run(write, &done, &self.done).await?;
        run(write, &[PUT_FAILURES], &self.failed).await?;
        run(write, &[DROP_INTENTS], &self.settled).await
    }
}

async fn run<T: Serialize>(write: &mut Write, statements: &[&'static str], entries: &[T]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let entries = rows::to_json(&entries, "journal entries")?;
    for statement in statements {
        sqlx::query(*statement).bind(&entries).execute(&mut **write).await?;
    }
    Ok(())
}

fn done_entry<'a>(id: i64, scope: Scope, claim: &Claim, link: &'a Link, now: Timestamp) -> DoneEntry<'a> {
    DoneEntry(
        id,
        scope.integration,
        scope.organisation,
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

fn failed_entry(id: i64, scope: Scope, failure: &Failure) -> FailedEntry {
    let next_attempt = failure.next_attempt.as_millisecond();
    FailedEntry(id, scope.integration, scope.organisation, failure.inputs, failure.attempts, next_attempt)
}
