//! What a group of journal entries writes: all intents in one statement, and what all results mean in a few.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
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
        id::{AppId, IntentId, PersonId},
        link::{Link, LinkOrigin, LinkState},
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

/// An account that an import has meanwhile linked to somebody else stays theirs.
macro_rules! is_free {
    () => {
        "NOT EXISTS (SELECT 1 FROM account t WHERE t.integration = ?2 AND t.app_id = k.value ->> 1 AND t.person <> p.pk AND t.state = 'Live')"
    };
}

/// The ended links of a person whose new link is about to be put.
macro_rules! replaced_links {
    () => {
        concat!(
            "SELECT x.app_id FROM ",
            results!(),
            " CROSS JOIN account x ON x.person = p.pk AND x.integration = ?2 AND x.app_id <> k.value ->> 1
            WHERE x.state <> 'Live' AND ",
            is_free!()
        )
    };
}

const HAVE_OLD_LINKS: &str = concat!("SELECT EXISTS (", replaced_links!(), ")");

const HAVE_FAILURES: &str = "SELECT EXISTS (SELECT 1 FROM failure WHERE integration = ?1)";

/// The person's former account is remembered no longer. What else the account's row says stays as the import found it.
const DROP_OLD_VALUES: &str = concat!("DELETE FROM account_values WHERE integration = ?2 AND app_id IN (", replaced_links!(), ")");

const DROP_OLD_LINKS: &str = concat!("DELETE FROM account WHERE integration = ?2 AND app_id IN (", replaced_links!(), ")");

/// A live link that an import has meanwhile made for the person stays, too: the next pass finds two accounts.
const PUT_LINKS: &str = concat!(
    "INSERT INTO account (integration, app_id, person, state, origin, assigned, active, missing, inputs)
    SELECT ?2, k.value ->> 1, p.pk, k.value ->> 2, k.value ->> 3, k.value ->> 4, k.value ->> 5, 0, unhex(k.value ->> 6) FROM ",
    results!(),
    " WHERE ",
    is_free!(),
    " AND NOT EXISTS (SELECT 1 FROM account x WHERE x.person = p.pk AND x.integration = ?2 AND x.app_id <> k.value ->> 1)
    ON CONFLICT (integration, app_id) DO UPDATE SET
        person = excluded.person, state = excluded.state, origin = excluded.origin, assigned = excluded.assigned,
        active = excluded.active, inputs = excluded.inputs, missing = iif(excluded.state = 'Live' AND state <> 'Live', 0, missing)"
);

/// Between the values of an insert and `ON CONFLICT`: what is bound as intent, integration, app id, written, resource. Wide
/// texts are bound, because SQLite would parse them once per column if they came as JSON.
const PUT_VALUES: [&str; 2] = [
    "INSERT INTO account_values (integration, app_id, written, resource)
    SELECT a.integration, a.app_id, k.column4, k.column5 FROM (",
    ") k CROSS JOIN intent i ON i.id = k.column1 AND i.integration = k.column2
    CROSS JOIN account a ON a.integration = k.column2 AND a.app_id = k.column3
    CROSS JOIN person p ON p.pk = a.person AND p.id = i.person
    WHERE true ON CONFLICT (integration, app_id) DO UPDATE SET written = excluded.written, resource = excluded.resource",
];

const FORGET_FAILURES: &str = concat!("DELETE FROM failure WHERE integration = ?2 AND person IN (SELECT p.pk FROM ", results!(), ")");

const NOTE_REMOVALS: &str = concat!(
    "INSERT INTO removal (integration, direction, app_id, run, at)
    SELECT ?2, 'ToApp', k.value ->> 1, k.value ->> 7, k.value ->> 8 FROM ",
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

/// What may be done about results with an effect, besides [`PUT_VALUES`].
#[cfg(test)]
pub(super) const DONE: [&str; 6] = [HAVE_OLD_LINKS, DROP_OLD_VALUES, DROP_OLD_LINKS, PUT_LINKS, FORGET_FAILURES, NOTE_REMOVALS];

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
    result: Settled,
}

enum Settled {
    Done { link: LinkTexts },
    Failed(Failure),
    Void,
}

/// A link as it is stored. Made by whoever asks, and not by the one task that writes.
struct LinkTexts {
    app_id: AppId,
    state: LinkState,
    origin: LinkOrigin,
    assigned: bool,
    active: bool,
    inputs: Option<ShortHash>,
    written: String,
    resource: Option<String>,
}

impl Settlement {
    pub fn new(id: IntentId, result: &IntentResult) -> Result<Self> {
        let result = match result {
            IntentResult::Done { link } => Settled::Done { link: LinkTexts::of(link)? },
            IntentResult::Failed(failure) => Settled::Failed(failure.clone()),
            IntentResult::Void => Settled::Void,
        };
        Ok(Self { id, result })
    }
}

impl LinkTexts {
    fn of(link: &Link) -> Result<Self> {
        let Link { person: _, app_id, state, origin, assigned, active, inputs, written, resource } = link;
        Ok(Self {
            app_id: app_id.clone(),
            state: *state,
            origin: *origin,
            assigned: *assigned,
            active: *active,
            inputs: *inputs,
            written: rows::to_json(written, "account_values.written")?,
            resource: resource.as_ref().map(|resource| rows::to_json(resource, "account_values.resource")).transpose()?,
        })
    }
}

struct IntentRow<'a> {
    id: i64,
    scope: Scope,
    epoch: i64,
    opened: i64,
    intent: &'a NewIntent,
}

