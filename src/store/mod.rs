//! What must survive: people, accounts, links, plans and the intent journal. One trait; SQLite is its embedded engine.
//!
//! Every query carries the organisation (promise H5). Writes of a run carry its [`Epoch`]: a run that has lost its claim
//! gets [`StoreError::LostEpoch`] instead of a write (RU-4).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{
    account::{KnownRecords, Record},
    approval::{Answer, DecisionRecord, Hold, HoldState, StoredHold},
    candidate::{Candidate, CandidateDecision, DecisionsReport},
    counts::{ImportCounts, ProvisionCounts},
    directory::{DirectorySettings, PeopleCounts},
    hash::ShortHash,
    id::{AppId, Epoch, IntegrationKey, IntentId, Organisation, PersonId, RunId},
    import_decision::ImportRules,
    import_plan::{ImportAction, KnownAccount, StagedRecord, StagedRow},
    link::Link,
    matching::PersonHit,
    person::Person,
    provision_plan::{Failure, ProvisionAction, ProvisionRow},
    report::{ActionClass, ImportReport, ProvisionReport},
    safeguard::RemovalFigures,
};

pub use crate::domain::fold::fold_key;

#[cfg(test)]
mod contract;
pub mod sqlite;

/// A failed call of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed: disk full, locked, not to be opened.
    #[error("the store failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The migrations could not be applied.
    #[error("the store could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The store was written by a newer version. It is left as it is.
    #[error("the store has migration {version}, which this version does not know; use the version that wrote the store, or a newer one")]
    Newer {
        /// The first migration that is not known.
        version: i64,
    },
    /// The store is only to be read, and was written by an older version.
    #[error("the store has no migration after {version}, and this version has; start the operator of this version with it once")]
    Older {
        /// The last migration that was applied.
        version: i64,
    },
    /// A row holds what this version cannot read.
    #[error("the store holds something unreadable in {what}")]
    Corrupt {
        /// Which table or column.
        what: &'static str,
    },
    /// The store is not open yet, or has stopped working.
    #[error("the store cannot be used just now")]
    Unavailable,
    /// A newer run has claimed the integration; this one must stop.
    #[error("another run has taken this integration over")]
    LostEpoch,
}

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Which way a run goes. The two directions of one integration are claimed separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Imports.
    ToDirectory,
    /// Provisioning.
    ToApp,
}

impl Direction {
    /// The word by which it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToDirectory => "ToDirectory",
            Self::ToApp => "ToApp",
        }
    }
}

/// A claimed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Its integration.
    pub integration: IntegrationKey,
    /// Its direction.
    pub direction: Direction,
    /// Its fence.
    pub epoch: Epoch,
}

/// A finished or unfinished run, as it is stored under the name of the object that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun<R> {
    /// The run.
    pub run: RunId,
    /// When it was first claimed.
    pub started: Timestamp,
    /// Its result; `None` while it runs or if its process died.
    pub report: Option<R>,
}

/// Decisions about candidates of one integration, as one approval gives them.
#[derive(Clone, Copy, Debug)]
pub struct Decisions<'a> {
    /// The UID of the object that gives them (a `ChangeApproval`). The same object never decides twice.
    pub object: &'a str,
    /// The UID of the `ImportRun` on whose proposals they are made (MT-8).
    pub import: &'a str,
    /// The decisions. Of two about one candidate the first counts.
    pub decisions: &'a [CandidateDecision],
    /// What the policy says of imports: whether attributes flow, and whether new people are Active.
    pub rules: &'a ImportRules,
}

/// What the directory keys of a person are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersonKey<'a> {
    /// `userName`.
    UserName,
    /// `email`.
    Email,
    /// Another attribute; see [`crate::domain::matching::attribute_key`].
    Attribute(&'a str),
    /// Given and family name; see [`crate::domain::matching::names_key`].
    Names,
}

/// An entry of the journal: what is about to be sent (RU-2).
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Whose account.
    pub person: PersonId,
    /// What is about to be done, complete.
    pub action: ProvisionAction,
    /// Was it approved? A removal that was is no part of the window (SG-2).
    pub approved: bool,
}

