//! One action against the app, and what came of it (SC-6 to SC-9).

use serde_json::{Map, Value};

use super::{Early, ProvisionJob};
use crate::{
    connector::{AppError, AttributeChange, Lookup},
    domain::{
        account::Record,
        id::{AppId, PersonId},
        link::{Link, LinkState},
        provision_decision,
        provision_plan::{BlockReason, ProvisionAction, ProvisionKind},
    },
    store::{Claim, StoreError},
};

/// What came of an action.
pub(super) enum Effect {
    /// It is done; `instead` is what was really done, if that is not what was planned: an account that turned up at its
    /// creation was adopted.
    Done { link: Box<Link>, instead: Option<ProvisionAction> },
    /// The account is gone in the app; it is looked up afresh by the next pass (TA-11).
    Gone { link: Box<Link> },
    /// The account was made active, and what was to be written with that was not, or nobody knows. The next pass does the rest.
    Activated { link: Box<Link>, error: AppError },
    /// It is not done, as far as anybody knows.
    Failed(AppError),
    /// An account turned up at its creation and cannot be taken over.
    Blocked(BlockReason),
}

/// How a write of several requests failed.
struct Interrupted {
    /// The account is active now, because of it.
    activated: bool,
    error: AppError,
}

impl From<AppError> for Interrupted {
    fn from(error: AppError) -> Self {
        Self { activated: false, error }
    }
}

impl ProvisionJob {
    pub(super) async fn perform(
        &self,
        claim: &Claim,
        person: PersonId,
        action: &ProvisionAction,
        before: Option<&Link>,
    ) -> Result<Effect, StoreError> {
        let outcome = match &action.kind {
            ProvisionKind::Create { resource } => {
                return self.create(claim, person, action, resource, before).await;
            }
            ProvisionKind::Adopt { app_id, changes, activate, .. } => self.take_over(app_id, changes, *activate).await,
            ProvisionKind::Update { app_id, changes } => self.write(app_id, before, changes).await.map_err(Interrupted::from),
            ProvisionKind::Reactivate { app_id, changes } => self.reactivate(app_id, before, changes).await,
            ProvisionKind::Deactivate { app_id } => {
                self.connector.set_active(app_id, false).await.map(|()| None).map_err(Interrupted::from)
            }
            ProvisionKind::Blocked { reason } => return Ok(Effect::Blocked(*reason)),
        };
        let outcome = match outcome {
            Err(Interrupted { activated, error }) => match (self.witnessed(error).await, &action.kind) {
                (AppError::NotFound, ProvisionKind::Deactivate { .. }) => Ok(None), // SC-9: a tombstone like any other
                (error, _) => Err(Interrupted { activated, error }),
            },
            done => done,
        };
        Ok(match outcome {
            Ok(record) => done(person, action, before, record),
            Err(Interrupted { error: AppError::NotFound, .. }) => match before {
                Some(link) => Effect::Gone { link: Box::new(Link { state: LinkState::EndedByAbsence, active: false, ..link.clone() }) },
                None => Effect::Failed(AppError::NotFound),
            },
            Err(interrupted) => failed(person, action, before, interrupted),
        })
    }

    /// An account is gone only if the app is there to say so: a gateway that has lost the app answers 404, too.
    async fn witnessed(&self, error: AppError) -> AppError {
        match error {
            AppError::NotFound => match self.connector.check().await {
                Ok(()) => AppError::NotFound,
                Err(AppError::NotFound) => AppError::NotScim("every address of the app answers 404"),
                Err(error) => error,
            },
            error => error,
        }
    }

    async fn create(
        &self,
        claim: &Claim,
        person: PersonId,
        action: &ProvisionAction,
        resource: &Value,
        before: Option<&Link>,
    ) -> Result<Effect, StoreError> {
        let error = match self.connector.create(resource).await {
            Ok(Some(record)) => return Ok(done(person, action, before, Some(record))),
            Ok(None) => AppError::NoAnswer("the app did not say what it created"),
            Err(error @ AppError::Conflict { .. }) => error,
            Err(error) if error.outcome_unknown() => error,
            Err(error) => return Ok(Effect::Failed(error)),
        };
        // SC-6, RL-5: whether the account exists now is unknown; look before a second POST.
        let user_name = action.new_account_name().unwrap_or_default();
        let hits = match self.find_by_filter(person, user_name).await {
            Ok(Some(hits)) => hits,
            // Filters are not trusted: the next pass lists the app before it creates anything.
            Ok(None) | Err(Early::Stopped(_)) => return Ok(Effect::Failed(error)),
            Err(Early::App(lookup_error)) => return Ok(Effect::Failed(lookup_error)),
            Err(Early::Store(error)) => return Err(error),
        };
        let app_ids: Vec<AppId> = hits.iter().map(|record| record.id.clone()).collect();
        let links = self.store.links_of(&claim.integration, &app_ids).await?;
        let people = self.store.people(&claim.integration.organisation, &[person]).await?;
        let Some(someone) = people.first() else { return Ok(Effect::Failed(error)) };
        let found = provision_decision::resolve(someone, action, &hits, &links, false, &self.rules);
        Ok(match &found.kind {
            ProvisionKind::Adopt { app_id, changes, activate, .. } => match self.take_over(app_id, changes, *activate).await {
                Ok(record) => match done(person, &found, before, record) {
                    Effect::Done { link, .. } => Effect::Done { link, instead: Some(found) },
                    other => other,
                },
                Err(interrupted) => failed(person, &found, before, interrupted),
            },
            ProvisionKind::Blocked { reason } => Effect::Blocked(*reason),
            _ => Effect::Failed(error),
        })
    }

