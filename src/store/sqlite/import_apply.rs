//! Applying a range of an import's plan: one transaction, each statement for all actions at once.
//!
//! Every statement has the same parameters: `?1` run, `?2` and `?3` the range of app ids, `?4` organisation,
//! `?5` integration, `?6` what was decided under, `?7` now. `CROSS JOIN` tells SQLite to go from the plan to the rows that
//! it names and never the other way. Applying a range again changes nothing but times: a process may die between the
//! commit and its answer.

use jiff::Timestamp;

use super::{
    SqliteStore, rows, runs,
    scope::{Scope, Write},
    tally::Tally as _,
};
use crate::{
    domain::{
        counts::ImportCounts,
        hash::ShortHash,
        id::{AppId, RunId},
    },
    store::{Claim, Result},
};

/// The actions of the range that are possible; the table is `a`.
macro_rules! range {
    () => {
        "a.run = ?1 AND a.app_id > ?2 AND a.app_id <= ?3 AND NOT a.refused"
    };
}

/// Two actions of one range that would take the same username, or link the same person: the first does. Who has the
/// username already does not take it.
const REFUSE_SECONDS: &str = concat!(
    "UPDATE import_action SET refused = 1 WHERE id IN (
        SELECT id FROM (
            SELECT a.id, a.person_id, a.user_name_key, row_number() OVER (PARTITION BY a.user_name_key ORDER BY a.app_id) AS turn
            FROM import_action a WHERE ",
    range!(),
    " AND a.user_name_key IS NOT NULL) AS named
        WHERE turn > 1 AND NOT EXISTS (SELECT 1 FROM person me
            WHERE me.organisation = ?4 AND me.id = named.person_id AND me.user_name_key = named.user_name_key)
        UNION ALL
        SELECT id FROM (
            SELECT a.id, row_number() OVER (PARTITION BY a.link_person ORDER BY a.app_id) AS turn FROM import_action a WHERE ",
    range!(),
    " AND a.link = 'Create') WHERE turn > 1)"
);

/// Actions that have become impossible since they were decided. In this order: the username is somebody else's, who does
/// not give it up later in this plan (A8: usernames may be swapped); the account, or the person, is linked to another by
/// now; the person who is to be created is there already, other than by this very action; the person is not there.
const REFUSE_IMPOSSIBLE: &str = concat!(
    "UPDATE import_action SET refused = 1 WHERE id IN (
        SELECT a.id FROM import_action a
        LEFT JOIN person me ON me.organisation = ?4 AND me.id = a.person_id
        LEFT JOIN person target ON target.organisation = ?4 AND target.id = a.link_person
        LEFT JOIN account held ON held.integration = ?5 AND held.app_id = a.app_id AND held.state = 'Live'
        WHERE ",
    range!(),
    " AND (
            (a.user_name_key IS NOT NULL AND me.user_name_key IS NOT a.user_name_key AND EXISTS (
                SELECT 1 FROM person other WHERE other.organisation = ?4 AND other.user_name_key = a.user_name_key
                  AND other.id <> a.person_id AND NOT EXISTS (
                    SELECT 1 FROM import_action gives INDEXED BY import_action_changed WHERE gives.run = ?1 AND gives.person = 'Change' AND gives.person_id = other.id
                      AND gives.profile AND gives.user_name_key IS NOT a.user_name_key AND gives.app_id > ?2 AND NOT gives.refused)))
            OR (a.link = 'Create' AND (
                (held.person IS NOT NULL AND held.person IS NOT target.pk)
                OR (target.pk IS NULL AND a.person IS NOT 'Create')
                OR (a.person = 'Create' AND me.pk IS NOT NULL AND held.person IS NOT me.pk)
                OR (a.person IS NOT 'Create' AND EXISTS (SELECT 1 FROM account elsewhere WHERE elsewhere.person = target.pk
                    AND elsewhere.integration = ?5 AND elsewhere.app_id <> a.app_id AND elsewhere.state = 'Live'))))
            OR (a.person = 'Change' AND me.pk IS NULL)))"
);