/// How an intent ended. Recorded together with what it means for the link.
#[derive(Clone, Debug, PartialEq)]
pub enum IntentResult {
    /// The effect is there: the link is as given from now on. Whether it counts as a removal (W of SG-2) follows from the
    /// intent's action.
    Done {
        /// The link after the action.
        link: Box<Link>,
    },
    /// The effect is not there, and it is tried again when `Failure` says.
    Failed(Failure),
    /// The effect is not there, and the next pass decides anew (the app went away, the run was stopped).
    Void,
}

/// What the store says to a decision on a held plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Its target has not made a plan yet. Nothing is recorded.
    NotYet,
    /// What came of it.
    Answered {
        /// The answer.
        answer: Answer,
        /// Was it given just now, and not when the same decision was shown before?
        new: bool,
    },
}

/// An approved import that is taken up, or taken up again.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    /// The right to apply it.
    pub claim: Claim,
    /// How it stands.
    pub report: ImportReport,
    /// The last app id whose action is applied already; `None` if none is.
    pub applied_to: Option<AppId>,
    /// What it was decided under (mapping and policy).
    pub terms: ShortHash,
}

/// The numbers that statuses show of an integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// Live links.
    pub linked: u64,
    /// Records that wait for a decision; those that are ignored do not.
    pub pending: u64,
    /// Accounts whose last attempt failed.
    pub failed: u64,
}

/// What must survive.
#[async_trait]
pub trait Store: Send + Sync {
    // --- the store itself ---

    /// The id that the store was given when it was created.
    async fn store_id(&self) -> Result<String>;

    /// Can it be read and written just now?
    async fn ping(&self) -> Result<()>;

    /// How far the store has come with an integration: see [`crate::domain::store_mark`]. Zero if it has never heard of it.
    async fn revision(&self, integration: &IntegrationKey) -> Result<i64>;

    /// Raises the integration's revision to at least this: the store was taken up in the place of another one (SG-12).
    async fn raise_revision(&self, integration: &IntegrationKey, to: i64) -> Result<()>;

    /// Raises the integration's revision by one: the run is about to change something.
    async fn note_changes(&self, claim: &Claim) -> Result<()>;

    // --- organisations ---

    /// Says which namespace has the organisation's name, by its UID. An organisation that no namespace has been met of is this
    /// one's: earlier versions did not ask. If another namespace had the name, its organisation is set aside and this one begins
    /// empty. One that was set aside comes back with its namespace.
    async fn meet_namespace(&self, organisation: &Organisation, uid: &str, now: Timestamp) -> Result<()>;

    /// The organisations that are not set aside, and the UIDs of their namespaces where those have been met.
    async fn organisations(&self) -> Result<Vec<(Organisation, Option<String>)>>;

    /// The organisation's namespace with this UID is gone: it is set aside, unless another namespace has been met meanwhile.
    async fn orphan(&self, organisation: &Organisation, uid: Option<&str>, now: Timestamp) -> Result<()>;

    /// Drops everything of the organisations that were set aside before then. Returns how many.
    async fn purge_orphans(&self, before: Timestamp) -> Result<u64>;

    // --- runs ---

    /// Claims an integration for a run of one direction: takes the next epoch, which ends the right to write of every
    /// earlier run of that integration and direction. `object` is the UID of the object that asked (an `ImportRun`, a
    /// `ProvisioningPolicy`); an unfinished import of the same object is taken up again under its old run id, with its
    /// staging and plan emptied; otherwise the run is new.
    async fn claim(&self, integration: &IntegrationKey, direction: Direction, object: &str, now: Timestamp) -> Result<Claim>;

    /// The import that an `ImportRun` object stands for; `None` if it was never claimed.
    async fn import_run(&self, object: &str) -> Result<Option<StoredRun<ImportReport>>>;

    /// The names of the objects that the imports which are remembered were made for.
    async fn import_objects(&self) -> Result<Vec<String>>;

    /// Forgets the imports of these objects, which are gone, and their plans. None of them may be under way.
    async fn forget_imports(&self, objects: &[String]) -> Result<()>;

