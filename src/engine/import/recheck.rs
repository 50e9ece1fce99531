//! Before an approved plan is applied, every decision in it is taken once more: by the rules that hold now, on the records
//! that were read, the people and links of now, and for a removal on what the app says of the account now. What comes out
//! differently is left out, and planned anew by the next import (SG-11).

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt as _, stream};

use super::{
    Early, ImportJob,
    absence::Proof,
    decide::{BATCH, Given},
};
use crate::{
    connector::Lookup,
    domain::{
        id::AppId,
        import_decision::{self, Absence},
        import_plan::{ImportAction, KnownAccount},
        report::ImportEnd,
    },
    engine::RunError,
    store::Claim,
};

/// Planned actions by their accounts.
type Planned = BTreeMap<AppId, ImportAction>;

/// Why an action is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It would not be decided now.
    Changed,
    /// The app did not say what its account looks like.
    Unknown,
}

/// `None`: the decision is the planned one.
fn doubt(decision: &Result<Option<ImportAction>, Doubt>, planned: Option<&ImportAction>) -> Option<Doubt> {
    match decision {
        Ok(decision) if decision.as_ref() == planned => None,
        Ok(_) => Some(Doubt::Changed),
        Err(doubt) => Some(*doubt),
    }
}

impl ImportJob {
    /// Refuses those actions of the plan after `applied_to` that nobody would decide on now.
    pub(super) async fn recheck(&self, claim: &Claim, applied_to: Option<&AppId>) -> Result<(), Early> {
        let given = self.given(claim).await?;
        let mut tells_absence = None;
        let mut after: Option<AppId> = applied_to.cloned();
        loop {
            let page = self.store.import_actions(claim, after.as_ref(), BATCH).await?;
            let Some(last) = page.last().map(|action| action.app_id.clone()) else { return Ok(()) };
            let planned: Planned = page.into_iter().map(|action| (action.app_id.clone(), action)).collect();
            let changed = self.changed_since(claim, after.as_ref(), &last, planned, &given, &mut tells_absence).await?;
            if let Some(by) = self.stop.cause() {
                return Err(Early::End(ImportEnd::Stopped { by }));
            }
            if !changed.is_empty() {
                tracing::info!(integration = %self.rules.integration, actions = changed.len(), "left out of an approved plan: changed since");
                self.store.refuse_import(claim, &changed).await?;
            }
            after = Some(last);
        }
    }

    async fn changed_since(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        last: &AppId,
        planned: Planned,
        given: &Given,
        tells_absence: &mut Option<bool>,
    ) -> Result<Vec<AppId>, Early> {
        let (mut changed, mut to_ask) = (Vec::new(), Vec::new());
        let mut absent = planned.clone();
        for (app_id, decision) in self.decide_up_to(claim, after, last, given).await? {
            absent.remove(&app_id);
            match planned.get(&app_id) {
                Some(action) if decision.as_ref() != Some(action) => changed.push(app_id),
                Some(action) if action.removes => to_ask.push(app_id),
                Some(_) | None => {}
            }
        }
        let removes = absent.values().any(|action| action.removes);
        if removes && tells_absence.is_none() {
            *tells_absence = Some(self.app_still_tells_absence(claim).await?);
        }
        let not_gone = if removes && *tells_absence == Some(false) {
            absent.into_keys().map(|app_id| (app_id, Doubt::Unknown)).collect()
        } else {
            self.not_gone(after, last, absent).await?
        };
        let asked = self.active_again(to_ask).await.into_iter().chain(not_gone);
        let mut is_unknown = false;
        for (app_id, doubt) in asked {
            is_unknown |= doubt == Doubt::Unknown;
            changed.push(app_id);
        }
        if is_unknown && self.stop.cause().is_none() {
            // An app that fails says nothing of anybody: the plan waits for it.
            self.connector.check().await.map_err(|error| Early::Error(RunError::App(error)))?;
        }
        Ok(changed)
    }

