//! Whether accounts exist: by trusted filters, or by one complete listing (SC-3, SC-4).

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Early, ProvisionJob};
use crate::{
    connector::{AppError, ErrorClass, ListError, LookupAttribute},
    domain::{account::Record, id::PersonId, link::Link},
    store::{Claim, fold_key},
};

/// A page of 100 costs a server as much as some tens of filters: from this share of people on, one listing is cheaper.
const LISTING_FROM_PERCENT: u64 = 5;
/// Below this many lookups filters are used whatever the share.
const FILTERS_UP_TO: u64 = 20;
const LISTING_ATTEMPTS: u32 = 3;

/// How the pass finds out whether an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookups {
    /// By filters, which the connector has found to be trustworthy.
    Filter,
    /// In a complete listing of this pass.
    Listing,
    /// Not at all: filters are not trusted, and no listing could be proved complete.
    Impossible,
}

impl ProvisionJob {
    pub(super) async fn prepare_lookups(&self, claim: &Claim, lookups: u64, people: u64) -> Result<Lookups, Early> {
        let few = lookups <= FILTERS_UP_TO || lookups * 100 <= people * LISTING_FROM_PERCENT;
        if few && self.filters_are_trusted().await? {
            return Ok(Lookups::Filter);
        }
        for attempt in 1..=LISTING_ATTEMPTS {
            match self.list_accounts(claim).await {
                Ok(()) => return Ok(Lookups::Listing),
                Err(Listed::Incomplete(problem)) => {
                    tracing::info!(integration = %claim.integration, attempt, problem, "the app's accounts could not be listed completely");
                }
                Err(Listed::Early(early)) => return Err(early),
            }
        }
        Ok(Lookups::Impossible)
    }

    async fn filters_are_trusted(&self) -> Result<bool, Early> {
        for attribute in [LookupAttribute::ExternalId, LookupAttribute::UserName] {
            // Whom this asks for does not matter: before the first use the connector probes the filter itself.
            match self.connector.find(attribute, "joinery-probe").await {
                Ok(_) => {}
                Err(AppError::FilterUntrusted) => return Ok(false),
                Err(error) => return Err(Early::App(error)),
            }
        }
        Ok(true)
    }

    async fn list_accounts(&self, claim: &Claim) -> Result<(), Listed> {
        let mut listing = self.connector.list().await.map_err(|error| Listed::Early(Early::App(error)))?;
        loop {
            if let Some(by) = self.stop.cause() {
                return Err(Listed::Early(Early::Stopped(by)));
            }
            let page = match listing.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(()),
                Err(ListError::Incomplete(problem)) => return Err(Listed::Incomplete(problem)),
                Err(ListError::App(error)) => return Err(Listed::Early(Early::App(error))),
            };
            let records: Result<Vec<Record>, _> = page.iter().map(crate::connector::ListedRecord::parse).collect();
            let records = records.map_err(|_| Listed::Incomplete("a record could not be read".to_owned()))?;
            self.store.observe(claim, &records).await.map_err(|error| Listed::Early(error.into()))?;
        }
    }

    /// For each person the accounts whose `externalId` is theirs or whose username is the one they need; `None` if that
    /// cannot be found out.
    pub(super) async fn accounts_of(
        &self,
        claim: &Claim,
        lookups: &Lookups,
        keys: &[(PersonId, String)],
    ) -> Result<Vec<Option<Vec<Record>>>, Early> {
        match lookups {
            Lookups::Listing => {
                let folded: Vec<(PersonId, String)> = keys.iter().map(|(person, name)| (*person, fold_key(name))).collect();
                Ok(self.store.observed(claim, &folded).await?.into_iter().map(Some).collect())
            }
            Lookups::Filter => {
                let lookups: Vec<_> = keys.iter().map(|(person, name)| self.found_or_unknown(*person, name)).collect();
                stream::iter(lookups).buffered(self.connector.concurrency().max(1)).try_collect().await
            }
            Lookups::Impossible => Ok(vec![None; keys.len()]),
        }
    }

    /// One person's lookup that fails is one person's failure (RU-5).
    async fn found_or_unknown(&self, person: PersonId, user_name: &str) -> Result<Option<Vec<Record>>, Early> {
        match self.find_by_filter(person, user_name).await {
            Err(Early::App(error)) => self.unless_the_app_fails(error).await.map(|()| None),
            found => found,
        }
    }

    /// Whose failure is it? What fails while the app answers otherwise is this request's alone.
    pub(super) async fn unless_the_app_fails(&self, error: AppError) -> Result<(), Early> {
        let says_it_of_everybody =
            !matches!(error, AppError::Forbidden) && matches!(error.class(), ErrorClass::Auth | ErrorClass::RateLimited);
        if says_it_of_everybody || self.connector.check().await.is_err() { Err(Early::App(error)) } else { Ok(()) }
    }

    /// SC-4: by `externalId`, then by username. `None` if the app's filters have turned out not to be trustworthy.
    pub(super) async fn find_by_filter(&self, person: PersonId, user_name: &str) -> Result<Option<Vec<Record>>, Early> {
        let mut records = Vec::new();
        for (attribute, value) in [(LookupAttribute::ExternalId, person.to_string()), (LookupAttribute::UserName, user_name.to_owned())] {
            match self.connector.find(attribute, &value).await {
                Ok(found) => {
                    for record in found {
                        if !records.iter().any(|known: &Record| known.id == record.id) {
                            records.push(record);
                        }
                    }
                }
                Err(AppError::FilterUntrusted) => return Ok(None),
                Err(error) => return Err(Early::App(error)),
            }
        }
        Ok(Some(records))
    }

    pub(super) async fn links_of_hits<'a>(
        &self,
        claim: &Claim,
        hits: impl Iterator<Item = &'a [Record]> + Send,
    ) -> Result<Vec<Link>, Early> {
        let app_ids: Vec<_> = hits.flatten().map(|record| record.id.clone()).collect();
        match app_ids.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(self.store.links_of(&claim.integration, &app_ids).await?),
        }
    }
}

enum Listed {
    Incomplete(String),
    Early(Early),
}