    /// The last provisioning pass of a policy that has a report, with the inputs it was made for.
    async fn last_pass(&self, integration: &IntegrationKey, object: &str) -> Result<Option<(ProvisionReport, ShortHash)>>;

    /// Stores the result of an import and drops its staging. Its plan stays until the next import of the integration.
    async fn finish_import(&self, claim: &Claim, report: &ImportReport) -> Result<()>;

    /// Stores the result of an import that is not under way and will not be, under the name of its object. Takes no claim, so
    /// that no other run loses its own; one that is under way after all finds its run ended and stores its own result.
    async fn end_import(&self, integration: &IntegrationKey, object: &str, report: &ImportReport) -> Result<()>;

    /// Stores the result of a pass and the hash of the inputs it was made for.
    async fn finish_pass(&self, claim: &Claim, report: &ProvisionReport, inputs: ShortHash) -> Result<()>;

    /// Says whether the import's integration is a profile source: the import decides by it, and with `applies` it holds for
    /// everybody. The effective source of a person is the first source, by name, that has a live link to the person (SO-1).
    async fn set_source(&self, claim: &Claim, enabled: bool, applies: bool) -> Result<()>;

    /// Every integration that is a profile source.
    async fn sources(&self) -> Result<Vec<IntegrationKey>>;

    /// The integration is a source no more: nothing says that it is one.
    async fn clear_source(&self, integration: &IntegrationKey) -> Result<()>;

    /// What the last `Directory` of the organisation said; `None` if there never was one.
    async fn directory(&self, organisation: &Organisation) -> Result<Option<DirectorySettings>>;

    /// Remembers what a `Directory` says. A change raises the directory revision, and a plan made before is made anew.
    async fn set_directory(&self, organisation: &Organisation, settings: &DirectorySettings) -> Result<()>;

    /// How many people the organisation has, by state.
    async fn people_counts(&self, organisation: &Organisation) -> Result<PeopleCounts>;

    /// A number that grows with every change to a person of the organisation: tells whether a pass has anything to look at.
    async fn directory_revision(&self, organisation: &Organisation) -> Result<i64>;

    /// The numbers for the integration's status.
    async fn account_counts(&self, integration: &IntegrationKey) -> Result<AccountCounts>;

    // --- links after a change of host (AI-9) ---

    /// Says at which host the run reads and writes. If the links were made at another one, they are unproven from now on,
    /// records that wait for a decision are forgotten, and a run of the other direction, begun at the former host, loses its
    /// claim. `None`: it is the host of before, or the first; otherwise how many links are unproven.
    async fn meet_host(&self, claim: &Claim, host: &str) -> Result<Option<u64>>;