const CREATE_PEOPLE: &str = concat!(
    "INSERT INTO person (organisation, id, state, user_name_key, email_key, profile)
    SELECT ?4, a.person_id, a.state, a.user_name_key, a.email_key, json_extract(a.action, '$.person.Create.profile')
    FROM import_action a WHERE ",
    range!(),
    " AND a.person = 'Create' ORDER BY a.app_id ON CONFLICT (organisation, id) DO NOTHING"
);

const CHANGE_PEOPLE: &str = concat!(
    "WITH new AS MATERIALIZED (
        SELECT p.pk, a.state, a.profile AS changed, a.user_name_key, a.email_key,
            json_extract(a.action, '$.person.Change.profile') AS profile
        FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.person_id WHERE ",
    range!(),
    " AND a.person = 'Change')
    UPDATE person SET
        state = coalesce(new.state, person.state),
        user_name_key = iif(new.changed, new.user_name_key, person.user_name_key),
        email_key = iif(new.changed, new.email_key, person.email_key),
        profile = coalesce(new.profile, person.profile)
    FROM new WHERE person.pk = new.pk"
);

const END_LINKS: &str = concat!(
    "UPDATE account SET state = 'EndedByAbsence'
    FROM (SELECT a.app_id, p.pk FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.link_person WHERE ",
    range!(),
    " AND a.link = 'End') AS gone
    WHERE account.integration = ?5 AND account.app_id = gone.app_id AND account.person = gone.pk AND account.state = 'Live'"
);

/// What a new link makes obsolete: the tombstone of the person's former account, and what was written to the account of its
/// former person.
const DROP_OLD_VALUES: &str = concat!(
    "DELETE FROM account_values WHERE integration = ?5 AND app_id IN (
        SELECT x.app_id FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.link_person
        CROSS JOIN account x ON x.person = p.pk AND x.integration = ?5
        WHERE ",
    range!(),
    " AND a.link = 'Create' AND a.person IS NOT 'Create' AND x.app_id <> a.app_id
        UNION
        SELECT x.app_id FROM import_action a CROSS JOIN account x ON x.integration = ?5 AND x.app_id = a.app_id
        CROSS JOIN person p ON p.pk = x.person
        WHERE ",
    range!(),
    " AND a.link = 'Create' AND p.id <> a.link_person)"
);

const DROP_OLD_LINKS: &str = concat!(
    "DELETE FROM account WHERE integration = ?5 AND app_id IN (
        SELECT x.app_id FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.link_person
        CROSS JOIN account x ON x.person = p.pk AND x.integration = ?5
        WHERE ",
    range!(),
    " AND a.link = 'Create' AND a.person IS NOT 'Create' AND x.app_id <> a.app_id)"
);

/// A link that is revived keeps how it came to be; one that goes to another person begins anew.
const CREATE_LINKS: &str = concat!(
    "INSERT INTO account (integration, app_id, person, state, origin, assigned, active, missing, hash, decided_under)
    SELECT ?5, a.app_id, p.pk, 'Live', 'Import', 0, coalesce(a.active, 1), 0, a.hash, iif(a.hash IS NULL, NULL, ?6)
    FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.link_person
    WHERE ",
    range!(),
    " AND a.link = 'Create' ORDER BY a.app_id
    ON CONFLICT (integration, app_id) DO UPDATE SET
        origin = iif(person = excluded.person, origin, excluded.origin),
        assigned = iif(person = excluded.person, assigned, 0),
        inputs = iif(person = excluded.person, inputs, NULL),
        person = excluded.person, state = 'Live', active = excluded.active, missing = 0,
        hash = excluded.hash, decided_under = excluded.decided_under"
);

const SEE_ACCOUNTS: &str = concat!(
    "UPDATE account SET hash = seen.hash, decided_under = iif(seen.hash IS NULL, NULL, ?6), active = seen.active, missing = 0
    FROM (SELECT a.app_id, a.hash, a.active FROM import_action a WHERE ",
    range!(),
    " AND a.seen AND a.link IS NOT 'Create') AS seen WHERE account.integration = ?5 AND account.app_id = seen.app_id"
);

/// A record whose action was refused was there all the same (LS-4), and is looked at again by the next import.
const SEE_REFUSED: &str = "UPDATE account SET hash = NULL, missing = 0
    FROM (SELECT a.app_id FROM import_action a WHERE a.run = ?1 AND a.app_id > ?2 AND a.app_id <= ?3 AND a.refused AND a.seen) AS seen
    WHERE account.integration = ?5 AND account.app_id = seen.app_id AND account.state = 'Live'";

const MISS_ACCOUNTS: &str = concat!(
    "UPDATE account SET missing = missed.missing
    FROM (SELECT a.app_id, a.missing FROM import_action a WHERE ",
    range!(),
    " AND a.missing IS NOT NULL) AS missed WHERE account.integration = ?5 AND account.app_id = missed.app_id"
);

/// Keys of whoever has changed are made anew when they are asked for; where nobody asks, nothing is noted.
const NOTE_UNKEYED: &str = concat!(
    "INSERT INTO person_unkeyed (organisation, person)
    SELECT ?4, p.pk FROM import_action a CROSS JOIN person p ON p.organisation = ?4 AND p.id = a.person_id WHERE ",
    range!(),
    " AND a.profile AND EXISTS (SELECT 1 FROM key_use WHERE organisation = ?4) ON CONFLICT DO NOTHING"
);

/// Who was linked while the plan was made waits for no link any more. A proposal that stands keeps the import that made it
/// first (MT-8), and one that is ignored stays so.
const PUT_CANDIDATES: &str = concat!(
    "INSERT INTO candidate (integration, app_id, id, kind, proposal, reason, record, since, last)
    SELECT ?5, a.app_id, a.action ->> '$.candidate.Put.id', a.action ->> '$.candidate.Put.kind', a.action ->> '$.candidate.Put.person',
        a.action ->> '$.candidate.Put.reason', json_extract(a.action, '$.candidate.Put.record'), ?1, ?1
    FROM import_action a WHERE ",
    range!(),
    " AND a.candidate = 'Put' AND (a.seen OR NOT EXISTS (
        SELECT 1 FROM account taken WHERE taken.integration = ?5 AND taken.app_id = a.app_id AND taken.state = 'Live'))
    ON CONFLICT (integration, app_id) DO UPDATE SET
        since = iif(kind = excluded.kind AND proposal IS excluded.proposal AND reason = excluded.reason AND record IS excluded.record,
            since, excluded.since),
        last = excluded.last, id = excluded.id, kind = excluded.kind, proposal = excluded.proposal, reason = excluded.reason,
        record = excluded.record"
);

const REMOVE_CANDIDATES: &str = concat!(
    "DELETE FROM candidate WHERE integration = ?5 AND app_id IN (SELECT a.app_id FROM import_action a WHERE ",
    range!(),
    " AND a.candidate = 'Remove')"
);

const NOTE_REMOVALS: &str = concat!(
    "INSERT INTO removal (integration, direction, app_id, run, at) SELECT ?5, 'ToDirectory', a.app_id, ?1, ?7
    FROM import_action a WHERE ",
    range!(),
    " AND a.removes ON CONFLICT (integration, direction, app_id) DO UPDATE SET
        at = iif(run = excluded.run, at, excluded.at), run = excluded.run"
);

const COUNT: &str = "SELECT iif(refused, NULL, counts), count(*) FROM import_action
    WHERE run = ?1 AND app_id > ?2 AND app_id <= ?3 GROUP BY 1";

/// All statements, for the test of how SQLite goes about them.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 16] = [
    REFUSE_SECONDS,
    REFUSE_IMPOSSIBLE,
    CREATE_PEOPLE,
    CHANGE_PEOPLE,
    END_LINKS,
    DROP_OLD_VALUES,
    DROP_OLD_LINKS,
    CREATE_LINKS,
    SEE_ACCOUNTS,
    SEE_REFUSED,
    MISS_ACCOUNTS,
    NOTE_UNKEYED,
    PUT_CANDIDATES,
    REMOVE_CANDIDATES,
    NOTE_REMOVALS,
    COUNT,
];

