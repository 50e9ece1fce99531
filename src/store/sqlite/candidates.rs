//! The queue of candidates, and decisions about it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::{
    SqliteStore,
    import_apply::Range,
    import_plan, people, rows,
    rows::{KnownRow, known_columns},
    scope::{self, Scope, Write},
};
use crate::{
    domain::{
        candidate::{
            Candidate, CandidateDecision, Decision, DecisionOutcome, DecisionRefusal, DecisionsReport, PendingReason, ProposalKind,
            Proposed,
        },
        hash::ShortHash,
        id::{AppId, CandidateId, IntegrationKey, PersonId, RunId},
        import_decision::{self, Standing},
        import_plan::{ImportAction, KnownAccount, LinkWrite, PersonWrite},
        matching::PersonHit,
    },
    store::{Decisions, Direction, Result, StoreError, fold_key},
};

/// The direction of a run that is one approval's decisions: no import and no pass takes it for its own.
const DECISIONS: &str = "Decisions";

/// What the candidates of ids `?3` are, whoever their accounts belong to; `?1` and `?2` as for `known_columns`.
pub(super) const FIND: &str = concat!(
    "SELECT c.id, c.app_id, c.kind, c.proposal, c.reason, c.record, c.since, c.last, ",
    known_columns!(),
    " FROM json_each(?3) k CROSS JOIN candidate c ON c.id = k.value AND c.integration = ?1
    LEFT JOIN account a ON a.integration = ?1 AND a.app_id = c.app_id
    LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id
    LEFT JOIN person p ON p.pk = a.person"
);

/// Does the plan of a run that is held propose the same (`?1` run, `?2` app id; `?3` kind, person and reason; `?4` record)?
pub(super) const IS_PLANNED: &str = "SELECT EXISTS (SELECT 1 FROM import_action WHERE run = ?1 AND app_id = ?2 AND candidate = 'Put'
    AND json_array(action ->> '$.candidate.Put.kind', action ->> '$.candidate.Put.person', action ->> '$.candidate.Put.reason') = ?3
    AND json_extract(action, '$.candidate.Put.record') = ?4)";

#[derive(FromRow)]
struct ListedRow {
    app_id: String,
    kind: String,
    proposal: Option<String>,
    reason: String,
    ignored: bool,
    linked: bool,
}

#[derive(FromRow)]
struct WaitingRow {
    id: String,
    app_id: String,
    kind: String,
    proposal: Option<String>,
    reason: String,
    record: String,
    since: i64,
    last: i64,
    #[sqlx(flatten)]
    known: KnownRow,
}

/// A candidate that is decided about.
struct Waiting {
    app_id: AppId,
    proposed: Proposed,
    record: String,
    since: i64,
    last: i64,
    known: Option<KnownAccount>,
}

/// What is to be done.
#[derive(Default)]
struct Work {
    actions: Vec<(CandidateId, ImportAction)>,
    /// App ids, and whether they are ignored from now on.
    ignored: Vec<(AppId, bool)>,
}

impl SqliteStore {
    pub(super) async fn read_candidates(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<Candidate>> {
        const PAGE: &str = "SELECT c.app_id, c.kind, c.proposal, c.reason, c.ignored, EXISTS (SELECT 1 FROM account a
                WHERE a.integration = ?1 AND a.app_id = c.app_id AND a.state = 'Live') AS linked
            FROM candidate c WHERE c.integration = ?1 AND c.app_id > ?2 ORDER BY c.app_id LIMIT ?3";
        let scope = self.scope(integration).await?;
        let page: Vec<ListedRow> =
            sqlx::query_as(PAGE).bind(scope.integration).bind(rows::start(after)).bind(limit).fetch_all(&self.connections.readers).await?;
        page.into_iter().map(|row| row.read(integration)).collect()
    }

    pub(super) async fn carry_out_decisions(&self, decisions: Decisions<'_>, now: Timestamp) -> Result<DecisionsReport> {
        let mut write = self.durable_write().await?;
        let scope = scope::find_or_add(&mut write, &decisions.rules.integration).await?;
        if let Some(done) = report_of(&mut write, scope, decisions.object).await? {
            return Ok(done);
        }
        let import = import_of(&mut write, scope, decisions.import).await?;
        let mut report = DecisionsReport::default();
        let mut work = Work::default();
        let mut waiting = find(&mut write, scope, decisions.decisions).await?;
        let people = named(&mut write, scope, decisions.decisions, &waiting).await?;
        for decision in decisions.decisions {
            // Taken out: of two decisions about one candidate the first counts.
            let judged = match waiting.remove(&decision.id) {
                None => Err(DecisionRefusal::Unknown),
                Some(waiting) if !stands(&mut write, &waiting, import).await? => Err(DecisionRefusal::Stale),
                Some(waiting) => judge(*decision, &waiting, &people, &decisions, &mut work),
            };
            report.outcomes.push((decision.id, judged.map_or_else(DecisionOutcome::Refused, |()| DecisionOutcome::Applied)));
        }
        work.drop_contradictions(&mut report);
        let run = new_run(&mut write, scope, decisions.object, now).await?;
        work.carry_out(&mut write, scope, run, now, &mut report).await?;
        sqlx::query("UPDATE run SET report = ?1 WHERE id = ?2")
            .bind(rows::to_json(&report, "run.report")?)
            .bind(run.0)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(report)
    }
}

