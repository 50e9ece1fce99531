//! The embedded engine: one SQLite file, WAL, one writer.
//!
//! - `connect`, `scope`, `rows`, `bulk`, `tally`: connections, the fence, and how rows are read and written
//! - `organisations`, `orphans`: which namespace is whose, and what becomes of those that are gone
//! - `runs`, `purge`: claims and results of runs
//! - `revision`: how far the store has come; `host`: where its links were made
//! - `source`, `directory`: who is a profile source, and what else holds for an organisation
//! - `staging`, `sorted`, `people`, `keys`, `import_plan`, `import_apply`: imports
//! - `candidates`, `inspect`: the queue of candidates; reading it beside an operator
//! - `provision`, `provision_plan`, `observed`: provisioning
//! - `held`, `released`: plans that a limit holds, and approved ones
//! - `journal`, `settle`: intents and what their results mean
//!
//! Writes are short transactions, one after the other: large sets are written in ranges, so that the journal of one app
//! never waits for the import of another.

use std::{collections::HashSet, path::Path, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use self::{connect::Connections, journal::Journal};
use super::{AccountCounts, Claim, Decisions, Direction, Intent, IntentResult, PersonKey, Released, Result, Ruling, Store, StoredRun};
use crate::domain::{
    account::{KnownRecords, Record},
    approval::{Answer, DecisionRecord, Hold, HoldState, StoredHold},
    candidate::{Candidate, DecisionsReport},
    counts::{ImportCounts, ProvisionCounts},
    directory::{DirectorySettings, PeopleCounts},
    hash::ShortHash,
    id::{AppId, IntegrationKey, IntentId, Organisation, PersonId, RunId},
    import_plan::{ImportAction, KnownAccount, StagedRecord, StagedRow},
    link::Link,
    matching::PersonHit,
    person::Person,
    provision_plan::{Failure, ProvisionAction, ProvisionRow},
    report::{ActionClass, ImportReport, ProvisionReport},
    safeguard::RemovalFigures,
};

mod bulk;
mod candidates;
mod connect;
mod directory;
#[cfg(test)]
mod down;
mod held;
mod host;
mod import_apply;
mod import_plan;
mod inspect;
mod journal;
mod keys;
mod observed;
mod organisations;
mod orphans;
mod people;
mod provision;
mod provision_plan;
mod purge;
mod released;
mod revision;
mod rows;
mod runs;
mod scope;
mod settle;
mod sorted;
mod source;
mod staging;
mod tally;
#[cfg(test)]
mod tests;

pub use inspect::{QueueFilter, QueuedRecord, read_queue};

/// The store in one SQLite file.
pub struct SqliteStore {
    connections: Connections,
    /// Whoever holds it may write.
    gate: Arc<Mutex<()>>,
    journal: Journal,
    id: String,
}

impl SqliteStore {
    /// Opens the file, creating it with mode 0600 (H13) if there is none, and brings it up to this version. Needs a tokio
    /// runtime. A file of a newer version is refused with [`super::StoreError::Newer`].
    pub async fn open(path: &Path) -> Result<Self> {
        let connections = connect::open(path).await?;
        let gate = Arc::new(Mutex::new(()));
        let id = runs::store_id(&connections.journal).await?;
        let journal = Journal::start(connections.journal.clone(), gate.clone());
        Ok(Self { connections, gate, journal, id })
    }

    /// Commits what waits, folds the write-ahead log into the file and closes it. A store that is dropped without this has
    /// lost nothing that was acknowledged.
    pub async fn close(&self) -> Result<()> {
        self.journal.stop().await;
        let gate = self.gate.clone().lock_owned().await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.connections.writer).await?;
        drop(gate);
        let Connections { readers, writer, journal } = &self.connections;
        readers.close().await;
        journal.close().await;
        writer.close().await;
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn store_id(&self) -> Result<String> {
        Ok(self.id.clone())
    }

    async fn ping(&self) -> Result<()> {
        self.write_something().await
    }

    async fn revision(&self, integration: &IntegrationKey) -> Result<i64> {
        self.find_integration_revision(integration).await
    }

    async fn raise_revision(&self, integration: &IntegrationKey, to: i64) -> Result<()> {
        self.store_integration_revision(integration, to).await
    }

    async fn note_changes(&self, claim: &Claim) -> Result<()> {
        self.count_change(claim).await
    }

    async fn meet_namespace(&self, organisation: &Organisation, uid: &str, now: Timestamp) -> Result<()> {
        self.bind_organisation(organisation, uid, now).await
    }

    async fn organisations(&self) -> Result<Vec<(Organisation, Option<String>)>> {
        self.read_organisations().await
    }

    async fn orphan(&self, organisation: &Organisation, uid: Option<&str>, now: Timestamp) -> Result<()> {
        self.set_aside(organisation, uid, now).await
    }

    async fn purge_orphans(&self, before: Timestamp) -> Result<u64> {
        self.drop_orphans(before).await
    }

    async fn claim(&self, integration: &IntegrationKey, direction: Direction, object: &str, now: Timestamp) -> Result<Claim> {
        self.claim_run(integration, direction, object, now).await
    }

    async fn import_run(&self, object: &str) -> Result<Option<StoredRun<ImportReport>>> {
        self.find_import(object).await
    }

    async fn import_objects(&self) -> Result<Vec<String>> {
        self.read_import_objects().await
    }

    async fn forget_imports(&self, objects: &[String]) -> Result<()> {
        self.drop_imports(objects).await
    }

    async fn last_pass(&self, integration: &IntegrationKey, object: &str) -> Result<Option<(ProvisionReport, ShortHash)>> {
        self.find_last_pass(integration, object).await
    }

    async fn intents_open(&self) -> Result<u64> {
        self.count_intents().await
    }

    async fn end_import(&self, integration: &IntegrationKey, object: &str, report: &ImportReport) -> Result<()> {
        self.store_import_end(integration, object, report).await
    }

    async fn finish_import(&self, claim: &Claim, report: &ImportReport) -> Result<()> {
        self.store_import_report(claim, report).await
    }

    async fn finish_pass(&self, claim: &Claim, report: &ProvisionReport, inputs: ShortHash) -> Result<()> {
        self.store_pass_report(claim, report, inputs).await
    }

    async fn set_source(&self, claim: &Claim, enabled: bool, applies: bool) -> Result<()> {
        self.store_source(claim, enabled, applies).await
    }

    async fn sources(&self) -> Result<Vec<IntegrationKey>> {
        self.read_sources().await
    }

    async fn clear_source(&self, integration: &IntegrationKey) -> Result<()> {
        self.drop_source(integration).await
    }

    async fn directory(&self, organisation: &Organisation) -> Result<Option<DirectorySettings>> {
        self.read_directory(organisation).await
    }

    async fn set_directory(&self, organisation: &Organisation, settings: &DirectorySettings) -> Result<()> {
        self.store_directory(organisation, settings).await
    }

    async fn people_counts(&self, organisation: &Organisation) -> Result<PeopleCounts> {
        self.count_people(organisation).await
    }

    async fn directory_revision(&self, organisation: &Organisation) -> Result<i64> {
        self.find_revision(organisation).await
    }

    async fn account_counts(&self, integration: &IntegrationKey) -> Result<AccountCounts> {
        self.count_accounts(integration).await
    }

    async fn meet_host(&self, claim: &Claim, host: &str) -> Result<Option<u64>> {
        self.move_to_host(claim, host).await
    }

    async fn unproven_accounts(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<KnownAccount>> {
        self.read_unproven_accounts(integration, after, limit).await
    }

    async fn prove_links(&self, claim: &Claim, accounts: &[Record]) -> Result<()> {
        self.store_proofs(claim, accounts).await
    }

    async fn known_records(&self, integration: &IntegrationKey, decided_under: ShortHash) -> Result<KnownRecords> {
        self.read_known_records(integration, decided_under).await
    }

    async fn clear_staging(&self, claim: &Claim) -> Result<()> {
        self.empty_staging(claim).await
    }

    async fn stage(&self, claim: &Claim, records: &[StagedRecord]) -> Result<()> {
        self.append_staging(claim, records).await
    }

    async fn staged_duplicates(&self, claim: &Claim, key: PersonKey<'_>) -> Result<HashSet<String>> {
        self.find_staged_duplicates(claim, key).await
    }

    async fn staged_page(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<StagedRow>> {
        self.read_staged_page(claim, after, limit).await
    }

    async fn people_by_key(&self, claim: &Claim, key: PersonKey<'_>, keys: &[String]) -> Result<Vec<Vec<PersonHit>>> {
        self.find_people(claim, key, keys).await
    }

    async fn linked_accounts(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<KnownAccount>> {
        self.read_linked_accounts(integration, after, limit).await
    }

    async fn plan_import(&self, claim: &Claim, actions: &[ImportAction]) -> Result<()> {
        self.append_import_plan(claim, actions).await
    }

    async fn import_actions(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<ImportAction>> {
        self.read_import_plan(claim, after, limit).await
    }

    async fn import_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures> {
        self.figure_import_removals(claim, since).await
    }

    async fn apply_import(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>> {
        self.apply_import_plan(claim, after, limit, decided_under, now).await
    }

    async fn hold(&self, claim: &Claim, hold: &Hold) -> Result<HoldState> {
        self.store_hold(claim, hold).await
    }

    async fn held(&self, integration: &IntegrationKey, direction: Direction, object: &str) -> Result<Option<StoredHold>> {
        self.find_hold(integration, direction, object).await
    }

    async fn decide(
        &self,
        integration: &IntegrationKey,
        direction: Direction,
        decision: &DecisionRecord,
        now: Timestamp,
    ) -> Result<Ruling> {
        self.record_decision(integration, direction, decision, now).await
    }

    async fn answer_to(&self, approval: &str) -> Result<Option<Answer>> {
        self.find_answer(approval).await
    }

    async fn end_hold(&self, claim: &Claim, run: RunId, state: HoldState) -> Result<()> {
        self.store_hold_state(claim, run, state).await
    }

    async fn expire_import(&self, integration: &IntegrationKey, object: &str, now: Timestamp) -> Result<()> {
        self.store_expiry(integration, object, now).await
    }

    async fn released_import(&self, integration: &IntegrationKey) -> Result<Option<String>> {
        self.find_released_import(integration).await
    }

    async fn resume_import(&self, integration: &IntegrationKey, object: &str) -> Result<Option<Released>> {
        self.claim_released_import(integration, object).await
    }

    async fn refuse_import(&self, claim: &Claim, app_ids: &[AppId]) -> Result<()> {
        self.refuse_import_actions(claim, app_ids).await
    }

    async fn apply_released_import(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>> {
        self.apply_released_import_plan(claim, after, limit, decided_under, now).await
    }

    async fn release(&self, claim: &Claim, approved: RunId, classes: &[ActionClass]) -> Result<()> {
        self.release_actions(claim, approved, classes).await
    }

    async fn released_actions(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_released_actions(claim, class, after, limit).await
    }

    async fn candidates(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<Candidate>> {
        self.read_candidates(integration, after, limit).await
    }

    async fn decide_candidates(&self, decisions: Decisions<'_>, now: Timestamp) -> Result<DecisionsReport> {
        self.carry_out_decisions(decisions, now).await
    }

    async fn people(&self, organisation: &Organisation, ids: &[PersonId]) -> Result<Vec<Person>> {
        self.read_people(organisation, ids).await
    }

    async fn provision_page(&self, integration: &IntegrationKey, after: Option<PersonId>, limit: u32) -> Result<Vec<ProvisionRow>> {
        self.read_provision_page(integration, after, limit).await
    }

    async fn plan_provision(&self, claim: &Claim, actions: &[(PersonId, ProvisionAction)]) -> Result<()> {
        self.put_provision_plan(claim, actions).await
    }

    async fn provision_actions(
        &self,
        claim: &Claim,
        class: Option<ActionClass>,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_provision_plan(claim, class, after, limit).await
    }

    async fn provision_actions_of(&self, claim: &Claim, people: &[PersonId]) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_provision_plan_of(claim, people).await
    }

    async fn new_account_names(&self, claim: &Claim, after: Option<PersonId>, limit: u32) -> Result<Vec<(PersonId, String)>> {
        self.read_new_account_names(claim, after, limit).await
    }

    async fn provision_texts(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, String)>> {
        self.read_provision_texts(claim, class, after, limit).await
    }

    async fn observe(&self, claim: &Claim, records: &[Record]) -> Result<()> {
        self.append_observed(claim, records).await
    }

    async fn observed(&self, claim: &Claim, keys: &[(PersonId, String)]) -> Result<Vec<Vec<Record>>> {
        self.find_observed(claim, keys).await
    }

    async fn links_of(&self, integration: &IntegrationKey, app_ids: &[AppId]) -> Result<Vec<Link>> {
        self.find_links(integration, app_ids).await
    }

    async fn provision_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures> {
        self.figure_provision_removals(claim, since).await
    }

    async fn provision_counts(&self, claim: &Claim) -> Result<ProvisionCounts> {
        self.count_provision_plan(claim).await
    }

    async fn confirm_unchanged(&self, claim: &Claim, people: &[(PersonId, ShortHash)]) -> Result<()> {
        self.store_unchanged(claim, people).await
    }

    async fn record_failures(&self, claim: &Claim, failures: &[(PersonId, Failure)]) -> Result<()> {
        self.store_failures(claim, failures).await
    }

    async fn open_intents(&self, claim: &Claim, intents: &[Intent], now: Timestamp) -> Result<Vec<IntentId>> {
        self.journal.open(claim, intents, now).await
    }

    async fn close_intents(&self, claim: &Claim, results: &[(IntentId, IntentResult)], now: Timestamp) -> Result<()> {
        self.journal.close(claim, results, now).await
    }

    async fn unsettled_intents(&self, claim: &Claim) -> Result<Vec<(IntentId, Intent)>> {
        self.find_unsettled(claim).await
    }
}
