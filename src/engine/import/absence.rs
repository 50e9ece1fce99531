//! What a complete listing does not have: counted, then proved gone by a GET (LS-4).

use futures::{StreamExt as _, stream};

use super::{Early, ImportJob, decide::Planning};
use crate::{
    connector::Lookup,
    domain::{
        account::SeenIds,
        candidate::Queued,
        hash::ShortHash,
        id::AppId,
        import_decision::{self, Absence, Evidence, Twice},
        import_plan::{CandidateWrite, ImportAction, KnownAccount, StagedRow},
        matching::Candidates,
        report::ImportEnd,
    },
    store::Claim,
};

/// How many linked accounts are compared with the listing at once.
const BATCH: u32 = 5000;

/// What a GET says of a record that the listing does not have.
pub(super) enum Proof {
    Gone(ImportAction),
    /// It is there, inactive: an app that does not list inactive records.
    Inactive(ImportAction),
    /// It is there, active: the listing was not complete after all.
    Listed,
    /// Nobody knows; the record is not absent yet.
    Unknown,
}

impl ImportJob {
    pub(super) async fn decide_absences(&self, claim: &Claim, listing: &SeenIds, planning: &mut Planning) -> Result<(), Early> {
        let mut witness: Option<AppId> = None;
        let mut can_tell_absence: Option<bool> = None;
        let mut after: Option<AppId> = None;
        loop {
            let page = self.store.linked_accounts(&self.rules.integration, after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.link.app_id.clone());
            witness = witness.or_else(|| page.iter().map(|known| &known.link.app_id).find(|id| listing.contains(id)).cloned());
            let mut counted = Vec::new();
            let mut to_prove = Vec::new();
            for known in page.iter().filter(|known| !listing.contains(&known.link.app_id)) {
                match import_decision::decide_missing(known, &self.rules) {
                    Absence::Counted(action) => counted.push(action),
                    Absence::ProveGone => to_prove.push(known),
                }
            }
            if !to_prove.is_empty() {
                let tells = match can_tell_absence {
                    Some(tells) => tells,
                    None => self.app_tells_absence(witness.as_ref(), listing).await,
                };
                can_tell_absence = Some(tells);
                if tells {
                    counted.extend(self.prove(&to_prove).await?);
                }
            }
            counted.sort_by(|a, b| a.app_id.cmp(&b.app_id));
            self.store.plan_import(claim, &counted).await?;
            planning.add(&counted);
        }
    }

    /// Takes records out of the queue that a complete listing does not have: there is nothing left to be decided. Whoever is
    /// linked is for [`Self::decide_absences`], and what is ignored stays so (MT-8).
    pub(super) async fn forget_candidates(&self, claim: &Claim, listing: &SeenIds, planning: &mut Planning) -> Result<(), Early> {
        let mut after: Option<AppId> = None;
        loop {
            let page = self.store.candidates(&self.rules.integration, after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.app_id.clone());
            let gone = page.iter().filter(|one| !one.linked && !one.ignored && !listing.contains(&one.app_id));
            let actions: Vec<_> =
                gone.map(|one| ImportAction { candidate: CandidateWrite::Remove, ..ImportAction::keep(one.app_id.clone()) }).collect();
            self.store.plan_import(claim, &actions).await?;
            planning.add(&actions);
        }
    }

    /// LS-4: a 404 proves something only in an app that answers 200 for a record it has just listed.
    async fn app_tells_absence(&self, witness: Option<&AppId>, listing: &SeenIds) -> bool {
        let witness = witness.or_else(|| listing.sample());
        match witness {
            Some(id) => self.app_shows(id).await,
            None => false,
        }
    }

    pub(super) async fn app_shows(&self, id: &AppId) -> bool {
        matches!(self.connector.get(id).await, Ok(Lookup::Found(_)))
    }

    async fn prove(&self, missing: &[&KnownAccount]) -> Result<Vec<ImportAction>, Early> {
        let reads: Vec<_> = missing.iter().map(|known| self.prove_one(known)).collect();
        let proofs: Vec<Proof> = stream::iter(reads).buffered(self.connector.concurrency().max(1)).collect().await;
        let mut actions = Vec::with_capacity(proofs.len());
        for proof in proofs {
            match proof {
                Proof::Gone(action) | Proof::Inactive(action) => actions.push(action),
                Proof::Unknown => {}
                Proof::Listed => {
                    let problem = "a record that the listing left out is there when it is read by its id".to_owned();
                    return Err(Early::End(ImportEnd::SnapshotIncomplete { problem }));
                }
            }
        }
        match self.stop.cause() {
            Some(by) => Err(Early::End(ImportEnd::Stopped { by })),
            None => Ok(actions),
        }
    }

    pub(super) async fn prove_one(&self, known: &KnownAccount) -> Proof {
        if self.stop.cause().is_some() {
            return Proof::Unknown;
        }
        match self.connector.get(&known.link.app_id).await {
            Ok(Lookup::Gone) => Proof::Gone(import_decision::decide_gone(known, &self.rules)),
            Ok(Lookup::Found(record)) if record.active() => Proof::Listed,
            Ok(Lookup::Found(record)) => {
                let staged = self.stage_record(&record, ShortHash::of_json(&record.resource));
                let row = StagedRow { staged, known: Some(known.clone()), queued: Queued::Not };
                let evidence = Evidence { row: &row, candidates: Candidates::default(), twice: Twice::default(), claimed: false };
                import_decision::decide(evidence, &self.rules).map_or(Proof::Unknown, Proof::Inactive)
            }
            Err(error) => {
                tracing::debug!(integration = %self.rules.integration, %error, "an absence could not be proved");
                Proof::Unknown
            }
        }
    }
}