impl ListedRow {
    fn read(self, integration: &IntegrationKey) -> Result<Candidate> {
        let app_id = AppId::new(self.app_id);
        Ok(Candidate {
            id: CandidateId::derive(integration, &app_id),
            integration: integration.clone(),
            kind: kind(&self.kind)?,
            person: person(self.proposal)?,
            reason: reason(&self.reason)?,
            ignored: self.ignored,
            linked: self.linked,
            app_id,
        })
    }
}

impl WaitingRow {
    fn read(self) -> Result<Waiting> {
        let proposed = Proposed {
            id: CandidateId::parse(&self.id).ok_or(StoreError::Corrupt { what: "candidate.id" })?,
            kind: kind(&self.kind)?,
            person: person(self.proposal)?,
            reason: reason(&self.reason)?,
            record: rows::from_json(&self.record, "candidate.record")?,
        };
        let (since, last, known) = (self.since, self.last, self.known.read()?);
        Ok(Waiting { app_id: AppId::new(self.app_id), proposed, record: self.record, since, last, known })
    }
}

pub(super) fn kind(text: &str) -> Result<ProposalKind> {
    ProposalKind::parse(text).ok_or(StoreError::Corrupt { what: "candidate.kind" })
}

pub(super) fn reason(text: &str) -> Result<PendingReason> {
    PendingReason::parse(text).ok_or(StoreError::Corrupt { what: "candidate.reason" })
}

pub(super) fn person(text: Option<String>) -> Result<Option<PersonId>> {
    text.map(|text| PersonId::parse(&text).ok_or(StoreError::Corrupt { what: "candidate.proposal" })).transpose()
}

async fn report_of(write: &mut Write, scope: Scope, object: &str) -> Result<Option<DecisionsReport>> {
    const DONE: &str = "SELECT report FROM run WHERE object = ?1 AND integration = ?2 AND direction = ?3";
    let report: Option<String> =
        sqlx::query_scalar(DONE).bind(object).bind(scope.integration).bind(DECISIONS).fetch_optional(&mut **write).await?;
    report.map(|text| rows::from_json(&text, "run.report")).transpose()
}

async fn new_run(write: &mut Write, scope: Scope, object: &str, now: Timestamp) -> Result<RunId> {
    const NEW: &str = "INSERT INTO run (integration, direction, object, started) VALUES (?1, ?2, ?3, ?4) RETURNING id";
    let id = sqlx::query_scalar(NEW)
        .bind(scope.integration)
        .bind(DECISIONS)
        .bind(object)
        .bind(now.as_millisecond())
        .fetch_one(&mut **write)
        .await?;
    Ok(RunId(id))
}

async fn import_of(write: &mut Write, scope: Scope, object: &str) -> Result<Option<i64>> {
    const FIND: &str = "SELECT id FROM run WHERE object = ?1 AND integration = ?2 AND direction = ?3 ORDER BY id DESC LIMIT 1";
    let direction = Direction::ToDirectory.as_str();
    Ok(sqlx::query_scalar(FIND).bind(object).bind(scope.integration).bind(direction).fetch_optional(&mut **write).await?)
}

async fn find(write: &mut Write, scope: Scope, decisions: &[CandidateDecision]) -> Result<HashMap<CandidateId, Waiting>> {
    let ids: Vec<_> = decisions.iter().map(|decision| decision.id).collect();
    let found: Vec<WaitingRow> =
        sqlx::query_as(FIND).bind(scope.integration).bind(scope.source).bind(rows::to_json(&ids, "ids")?).fetch_all(&mut **write).await?;
    found.into_iter().map(|row| row.read().map(|waiting| (waiting.proposed.id, waiting))).collect()
}

/// Everybody whom a decision or a proposal names.
async fn named(
    write: &mut Write,
    scope: Scope,
    decisions: &[CandidateDecision],
    waiting: &HashMap<CandidateId, Waiting>,
) -> Result<HashMap<PersonId, PersonHit>> {
    let existing = decisions.iter().filter_map(|decision| match decision.decision {
        Decision::Existing(person) => Some(person),
        _ => None,
    });
    let proposed = waiting.values().filter_map(|waiting| waiting.proposed.person);
    let ids: Vec<_> = existing.chain(proposed).collect::<HashSet<_>>().into_iter().collect();
    let found = people::find_by_id(&mut *write, scope, &ids).await?;
    Ok(found.into_iter().flatten().map(|hit| (hit.person.id, hit)).collect())
}