    /// The next accounts with an unproven link, live or ended, after `after`, by app id.
    async fn unproven_accounts(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<KnownAccount>>;

    /// These accounts have shown themselves at the present host: their links are what they were, and what is kept of their
    /// resources is what was read.
    async fn prove_links(&self, claim: &Claim, accounts: &[Record]) -> Result<()>;

    // --- imports: observe ---

    /// Hashes of the records with a live link that were decided under the same inputs (mapping and policy). Records that
    /// were missing from the last import are not among them, so that their return is noticed (LS-4: seen → counter 0).
    async fn known_records(&self, integration: &IntegrationKey, decided_under: ShortHash) -> Result<KnownRecords>;

    /// Empties the run's staging, before another attempt to list.
    async fn clear_staging(&self, claim: &Claim) -> Result<()>;

    /// Puts records aside. Called once per page or so; appends.
    async fn stage(&self, claim: &Claim, records: &[StagedRecord]) -> Result<()>;

    // --- imports: decide ---

    /// Keys (folded, see [`fold_key`]) that more than one staged, not yet linked record has. For an attribute and for names:
    /// of those keys that the records were staged with.
    async fn staged_duplicates(&self, claim: &Claim, key: PersonKey<'_>) -> Result<std::collections::HashSet<String>>;

    /// The next staged records after `after`, by app id, with what is known of each.
    async fn staged_page(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<StagedRow>>;

    /// People of the organisation, seen from the run's integration, by folded keys. The outer order is that of `keys`. By an
    /// attribute or by names, at most [`TOO_MANY`](crate::domain::matching::TOO_MANY) people of each key; the first such
    /// lookup of an organisation reads everybody once.
    async fn people_by_key(&self, claim: &Claim, key: PersonKey<'_>, keys: &[String]) -> Result<Vec<Vec<PersonHit>>>;

    /// The next accounts with a live link after `after`, by app id. What the listing has not seen among them is missing.
    async fn linked_accounts(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<KnownAccount>>;

    /// Appends to the run's plan.
    async fn plan_import(&self, claim: &Claim, actions: &[ImportAction]) -> Result<()>;

    /// The next actions of the run's plan after `after`, by app id.
    async fn import_actions(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<ImportAction>>;

    /// The numbers of SG-2 for the run's plan: S from the planned actions that remove, W since `since`.
    async fn import_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures>;

    // --- imports: apply ---

    /// Applies the next `limit` planned actions after `after` in one transaction: accounts, links, people, candidates,
    /// removals of the window, the directory revision. `decided_under` is remembered with each account. A person who
    /// would take a username that somebody else of the organisation has by now is left out and counted `failed`.
    /// Returns what was applied and the last app id; `None` when there was nothing left.
    async fn apply_import(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>>;

    // --- held plans (SG-9 to SG-11) ---

    /// Holds the plan of the run, frozen, in the place of what the same object held before: the actions and the listing of the
    /// run stay as they are until it is decided on or superseded. [`HoldState::Rejected`]: a plan of the integration with that
    /// digest was rejected before, and is not asked for again.
    async fn hold(&self, claim: &Claim, hold: &Hold) -> Result<HoldState>;

    /// What an object holds, or held last.
    async fn held(&self, integration: &IntegrationKey, direction: Direction, object: &str) -> Result<Option<StoredHold>>;

    /// Records a decision and what comes of it durably in one transaction, with which an approved plan begins to be applied
    /// and a rejected one is over. The same decision, shown again, gets the same answer, and nothing happens.
    async fn decide(&self, integration: &IntegrationKey, direction: Direction, decision: &DecisionRecord, now: Timestamp)
    -> Result<Ruling>;

    /// What was answered to an approval, by its UID.
    async fn answer_to(&self, approval: &str) -> Result<Option<Answer>>;

    /// Notes what has become of what the run holds. Its actions are frozen no longer.
    async fn end_hold(&self, claim: &Claim, run: RunId, state: HoldState) -> Result<()>;

    /// Ends a held import that nobody has decided on in time.
    async fn expire_import(&self, integration: &IntegrationKey, object: &str, now: Timestamp) -> Result<()>;

    /// The object whose import of this integration is approved and not over.
    async fn released_import(&self, integration: &IntegrationKey) -> Result<Option<String>>;

    /// Claims an approved import, which keeps its plan and its listing; `None` if the object's import is not approved.
    async fn resume_import(&self, integration: &IntegrationKey, object: &str) -> Result<Option<Released>>;

    /// Leaves out actions of an approved import: what they were decided by has changed since. They count as `failed`, unless
    /// they would have changed neither a person nor a link.
    async fn refuse_import(&self, claim: &Claim, app_ids: &[AppId]) -> Result<()>;

    /// [`Store::apply_import`] for an approved import: its removals are no part of the window (SG-2), and how far it is, and what
    /// was applied, is remembered in the same transaction.
    async fn apply_released_import(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>>;

    /// Sets those actions of the run's plan apart that an approved plan holds in these classes in exactly the same way, so that
    /// [`Store::released_actions`] gives them and [`Store::provision_actions`] does not.
    async fn release(&self, claim: &Claim, approved: RunId, classes: &[ActionClass]) -> Result<()>;

    /// The next released actions of one class after `after`, by person id.
    async fn released_actions(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>>;

    // --- the queue of candidates ---

    /// The next candidates of the integration after `after`, by app id; those that are ignored among them.
    async fn candidates(&self, integration: &IntegrationKey, after: Option<&AppId>, limit: u32) -> Result<Vec<Candidate>>;

    /// Carries decisions out, all in one durable transaction: each that is possible takes effect as an import's own action
    /// would, the others are refused and leave their candidates as they are. A decision counts only if the import that it
    /// was made on proposed what stands in the queue now, or holds the same proposal in its plan (MT-8). Takes no claim: an
    /// import that is under way goes on, and its actions that have become impossible are refused when they are applied.
    /// Called again with the same `object`, it changes nothing and gives the same report.
    async fn decide_candidates(&self, decisions: Decisions<'_>, now: Timestamp) -> Result<DecisionsReport>;

    // --- provisioning: decide ---

    /// These people of the organisation; whoever does not exist is left out.
    async fn people(&self, organisation: &Organisation, ids: &[PersonId]) -> Result<Vec<Person>>;

    /// The next people of the organisation after `after`, by person id, with their links to the integration.
    async fn provision_page(&self, integration: &IntegrationKey, after: Option<PersonId>, limit: u32) -> Result<Vec<ProvisionRow>>;

    /// Appends to the run's plan, or replaces what the plan holds for a person.
    async fn plan_provision(&self, claim: &Claim, actions: &[(PersonId, ProvisionAction)]) -> Result<()>;

    /// The next planned actions of one class (`None`: the blocked ones) after `after`, by person id.
    async fn provision_actions(
        &self,
        claim: &Claim,
        class: Option<ActionClass>,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>>;

    /// The planned actions of these people; whoever has none is left out.
    async fn provision_actions_of(&self, claim: &Claim, people: &[PersonId]) -> Result<Vec<(PersonId, ProvisionAction)>>;

    /// The next planned creations after `after`, by person id, with the usernames that the accounts are to have.
    async fn new_account_names(&self, claim: &Claim, after: Option<PersonId>, limit: u32) -> Result<Vec<(PersonId, String)>>;

    /// The next planned actions of one class after `after`, by person id, as the texts that are stored: what a digest is made of.
    async fn provision_texts(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, String)>>;

    /// Puts accounts of a listing aside, for lookups by [`Store::observed`].
    async fn observe(&self, claim: &Claim, records: &[Record]) -> Result<()>;

    /// Accounts put aside whose `externalId` is one of these, or whose folded `userName` is: one list per pair.
    async fn observed(&self, claim: &Claim, keys: &[(PersonId, String)]) -> Result<Vec<Vec<Record>>>;

    /// Links, live or ended, of these accounts of the integration.
    async fn links_of(&self, integration: &IntegrationKey, app_ids: &[AppId]) -> Result<Vec<Link>>;

    /// The numbers of SG-2 for the run's plan: S = its deactivations, W since `since`.
    async fn provision_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures>;

    /// Counts of the run's plan by kind.
    async fn provision_counts(&self, claim: &Claim) -> Result<ProvisionCounts>;

    /// Sets the inputs of live links that need no write, so that the next pass need not evaluate them.
    async fn confirm_unchanged(&self, claim: &Claim, people: &[(PersonId, ShortHash)]) -> Result<()>;

    /// Records failures that came about without a request (a mapping that failed, an account that belongs to another).
    async fn record_failures(&self, claim: &Claim, failures: &[(PersonId, Failure)]) -> Result<()>;

    // --- the journal ---

    /// Records intents durably (`synchronous=FULL`) before anything is sent (B9), in one transaction.
    async fn open_intents(&self, claim: &Claim, intents: &[Intent], now: Timestamp) -> Result<Vec<IntentId>>;

    /// Records results and the links they mean, in one transaction. A result without its epoch is refused: the next run
    /// settles the intent by looking.
    async fn close_intents(&self, claim: &Claim, results: &[(IntentId, IntentResult)], now: Timestamp) -> Result<()>;

    /// How many intents have no result yet, of all integrations and runs.
    async fn intents_open(&self) -> Result<u64>;

    /// Intents of earlier runs of this integration that have no result: a process died between sending and recording.
    async fn unsettled_intents(&self, claim: &Claim) -> Result<Vec<(IntentId, Intent)>>;
}
