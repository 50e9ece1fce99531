//! Plans that a limit holds, and the decisions on them (SG-9 to SG-11).

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::{
    SqliteStore, rows,
    scope::{self, Scope, Write},
};
use crate::{
    domain::{
        approval::{self, Answer, DecisionRecord, Hold, HoldState, Judgement, StoredHold},
        hash::Digest,
        id::{IntegrationKey, RunId},
        report::{ImportEnd, ImportReport},
    },
    store::{Claim, Direction, Result, Ruling, StoreError},
};

#[derive(FromRow)]
struct HoldRow {
    run: i64,
    digest: String,
    state: String,
    expires: i64,
    terms: Vec<u8>,
    figures: String,
}

/// The newest hold of an object: the ones before it are in the way of nobody.
const FIND: &str = "SELECT run, digest, state, expires, terms, figures FROM held_plan
    WHERE integration = ?1 AND direction = ?2 AND object = ?3 ORDER BY run DESC LIMIT 1";

impl HoldRow {
    fn read(self) -> Result<StoredHold> {
        let corrupt = |what| StoreError::Corrupt { what };
        Ok(StoredHold {
            run: RunId(self.run),
            hold: Hold {
                digest: Digest::parse(&self.digest).ok_or(corrupt("held_plan.digest"))?,
                expires: rows::timestamp(self.expires, "held_plan.expires")?,
                terms: rows::hash(&self.terms, "held_plan.terms")?,
                figures: rows::from_json(&self.figures, "held_plan.figures")?,
            },
            state: HoldState::parse(&self.state).ok_or(corrupt("held_plan.state"))?,
        })
    }
}

impl SqliteStore {
    pub(super) async fn store_hold(&self, claim: &Claim, hold: &Hold) -> Result<HoldState> {
        const REJECTED: &str = "SELECT EXISTS (SELECT 1 FROM audit WHERE integration = ?1 AND digest = ?2 AND direction = ?3
            AND decision = 'Reject' AND answer = 'Applied')";
        // A provisioning plan takes the place of the one before. The one of an import stands until a newer plan supersedes it.
        // Its row stays until its plan is purged: without it the run, and with that the way to the plan, would go first.
        const FORGET: &str = "DELETE FROM held_plan WHERE integration = ?1 AND direction = ?2 AND direction = 'ToApp'
            AND state NOT IN ('Held', 'Approved') AND NOT EXISTS (SELECT 1 FROM provision_action a WHERE a.run = held_plan.run)";
        const REPLACE: &str = "UPDATE held_plan SET state = 'Withdrawn' WHERE integration = ?1 AND direction = ?2 AND direction = 'ToApp'
            AND state IN ('Held', 'Approved')";
        const HOLD: &str = "INSERT OR REPLACE INTO held_plan (run, integration, direction, object, digest, state, expires, terms, figures)
            SELECT id, integration, direction, object, ?2, ?3, ?4, ?5, ?6 FROM run WHERE id = ?1";
        let (mut write, scope) = self.write_as(claim).await?;
        let digest = hold.digest.to_string();
        let direction = claim.direction.as_str();
        let rejected: bool =
            sqlx::query_scalar(REJECTED).bind(scope.integration).bind(&digest).bind(direction).fetch_one(&mut *write).await?;
        let state = if rejected { HoldState::Rejected } else { HoldState::Held };
        for statement in [FORGET, REPLACE] {
            sqlx::query(statement).bind(scope.integration).bind(direction).execute(&mut *write).await?;
        }
        sqlx::query(HOLD)
            .bind(claim.run.0)
            .bind(digest)
            .bind(state.as_str())
            .bind(hold.expires.as_millisecond())
            .bind(hold.terms.0.as_slice())
            .bind(rows::to_json(&hold.figures, "held_plan.figures")?)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(state)
    }

    pub(super) async fn find_hold(&self, integration: &IntegrationKey, direction: Direction, object: &str) -> Result<Option<StoredHold>> {
        let scope = self.scope(integration).await?;
        find(&mut *self.connections.readers.acquire().await?, scope, direction, object).await
    }

    pub(super) async fn store_hold_state(&self, claim: &Claim, run: RunId, state: HoldState) -> Result<()> {
        let (mut write, scope) = self.write_as(claim).await?;
        set_state(&mut write, scope, run, state).await?;
        write.commit().await
    }

    pub(super) async fn record_decision(
        &self,
        integration: &IntegrationKey,
        direction: Direction,
        record: &DecisionRecord,
        now: Timestamp,
    ) -> Result<Ruling> {
        // Durable: what was decided must not be forgotten, and an approved plan must not be asked for again.
        let mut write = self.durable_write().await?;
        if let Some(answer) = answered(&mut write, &record.approval).await? {
            return Ok(Ruling::Answered { answer, new: false });
        }
        let scope = scope::find(&mut write, integration).await?;
        let standing = find(&mut write, scope, direction, &record.object).await?;
        if !has_planned(&mut write, scope, direction, &record.object).await? {
            return Ok(Ruling::NotYet);
        }
        let decided = was_decided(&mut write, scope, direction, record).await?;
        let Judgement { answer, plan } = approval::judge(standing.as_ref(), record, decided, now);
        if let (Some(standing), Some(state)) = (&standing, plan) {
            carry_out(&mut write, scope, direction, standing.run, state).await?;
        }
        note(&mut write, scope, direction, record, answer, now).await?;
        write.commit().await?;
        Ok(Ruling::Answered { answer, new: true })
    }

    pub(super) async fn find_answer(&self, approval: &str) -> Result<Option<Answer>> {
        answered(&mut *self.connections.readers.acquire().await?, approval).await
    }

    pub(super) async fn store_expiry(&self, integration: &IntegrationKey, object: &str, now: Timestamp) -> Result<()> {
        let mut write = self.durable_write().await?;
        let scope = scope::find(&mut write, integration).await?;
        let Some(standing) = find(&mut write, scope, Direction::ToDirectory, object).await? else { return Ok(()) };
        if standing.state == HoldState::Held && standing.hold.expires <= now {
            set_state(&mut write, scope, standing.run, HoldState::Expired).await?;
            change_report(&mut write, standing.run, |report| report.end = ImportEnd::ApprovalExpired).await?;
            write.commit().await?;
        }
        Ok(())
    }
}