/// MT-8: is the proposal that of the import?
async fn stands(connection: &mut SqliteConnection, waiting: &Waiting, import: Option<i64>) -> Result<bool> {
    let Some(import) = import else { return Ok(false) };
    if (waiting.since..=waiting.last).contains(&import) {
        return Ok(true);
    }
    let Proposed { kind, person, reason, .. } = &waiting.proposed;
    let words = (kind.as_str(), person, reason.as_str());
    Ok(sqlx::query_scalar(IS_PLANNED)
        .bind(import)
        .bind(waiting.app_id.as_str())
        .bind(rows::to_json(&words, "candidate")?)
        .bind(waiting.record.as_str())
        .fetch_one(connection)
        .await?)
}

fn judge(
    decision: CandidateDecision,
    waiting: &Waiting,
    people: &HashMap<PersonId, PersonHit>,
    decisions: &Decisions<'_>,
    work: &mut Work,
) -> Result<(), DecisionRefusal> {
    let person = match decision.decision {
        Decision::Existing(person) => Some(person),
        _ => waiting.proposed.person,
    };
    let standing = Standing {
        app_id: &waiting.app_id,
        proposed: &waiting.proposed,
        known: waiting.known.as_ref(),
        person: person.and_then(|person| people.get(&person)),
    };
    match import_decision::confirm(decision, standing, decisions.rules)? {
        Some(action) => work.actions.push((decision.id, action)),
        None => work.ignored.push((waiting.app_id.clone(), decision.decision == Decision::Ignore)),
    }
    Ok(())
}

/// What of an action only one record can have.
fn claims(action: &ImportAction) -> (Option<PersonId>, Option<String>) {
    let person = match action.link {
        LinkWrite::Create { person } => Some(person),
        LinkWrite::Keep | LinkWrite::End { .. } => None,
    };
    let user_name = match &action.person {
        PersonWrite::Create { profile, .. } => profile.user_name().map(fold_key),
        PersonWrite::Keep | PersonWrite::Change { .. } => None,
    };
    (person, user_name)
}

fn refuse(report: &mut DecisionsReport, id: CandidateId) {
    let applied = report.outcomes.iter_mut().find(|(decided, outcome)| *decided == id && *outcome == DecisionOutcome::Applied);
    if let Some((_, outcome)) = applied {
        *outcome = DecisionOutcome::Refused(DecisionRefusal::Impossible);
    }
}

impl Work {
    /// Two records for one person, or two new people of one username: neither is taken for having come first (MT-5).
    fn drop_contradictions(&mut self, report: &mut DecisionsReport) {
        let (mut people, mut user_names) = (HashMap::new(), HashMap::new());
        for (person, user_name) in self.actions.iter().map(|(_, action)| claims(action)) {
            *people.entry(person).or_insert(0) += usize::from(person.is_some());
            *user_names.entry(user_name.clone()).or_insert(0) += usize::from(user_name.is_some());
        }
        self.actions.retain(|(id, action)| {
            let (person, user_name) = claims(action);
            let is_alone = people[&person] < 2 && user_names[&user_name] < 2;
            if !is_alone {
                refuse(report, *id);
            }
            is_alone
        });
    }

    /// Through the statements that apply an import's plan.
    async fn carry_out(mut self, write: &mut Write, scope: Scope, run: RunId, now: Timestamp, report: &mut DecisionsReport) -> Result<()> {
        const IGNORE: &str = "UPDATE candidate SET ignored = ?3 WHERE integration = ?1 AND app_id = ?2";
        for (app_id, ignored) in self.ignored {
            sqlx::query(IGNORE).bind(scope.integration).bind(app_id.as_str()).bind(ignored).execute(&mut **write).await?;
        }
        self.actions.sort_by(|(_, one), (_, other)| one.app_id.cmp(&other.app_id));
        let (ids, actions): (Vec<_>, Vec<_>) = self.actions.into_iter().unzip();
        let Some(last) = actions.last() else { return Ok(()) };
        import_plan::insert(write, run, &import_plan::texts(&actions)?).await?;
        // Nothing is remembered as decided: the next import looks at each of these records.
        let range = Range { run, scope, after: "", last: last.app_id.as_str(), decided_under: ShortHash([0; 16]), now, approved: false };
        report.applied = range.carry_out(write).await?;
        let refused = refused(write, run).await?;
        for (id, _) in ids.iter().zip(&actions).filter(|(_, action)| refused.contains(action.app_id.as_str())) {
            refuse(report, *id);
        }
        // What was refused is in the outcomes; it is no failed record.
        report.applied.failed = 0;
        sqlx::query("DELETE FROM import_action WHERE run = ?1").bind(run.0).execute(&mut **write).await?;
        if report.applied.changes() > 0 {
            // SG-12: in the transaction that changes something, as an import does before its first one.
            sqlx::query("UPDATE integration SET revision = revision + 1 WHERE id = ?1")
                .bind(scope.integration)
                .execute(&mut **write)
                .await?;
        }
        Ok(())
    }
}

async fn refused(write: &mut Write, run: RunId) -> Result<HashSet<String>> {
    const REFUSED: &str = "SELECT app_id FROM import_action WHERE run = ?1 AND refused";
    let refused: Vec<String> = sqlx::query_scalar(REFUSED).bind(run.0).fetch_all(&mut **write).await?;
    Ok(refused.into_iter().collect())
}