    /// The decisions on the records between `after` and `last` that were put aside when the plan was made.
    async fn decide_up_to(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        last: &AppId,
        given: &Given,
    ) -> Result<Vec<(AppId, Option<ImportAction>)>, Early> {
        let (mut decided, mut from) = (Vec::new(), after.cloned());
        loop {
            let mut rows = self.store.staged_page(claim, from.as_ref(), BATCH).await?;
            let all = rows.len();
            rows.retain(|row| row.staged.app_id <= *last);
            let Some(end) = rows.last().map(|row| row.staged.app_id.clone()) else { return Ok(decided) };
            let decisions = self.decide_page(claim, &rows, given).await?;
            let is_over = rows.len() < all;
            decided.extend(rows.into_iter().map(|row| row.staged.app_id).zip(decisions));
            if is_over {
                return Ok(decided);
            }
            from = Some(end);
        }
    }

    /// Of inactive records, those that the app does not show as inactive now.
    async fn active_again(&self, records: Vec<AppId>) -> Vec<(AppId, Doubt)> {
        let ask = |app_id: AppId| async move {
            let doubt = match self.connector.get(&app_id).await {
                Ok(Lookup::Found(record)) if !record.active() => return None,
                Ok(_) => Doubt::Changed,
                Err(_) => Doubt::Unknown,
            };
            Some((app_id, doubt))
        };
        let asked: Vec<_> = stream::iter(records.into_iter().map(ask)).buffered(self.connector.concurrency().max(1)).collect().await;
        asked.into_iter().flatten().collect()
    }

    /// Of actions on accounts that the listing did not have, those that would not be decided now.
    async fn not_gone(&self, after: Option<&AppId>, last: &AppId, absent: Planned) -> Result<Vec<(AppId, Doubt)>, Early> {
        if absent.is_empty() {
            return Ok(Vec::new());
        }
        let (mut doubts, mut from) = (HashMap::new(), after.cloned());
        loop {
            let page = self.store.linked_accounts(&self.rules.integration, from.as_ref(), BATCH).await?;
            let known: Vec<&KnownAccount> =
                page.iter().filter(|known| known.link.app_id <= *last && absent.contains_key(&known.link.app_id)).collect();
            let ask = |known| async move {
                let decision = self.decide_absence(known).await;
                (&known.link.app_id, decision)
            };
            let reads: Vec<_> = known.into_iter().map(ask).collect();
            let decided: Vec<_> = stream::iter(reads).buffered(self.connector.concurrency().max(1)).collect().await;
            doubts.extend(decided.into_iter().map(|(id, decision)| (id.clone(), doubt(&decision, absent.get(id)))));
            match page.last() {
                Some(end) if end.link.app_id < *last => from = Some(end.link.app_id.clone()),
                _ => break,
            }
        }
        // Who has no live link any more has nothing to lose.
        let doubt = |app_id: AppId| doubts.get(&app_id).copied().unwrap_or(Some(Doubt::Changed)).map(|doubt| (app_id, doubt));
        Ok(absent.into_keys().filter_map(doubt).collect())
    }

    /// LS-4: a 404 proves something only in an app that shows a record which the plan's listing had.
    async fn app_still_tells_absence(&self, claim: &Claim) -> Result<bool, Early> {
        const WITNESSES: u32 = 3;
        let listed = self.store.staged_page(claim, None, WITNESSES).await?;
        let mut witnesses: Vec<AppId> = listed.into_iter().map(|row| row.staged.app_id).collect();
        if witnesses.is_empty() {
            // Nothing was put aside: all that the listing had was as it was, and stands in no plan.
            let planned: HashSet<AppId> =
                self.store.import_actions(claim, None, BATCH).await?.into_iter().map(|action| action.app_id).collect();
            let linked = self.store.linked_accounts(&self.rules.integration, None, BATCH).await?;
            witnesses =
                linked.into_iter().map(|known| known.link.app_id).filter(|id| !planned.contains(id)).take(WITNESSES as usize).collect();
        }
        for witness in &witnesses {
            if self.app_shows(witness).await {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn decide_absence(&self, known: &KnownAccount) -> Result<Option<ImportAction>, Doubt> {
        match import_decision::decide_missing(known, &self.rules) {
            Absence::Counted(action) => Ok(Some(action)),
            Absence::ProveGone => match self.prove_one(known).await {
                Proof::Gone(action) | Proof::Inactive(action) => Ok(Some(action)),
                Proof::Listed => Ok(None),
                Proof::Unknown => Err(Doubt::Unknown),
            },
        }
    }
}
