//! Before an account's first write at another host: a GET by its id must show it to be the one that is linked (AI-9).

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Early, ProvisionJob, decide::block};
use crate::{
    connector::Lookup,
    domain::{
        account::Record,
        id::PersonId,
        proof::Remembered,
        provision_plan::{BlockReason, ProvisionAction, ProvisionRow},
    },
    store::Claim,
};

impl ProvisionJob {
    /// The actions on accounts that show themselves; the others are blocked. What is proved is remembered.
    pub(super) async fn prove(
        &self,
        claim: &Claim,
        planned: Vec<(ProvisionRow, ProvisionAction)>,
    ) -> Result<Vec<(PersonId, ProvisionAction)>, Early> {
        let reads: Vec<_> = planned.iter().map(|(row, _)| self.shown(row)).collect();
        let shown: Vec<Option<Record>> = stream::iter(reads).buffered(self.connector.concurrency().max(1)).try_collect().await?;
        let proved: Vec<Record> = shown.iter().flatten().cloned().collect();
        if !proved.is_empty() {
            self.store.prove_links(claim, &proved).await?;
        }
        let judged = planned.into_iter().zip(shown).map(|((row, action), shown)| {
            let action = if shown.is_some() { action } else { block(&action, BlockReason::Unproven) };
            (row.person.id, action)
        });
        Ok(judged.collect())
    }

    /// The row's account, if this host shows it. A GET that fails proves nothing.
    async fn shown(&self, row: &ProvisionRow) -> Result<Option<Record>, Early> {
        let Some(link) = &row.link else { return Ok(None) };
        if let Some(by) = self.stop.cause() {
            return Err(Early::Stopped(by));
        }
        match self.connector.get(&link.app_id).await {
            Ok(Lookup::Found(account)) => {
                let remembered = Remembered::of(link, row.person.profile.user_name());
                Ok(remembered.is_shown_by(&account, None).then_some(account))
            }
            Ok(Lookup::Gone) => Ok(None),
            Err(error) => self.unless_the_app_fails(error).await.map(|()| None),
        }
    }
}