/// What is applied next of a plan.
pub(super) struct Step<'a> {
    pub claim: &'a Claim,
    pub after: Option<&'a AppId>,
    pub limit: u32,
    pub decided_under: ShortHash,
    pub now: Timestamp,
    /// Is the plan approved? Its removals are no part of the window (SG-2).
    pub approved: bool,
}

/// A range of a plan, and what its statements are bound to.
pub(super) struct Range<'a> {
    pub run: RunId,
    pub scope: Scope,
    pub after: &'a str,
    pub last: &'a str,
    pub decided_under: ShortHash,
    pub now: Timestamp,
    /// Is the plan approved? Its removals are no part of the window (SG-2).
    pub approved: bool,
}

impl SqliteStore {
    pub(super) async fn apply_import_plan(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>> {
        let (mut write, scope) = self.write_as(claim).await?;
        let applied = Step { claim, after, limit, decided_under, now, approved: false }.apply(&mut write, scope).await?;
        write.commit().await?;
        Ok(applied)
    }
}

impl Step<'_> {
    /// What was applied and the last app id; `None` when there is nothing left.
    pub async fn apply(&self, write: &mut Write, scope: Scope) -> Result<Option<(ImportCounts, AppId)>> {
        let Self { claim, after, limit, decided_under, now, approved } = *self;
        let after = rows::start(after);
        let Some(last) = end_of_range(write, claim, after, limit).await? else { return Ok(None) };
        let range = Range { run: claim.run, scope, after, last: &last, decided_under, now, approved };
        let counts = range.carry_out(write).await?;
        Ok(Some((counts, AppId::new(last))))
    }
}