async fn find(connection: &mut SqliteConnection, scope: Scope, direction: Direction, object: &str) -> Result<Option<StoredHold>> {
    let found: Option<HoldRow> =
        sqlx::query_as(FIND).bind(scope.integration).bind(direction.as_str()).bind(object).fetch_optional(connection).await?;
    found.map(HoldRow::read).transpose()
}

async fn answered(connection: &mut SqliteConnection, approval: &str) -> Result<Option<Answer>> {
    let word: Option<String> =
        sqlx::query_scalar("SELECT answer FROM audit WHERE approval = ?1").bind(approval).fetch_optional(connection).await?;
    word.map(|word| Answer::parse(&word).ok_or(StoreError::Corrupt { what: "audit.answer" })).transpose()
}

/// Has a run of the object ever ended with a result?
async fn has_planned(write: &mut Write, scope: Scope, direction: Direction, object: &str) -> Result<bool> {
    const PLANNED: &str =
        "SELECT EXISTS (SELECT 1 FROM run WHERE object = ?1 AND integration = ?2 AND direction = ?3 AND report IS NOT NULL)";
    Ok(sqlx::query_scalar(PLANNED).bind(object).bind(scope.integration).bind(direction.as_str()).fetch_one(&mut **write).await?)
}

async fn was_decided(write: &mut Write, scope: Scope, direction: Direction, record: &DecisionRecord) -> Result<bool> {
    const DECIDED: &str = "SELECT EXISTS (SELECT 1 FROM audit WHERE integration = ?1 AND digest = ?2 AND direction = ?3 AND object = ?4
        AND answer = 'Applied')";
    Ok(sqlx::query_scalar(DECIDED)
        .bind(scope.integration)
        .bind(record.digest.to_string())
        .bind(direction.as_str())
        .bind(&record.object)
        .fetch_one(&mut **write)
        .await?)
}

/// What a decision does to what is held.
async fn carry_out(write: &mut Write, scope: Scope, direction: Direction, run: RunId, state: HoldState) -> Result<()> {
    set_state(write, scope, run, state).await?;
    if direction == Direction::ToDirectory {
        change_report(write, run, |report| match state {
            HoldState::Approved => report.approve(),
            HoldState::Rejected => report.end = ImportEnd::Rejected,
            _ => report.end = ImportEnd::ApprovalExpired,
        })
        .await?;
    }
    Ok(())
}

async fn set_state(write: &mut Write, scope: Scope, run: RunId, state: HoldState) -> Result<()> {
    sqlx::query("UPDATE held_plan SET state = ?3 WHERE run = ?1 AND integration = ?2")
        .bind(run.0)
        .bind(scope.integration)
        .bind(state.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Changes the result of an import that has one.
pub(super) async fn change_report(write: &mut Write, run: RunId, change: impl FnOnce(&mut ImportReport)) -> Result<()> {
    let text: Option<String> =
        sqlx::query_scalar("SELECT report FROM run WHERE id = ?1 AND report IS NOT NULL").bind(run.0).fetch_optional(&mut **write).await?;
    let Some(text) = text else { return Ok(()) };
    let mut report: ImportReport = rows::from_json(&text, "run.report")?;
    change(&mut report);
    sqlx::query("UPDATE run SET report = ?1 WHERE id = ?2")
        .bind(rows::to_json(&report, "run.report")?)
        .bind(run.0)
        .execute(&mut **write)
        .await?;
    Ok(())
}

async fn note(
    write: &mut Write,
    scope: Scope,
    direction: Direction,
    record: &DecisionRecord,
    answer: Answer,
    now: Timestamp,
) -> Result<()> {
    const NOTE: &str = "INSERT INTO audit (at, integration, direction, object, digest, approval, approver, decision, answer)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    sqlx::query(NOTE)
        .bind(now.as_millisecond())
        .bind(scope.integration)
        .bind(direction.as_str())
        .bind(&record.object)
        .bind(record.digest.to_string())
        .bind(&record.approval)
        .bind(record.approver.as_deref())
        .bind(record.decision.as_str())
        .bind(answer.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}
