//! Settle: what a process that died has left open is found out by looking, before anything is sent again (RU-2).

use std::collections::HashSet;

use super::{Early, ProvisionJob, lookup::Lookups};
use crate::{
    connector::AppError,
    domain::{account::Record, id::PersonId, link::Link, proof::Remembered, provision_decision, provision_plan::ProvisionAction},
    store::{Claim, IntentResult},
};

impl ProvisionJob {
    /// Whom nothing could be found out about is left open, is told of, and gets nothing from this pass.
    pub(super) async fn settle(&self, claim: &Claim) -> Result<HashSet<PersonId>, Early> {
        let open = self.store.unsettled_intents(claim).await?;
        let mut unsettled = HashSet::new();
        if open.is_empty() {
            return Ok(unsettled);
        }
        tracing::info!(integration = %claim.integration, intents = open.len(), "settling what an interrupted pass has left open");
        let creations = open.iter().filter(|(_, intent)| intent.action.new_account_name().is_some()).count() as u64;
        // So many lookups of so many people: a share of 100 %, so that only a handful goes by filters.
        let lookups = match creations {
            0 => Lookups::Filter,
            count => self.prepare_lookups(claim, count, count).await?,
        };
        for (id, intent) in open {
            if let Some(by) = self.stop.cause() {
                return Err(Early::Stopped(by));
            }
            let settled = match intent.action.new_account_name() {
                Some(user_name) => self.settle_creation(claim, lookups, intent.person, &intent.action, user_name).await,
                None => self.settle_change(claim, intent.person, &intent.action).await,
            };
            let result = match settled {
                Ok(result) => result,
                Err(Early::App(error)) => {
                    self.unless_the_app_fails(error).await?;
                    unsettled.insert(intent.person);
                    continue;
                }
                Err(early) => return Err(early),
            };
            self.store.close_intents(claim, &[(id, result)], self.clock.now()).await?;
        }
        Ok(unsettled)
    }

    async fn settle_creation(
        &self,
        claim: &Claim,
        lookups: Lookups,
        person: PersonId,
        action: &ProvisionAction,
        user_name: &str,
    ) -> Result<IntentResult, Early> {
        let found = match lookups {
            Lookups::Filter => self.find_by_filter(person, user_name).await?,
            _ => self.accounts_of(claim, &lookups, &[(person, user_name.to_owned())]).await?.into_iter().next().flatten(),
        };
        let found = found.unwrap_or_default();
        let external_id = person.to_string();
        let ours: Vec<Record> = found.into_iter().filter(|record| record.external_id() == Some(external_id.as_str())).collect();
        Ok(match ours.as_slice() {
            [record] => match provision_decision::link_after(person, action, None, Some(record.resource.clone())) {
                Some(link) => IntentResult::Done { link: Box::new(link) },
                None => IntentResult::Void,
            },
            // None: the request never arrived. Several: the next decision blocks it (TA-4).
            _ => IntentResult::Void,
        })
    }

    async fn settle_change(&self, claim: &Claim, person: PersonId, action: &ProvisionAction) -> Result<IntentResult, Early> {
        let Some(app_id) = action.kind.app_id() else { return Ok(IntentResult::Void) };
        let before: Option<Link> = self.store.links_of(&claim.integration, std::slice::from_ref(app_id)).await?.into_iter().next();
        let is_proved = before.as_ref().is_some_and(|link| !link.state.is_unproven());
        let remembered = before.as_ref().map(|link| Remembered::of(link, None));
        let shows = |record: &Record| match &remembered {
            Some(remembered) => remembered.is_shown_by(record, None),
            // An account that was being taken over has no link yet, and says itself whose it is by now.
            None => record.external_id().and_then(PersonId::parse) == Some(person),
        };
        // AI-9: what was sent to a former host is asked of the present one, which may have another account under the id.
        let before = before.map(|link| Link { state: link.state.proved(), ..link });
        match self.took_effect(action, app_id).await {
            Ok(Some((_, record))) if !is_proved && !shows(&record) => Ok(IntentResult::Void),
            Ok(Some((true, record))) => {
                let link = provision_decision::link_after(person, action, before.as_ref(), Some(record.resource));
                Ok(link.map_or(IntentResult::Void, |link| IntentResult::Done { link: Box::new(link) }))
            }
            // Between two requests: an account that is active is somebody's, or nobody would ever take it away again.
            Ok(Some((false, record))) if record.active() => {
                let link = provision_decision::link_after_activation(person, action, before.as_ref(), Some(record.resource));
                Ok(link.map_or(IntentResult::Void, |link| IntentResult::Done { link: Box::new(link) }))
            }
            Ok(Some((false, _)) | None) | Err(AppError::NotFound) => Ok(IntentResult::Void),
            Err(error) => Err(Early::App(error)),
        }
    }
}