/// Intent, app id, state, origin, assigned, active, inputs, run, time.
#[derive(Serialize)]
struct DoneEntry<'a>(i64, &'a str, &'static str, &'static str, u8, u8, Option<ShortHash>, i64, i64);

/// What [`PUT_VALUES`] binds.
struct ValuesRow<'a> {
    intent: i64,
    link: &'a LinkTexts,
}

/// Intent, inputs, attempts, next attempt.
#[derive(Serialize)]
struct FailedEntry(i64, ShortHash, u32, i64);

/// Results of one integration.
#[derive(Default)]
struct Results<'a> {
    scope: Scope,
    done: Vec<DoneEntry<'a>>,
    values: Vec<ValuesRow<'a>>,
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
            Settled::Done { link } => {
                self.done.push(done_entry(id, claim, link, now));
                self.values.push(ValuesRow { intent: id, link });
            }
            Settled::Failed(failure) => self.failed.push(failed_entry(id, failure)),
            Settled::Void => {}
        }
        self.settled.push([id]);
    }

    async fn write(self, write: &mut Write) -> Result<()> {
        if !self.done.is_empty() {
            self.write_done(write).await?;
        }
        if !self.failed.is_empty() {
            Entered::new(self.scope, &self.failed)?.execute(write, PUT_FAILURES).await?;
        }
        Entered::new(self.scope, &self.settled)?.execute(write, DROP_INTENTS).await
    }

    /// Most creations end no link and forgive no failure: each of these statements would go through all results to find that out.
    async fn write_done(&self, write: &mut Write) -> Result<()> {
        let entered = Entered::new(self.scope, &self.done)?;
        if entered.have_old_links(write).await? {
            entered.execute(write, DROP_OLD_VALUES).await?;
            entered.execute(write, DROP_OLD_LINKS).await?;
        }
        entered.execute(write, PUT_LINKS).await?;
        if sqlx::query_scalar(HAVE_FAILURES).bind(self.scope.integration).fetch_one(&mut **write).await? {
            entered.execute(write, FORGET_FAILURES).await?;
        }
        if self.values.iter().any(|row| row.link.state != LinkState::Live) {
            entered.execute(write, NOTE_REMOVALS).await?;
        }
        let [into, tail] = PUT_VALUES;
        bulk::insert(write, into, tail, &self.values, |mut values, row| {
            values.push_bind(row.intent).push_bind(self.scope.integration).push_bind(row.link.app_id.as_str());
            values.push_bind(row.link.written.as_str()).push_bind(row.link.resource.as_deref());
        })
        .await
    }
}

/// Results as the statements take them.
struct Entered {
    scope: Scope,
    entries: String,
}

impl Entered {
    fn new<T: Serialize>(scope: Scope, entries: &[T]) -> Result<Self> {
        Ok(Self { scope, entries: rows::to_json(&entries, "journal entries")? })
    }

    async fn have_old_links(&self, write: &mut Write) -> Result<bool> {
        let Scope { integration, organisation, .. } = self.scope;
        let asked = sqlx::query_scalar(HAVE_OLD_LINKS).bind(&self.entries).bind(integration).bind(organisation);
        Ok(asked.fetch_one(&mut **write).await?)
    }

    async fn execute(&self, write: &mut Write, statement: &'static str) -> Result<()> {
        let Scope { integration, organisation, .. } = self.scope;
        sqlx::query(statement).bind(&self.entries).bind(integration).bind(organisation).execute(&mut **write).await?;
        Ok(())
    }
}

fn done_entry<'a>(id: i64, claim: &Claim, link: &'a LinkTexts, now: Timestamp) -> DoneEntry<'a> {
    DoneEntry(
        id,
        link.app_id.as_str(),
        link.state.as_str(),
        link.origin.as_str(),
        link.assigned.into(),
        link.active.into(),
        link.inputs,
        claim.run.0,
        now.as_millisecond(),
    )
}

fn failed_entry(id: i64, failure: &Failure) -> FailedEntry {
    FailedEntry(id, failure.inputs, failure.attempts, failure.next_attempt.as_millisecond())
}