    async fn take_over(&self, app_id: &AppId, changes: &Map<String, Value>, activate: bool) -> Result<Option<Record>, Interrupted> {
        if activate {
            self.activate(app_id).await?;
        }
        let taken = async {
            match self.write(app_id, None, changes).await? {
                Some(record) => Ok(Some(record)),
                // What was taken over has to be known: whether it is active above all.
                None => match self.connector.get(app_id).await? {
                    Lookup::Found(record) => Ok(Some(record)),
                    Lookup::Gone => Err(AppError::NotFound),
                },
            }
        };
        taken.await.map_err(|error| Interrupted { activated: activate, error })
    }

    async fn reactivate(&self, app_id: &AppId, before: Option<&Link>, changes: &Map<String, Value>) -> Result<Option<Record>, Interrupted> {
        self.activate(app_id).await?;
        self.write(app_id, before, changes).await.map_err(|error| Interrupted { activated: true, error })
    }

    /// An answer that is lost says nothing of the account: it is looked at (RL-5), lest it stay active without anybody knowing.
    async fn activate(&self, app_id: &AppId) -> Result<(), Interrupted> {
        let Err(error) = self.connector.set_active(app_id, true).await else { return Ok(()) };
        let look = error.outcome_unknown() && self.stop.cause().is_none();
        let activated = look && matches!(self.connector.get(app_id).await, Ok(Lookup::Found(record)) if record.active());
        Err(Interrupted { activated, error })
    }

    async fn write(&self, app_id: &AppId, before: Option<&Link>, changes: &Map<String, Value>) -> Result<Option<Record>, AppError> {
        let changes = attribute_changes(changes);
        if changes.is_empty() {
            return Ok(None);
        }
        let known = before.and_then(|link| link.resource.clone()).map(|resource| Record { id: app_id.clone(), resource });
        self.connector.update(app_id, known.as_ref(), &changes).await
    }

    /// Has an action that a crash interrupted taken effect? `None`: the account is not there.
    pub(super) async fn took_effect(&self, action: &ProvisionAction, app_id: &AppId) -> Result<Option<(bool, Record)>, AppError> {
        let record = match self.connector.get(app_id).await? {
            Lookup::Found(record) => record,
            Lookup::Gone => return Ok(None),
        };
        let shows = |changes: &Map<String, Value>| {
            attribute_changes(changes).iter().all(|change| match (&change.value, change.path.get(&record.resource)) {
                (Some(wanted), Some(found)) => wanted == found,
                (None, found) => found.is_none_or(Value::is_null),
                (Some(_), None) => false,
            })
        };
        let done = match &action.kind {
            ProvisionKind::Adopt { changes, activate, .. } => shows(changes) && (!activate || record.active()),
            ProvisionKind::Update { changes, .. } => shows(changes),
            ProvisionKind::Reactivate { changes, .. } => record.active() && shows(changes),
            ProvisionKind::Deactivate { .. } => !record.active(),
            ProvisionKind::Create { .. } | ProvisionKind::Blocked { .. } => false,
        };
        Ok(Some((done, record)))
    }
}

fn failed(person: PersonId, action: &ProvisionAction, before: Option<&Link>, interrupted: Interrupted) -> Effect {
    let Interrupted { activated, error } = interrupted;
    match activated.then(|| provision_decision::link_after_activation(person, action, before, None)).flatten() {
        Some(link) => Effect::Activated { link: Box::new(link), error },
        None => Effect::Failed(error),
    }
}

fn done(person: PersonId, action: &ProvisionAction, before: Option<&Link>, record: Option<Record>) -> Effect {
    match provision_decision::link_after(person, action, before, record.map(|record| record.resource)) {
        Some(link) => Effect::Done { link: Box::new(link), instead: None },
        None => Effect::Failed(AppError::NotScim("the answer to a create has no id")),
    }
}

/// Planned changes as the connector takes them. Targets were parsed when the mapping was compiled.
fn attribute_changes(changes: &Map<String, Value>) -> Vec<AttributeChange> {
    changes
        .iter()
        .filter_map(|(path, value)| {
            let path = path.parse().ok()?;
            Some(AttributeChange { path, value: (!value.is_null()).then(|| value.clone()) })
        })
        .collect()
}