async fn end_of_range(write: &mut Write, claim: &Claim, after: &str, limit: u32) -> Result<Option<String>> {
    const END: &str = "SELECT max(app_id) FROM (SELECT app_id FROM import_action WHERE run = ?1 AND app_id > ?2 ORDER BY app_id LIMIT ?3)";
    Ok(sqlx::query_scalar(END).bind(claim.run.0).bind(after).bind(limit).fetch_one(&mut **write).await?)
}

impl Range<'_> {
    /// Applies what is possible of the range; what was applied.
    pub async fn carry_out(&self, write: &mut Write) -> Result<ImportCounts> {
        self.refuse(write).await?;
        self.apply(write).await?;
        self.count(write).await
    }

    async fn refuse(&self, write: &mut Write) -> Result<()> {
        self.run(write, REFUSE_SECONDS).await?;
        // Who is refused keeps their username, which may make another action impossible.
        while self.run(write, REFUSE_IMPOSSIBLE).await? > 0 {}
        Ok(())
    }

    async fn apply(&self, write: &mut Write) -> Result<()> {
        let mut changed = 0;
        // Links end before others begin, and both are there before their accounts are.
        for statement in [CREATE_PEOPLE, CHANGE_PEOPLE, END_LINKS] {
            changed += self.run(write, statement).await?;
        }
        for statement in [NOTE_UNKEYED, DROP_OLD_VALUES, DROP_OLD_LINKS] {
            self.run(write, statement).await?;
        }
        changed += self.run(write, CREATE_LINKS).await?;
        for statement in [SEE_ACCOUNTS, SEE_REFUSED, MISS_ACCOUNTS, PUT_CANDIDATES, REMOVE_CANDIDATES] {
            self.run(write, statement).await?;
        }
        if !self.approved {
            self.run(write, NOTE_REMOVALS).await?;
        }
        if changed > 0 {
            runs::raise_revision(write, self.scope).await?;
        }
        Ok(())
    }

    async fn run(&self, write: &mut Write, statement: &'static str) -> Result<u64> {
        let done = sqlx::query(statement)
            .bind(self.run.0)
            .bind(self.after)
            .bind(self.last)
            .bind(self.scope.organisation)
            .bind(self.scope.integration)
            .bind(self.decided_under.0.as_slice())
            .bind(self.now.as_millisecond())
            .execute(&mut **write)
            .await?;
        Ok(done.rows_affected())
    }

    async fn count(&self, write: &mut Write) -> Result<ImportCounts> {
        let sums: Vec<(Option<i64>, i64)> =
            sqlx::query_as(COUNT).bind(self.run.0).bind(self.after).bind(self.last).fetch_all(&mut **write).await?;
        let refused = ImportCounts { failed: 1, ..ImportCounts::default() }.bits();
        let mut counts = ImportCounts::default();
        for (bits, times) in sums {
            counts.add_bits(bits.unwrap_or(refused), rows::count(times));
        }
        Ok(counts)
    }
}
