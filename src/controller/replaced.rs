//! What becomes of objects whose statuses speak of another store than the one that is there (SG-12): plans are made and held,
//! and a user may take the store up.

use super::{app_integration, context::Context, driver, driver::Error, driver::Visit, outcome::Outcome};
use crate::{
    api::{
        AppIntegration, ConditionType, Reason,
        app_integration::StoreStatus,
        conditions::ConditionSpec,
        names::{self, TAKE_UP_STORE},
    },
    domain::store_mark::{self, Replacement, Standing, StoreMark},
    store::{Store, StoreError},
};

/// The store as an integration's status speaks of it, and as it is.
pub(super) struct Seen {
    present: StoreMark,
    /// It is not the one that the status speaks of, and nobody has taken it up.
    pub(super) replaced: Option<Replacement>,
}

impl Seen {
    /// The store that a status speaks of.
    #[cfg(test)]
    pub(super) fn known() -> Self {
        Self { present: StoreMark { id: "0".repeat(36), revision: i64::MAX }, replaced: None }
    }

    /// What the status says from now on. While another store is there, it goes on speaking of the one that was.
    pub(super) fn shown(&self) -> StoreStatus {
        let (mark, replacement) = match &self.replaced {
            Some(replaced) => (&replaced.remembered, Some(replaced.token())),
            None => (&self.present, None),
        };
        StoreStatus { id: mark.id.clone(), revision: mark.revision, replacement }
    }
}

fn remembered(integration: &AppIntegration) -> Option<StoreMark> {
    let store = integration.status.as_ref()?.store.as_ref()?;
    Some(StoreMark { id: store.id.clone(), revision: store.revision })
}

async fn present(integration: &AppIntegration, store: &dyn Store) -> Result<StoreMark, StoreError> {
    Ok(StoreMark { id: store.store_id().await?, revision: store.revision(&app_integration::key(integration)).await? })
}

/// Compares, and takes the store up if the integration's annotation says so.
pub(super) async fn look_and_take_up(integration: &AppIntegration, store: &dyn Store) -> Result<Seen, StoreError> {
    let mut present = present(integration, store).await?;
    let replaced = match store_mark::standing(remembered(integration).as_ref(), &present, names::taken_up_store(&integration.metadata)) {
        Standing::Known => None,
        Standing::Replaced(replacement) => Some(replacement),
        Standing::TakenUp { revision } => {
            store.raise_revision(&app_integration::key(integration), revision).await?;
            tracing::info!(target: "audit", integration = %app_integration::key(integration), store = present.id, revision, "store taken up");
            present.revision = revision;
            None
        }
    };
    Ok(Seen { present, replaced })
}

/// Is the store another one than the status of this integration speaks of? For whoever refers to the integration: until that
/// status speaks of the store that is there, nothing is written.
pub(super) async fn find(namespace: &str, integration: &str, store: &dyn Store, cx: &Context) -> Result<Option<Replacement>, Error> {
    let Some(integration) = driver::cached(&cx.caches.integrations, namespace, integration) else { return Ok(None) };
    let present = present(&integration, store).await?;
    Ok(match store_mark::standing(remembered(&integration).as_ref(), &present, None) {
        Standing::Replaced(replacement) => Some(replacement),
        Standing::Known | Standing::TakenUp { .. } => None,
    })
}

/// Row 3 of the table (operations.md §3): the visit is as it was found, and held. What a person must edit comes first (row 2);
/// who is at work on the first plan says so until there is one.
pub(super) fn hold<S>(visit: Visit<S>, replaced: Option<&Replacement>, integration: &str) -> Visit<S> {
    hold_as(Reason::AwaitingApproval, visit, replaced, integration)
}

/// Likewise, for a schedule, whose word in that row is another.
pub(super) fn hold_as<S>(reason: Reason, mut visit: Visit<S>, replaced: Option<&Replacement>, integration: &str) -> Visit<S> {
    let Some(replaced) = replaced else { return visit };
    let message = text(replaced, integration);
    visit.conditions.retain(|condition| condition.kind != ConditionType::SafeguardTripped);
    visit.conditions.push(ConditionSpec::holds(ConditionType::SafeguardTripped, Reason::StoreReplaced, message.clone()));
    if !matches!(visit.outcome, Outcome::Invalid { .. } | Outcome::Progressing { .. } | Outcome::Running { .. }) {
        visit.outcome = Outcome::Held { reason, message, run: false, recheck: visit.outcome.next_visit() };
    }
    visit
}

fn text(replaced: &Replacement, integration: &str) -> String {
    let Replacement { remembered, present } = replaced;
    let what = if replaced.is_older() {
        format!(
            "the store is older than what the AppIntegration `{integration}` says: revision {} and not {}, as from a backup",
            present.revision, remembered.revision
        )
    } else {
        format!(
            "the store is not the one that the AppIntegration `{integration}` speaks of ({}), which was lost or replaced",
            remembered.id
        )
    };
    format!(
        "{what}. Plans are made and held: nothing is written to an app, and nobody is removed. If the right store is still there, start \
         Joinery with it, and this ends by itself. To go on with this one, set the annotation {TAKE_UP_STORE}={} on that AppIntegration, \
         the sources of people first: they are imported again, and accounts are found again by externalId and username before any is \
         created. All limits hold.",
        replaced.token()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn replacement(remembered: &str, present: &str) -> Replacement {
        let mark = |id: &str, revision| StoreMark { id: id.repeat(36), revision };
        Replacement { remembered: mark(remembered, i64::MAX), present: mark(present, i64::MAX - 1) }
    }

    fn held(outcome: Outcome) -> Visit<()> {
        let tripped = ConditionSpec::holds(ConditionType::SafeguardTripped, Reason::CreateLimitExceeded, "m");
        let visit = Visit { outcome, conditions: vec![tripped], status: () };
        hold(visit, Some(&replacement("a", "b")), &"x".repeat(63))
    }

    #[test]
    fn j6_what_another_store_holds_says_the_words_of_row_3() {
        let after = Duration::from_secs(60);
        let (reason, message) = (Reason::Succeeded, "m".to_owned());
        for outcome in [
            Outcome::Settled { reason, message: message.clone(), recheck: after },
            Outcome::Waiting { reason: Reason::Unreachable, message: message.clone(), after },
            Outcome::Held { reason: Reason::AwaitingApproval, message: message.clone(), run: false, recheck: after },
        ] {
            let Visit { outcome, conditions, .. } = held(outcome);
            assert!(matches!(outcome, Outcome::Held { reason: Reason::AwaitingApproval, run: false, .. }), "{outcome:?}");
            assert_eq!(outcome.next_visit(), after, "what was looked at every minute still is");
            let reasons: Vec<Reason> = conditions.iter().map(|condition| condition.reason).collect();
            assert_eq!(reasons, [Reason::StoreReplaced]);
        }
        let invalid = Outcome::invalid(Reason::InvalidSpec, "m");
        assert_eq!(held(invalid.clone()).outcome, invalid, "row 2 comes first");
    }

    #[test]
    fn j6_the_message_fits_and_says_what_to_do() {
        for replaced in [replacement("a", "b"), replacement("a", "a")] {
            let message = text(&replaced, &"x".repeat(63));
            assert!(message.chars().count() <= crate::api::status::MESSAGE_LENGTH, "{}", message.len());
            assert!(message.contains(&format!("{TAKE_UP_STORE}={}", replaced.token())), "{message}");
        }
    }
}
