//! Decide: person by person, then look up whether the accounts that are needed exist (SC-4).

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{Early, Progress, ProvisionJob, lookup::Lookups};
use crate::{
    domain::{
        hash::ShortHash,
        id::PersonId,
        person::Person,
        provision_decision::{self, Decision},
        provision_plan::{BlockReason, Failure, ProvisionAction, ProvisionKind, ProvisionRow},
        report::ActionClass,
    },
    store::{Claim, fold_key},
};

/// How many people are decided at once.
pub(super) const BATCH: u32 = 1000;

/// Account names that this pass needs, and by how many people each (TA-14). Hashes: a pass may create a million accounts.
#[derive(Default)]
struct Needs {
    names: HashMap<ShortHash, u32>,
    count: u64,
    people: u64,
}

impl Needs {
    fn add(&mut self, user_name: &str) {
        *self.names.entry(name_hash(user_name)).or_default() += 1;
        self.count += 1;
    }

    fn is_twice(&self, user_name: &str) -> bool {
        self.names.get(&name_hash(user_name)).is_some_and(|count| *count > 1)
    }
}

fn name_hash(user_name: &str) -> ShortHash {
    ShortHash::of(fold_key(user_name).as_bytes())
}

impl ProvisionJob {
    /// Writes the plan of the pass.
    pub(super) async fn decide(&self, claim: &Claim, progress: &mut Progress) -> Result<(), Early> {
        let mut needs = Needs::default();
        let mut after: Option<PersonId> = None;
        loop {
            let rows = self.store.provision_page(&claim.integration, after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.person.id);
            needs.people += rows.len() as u64;
            self.decide_page(claim, rows, &mut needs, progress).await?;
            if let Some(by) = self.stop.cause() {
                return Err(Early::Stopped(by));
            }
        }
        if needs.count > 0 {
            let lookups = self.prepare_lookups(claim, needs.count, needs.people).await?;
            self.resolve(claim, &lookups, &needs, progress).await?;
        }
        Ok(())
    }

    async fn decide_page(&self, claim: &Claim, rows: Vec<ProvisionRow>, needs: &mut Needs, progress: &mut Progress) -> Result<(), Early> {
        let now = self.clock.now();
        let (mut actions, mut confirmed, mut failures, mut to_prove) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for mut row in rows {
            if progress.unsettled.contains(&row.person.id) {
                progress.failed_until(now + super::APP_RETRY);
                continue;
            }
            if self.retry_failed {
                row.failure = None;
            }
            if let Some(failure) = &row.failure {
                progress.attempts.insert(row.person.id, (failure.inputs, failure.attempts));
            }
            match provision_decision::decide(&row, &self.rules, now) {
                Decision::Nothing { confirm, counted } => {
                    progress.unchanged += u64::from(counted);
                    confirmed.extend(confirm.map(|inputs| (row.person.id, inputs)));
                }
                Decision::Undecided => progress.undecided += 1,
                Decision::Waiting { next_attempt } => {
                    progress.unproven += u64::from(is_unproven(&row));
                    progress.failed_until(next_attempt);
                }
                Decision::Act(ProvisionAction { kind: ProvisionKind::Blocked { reason }, inputs, .. }) => {
                    failures.push(self.blocked(row.person.id, inputs, reason, progress));
                }
                // AI-9: what names an account by its id is for the account that this host has under it, once that is known.
                Decision::Act(action) if is_unproven(&row) && action.kind.app_id().is_some() => to_prove.push((row, action)),
                Decision::Act(action) => {
                    if let Some(name) = provision_decision::account_name(&action) {
                        needs.add(name);
                    }
                    actions.push((row.person.id, action));
                }
            }
        }
        for (person, action) in self.prove(claim, to_prove).await? {
            if let ProvisionKind::Blocked { reason } = action.kind {
                progress.unproven += 1;
                failures.push(self.blocked(person, action.inputs, reason, progress));
            } else {
                actions.push((person, action));
            }
        }
        self.store.plan_provision(claim, &actions).await?;
        if self.mode == super::Mode::Enforce {
            self.store.confirm_unchanged(claim, &confirmed).await?;
            self.store.record_failures(claim, &failures).await?;
        }
        Ok(())
    }

    /// Turns needs into creations, adoptions or blocks.
    async fn resolve(&self, claim: &Claim, lookups: &Lookups, needs: &Needs, progress: &mut Progress) -> Result<(), Early> {
        let mut after: Option<PersonId> = None;
        loop {
            if let Some(by) = self.stop.cause() {
                return Err(Early::Stopped(by));
            }
            let page = self.store.provision_actions(claim, Some(ActionClass::Creates), after, BATCH).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let wanted: Vec<(PersonId, &str, &ProvisionAction)> = page
                .iter()
                .filter_map(|(person, action)| provision_decision::account_name(action).map(|name| (*person, name, action)))
                .collect();
            let keys: Vec<(PersonId, &str)> = wanted.iter().map(|(person, name, _)| (*person, *name)).collect();
            let hits = self.accounts_of(claim, lookups, &keys).await?;
            let links = self.links_of_hits(claim, &hits).await?;
            let ids: Vec<PersonId> = keys.iter().map(|(person, _)| *person).collect();
            let people = self.store.people(&claim.integration.organisation, &ids).await?;
            let people: HashMap<PersonId, Person> = people.into_iter().map(|person| (person.id, person)).collect();
            let (mut resolved, mut failures) = (Vec::with_capacity(wanted.len()), Vec::new());
            for ((person, name, need), found) in wanted.into_iter().zip(hits) {
                let action = match (found, people.get(&person)) {
                    (Some(records), Some(someone)) => {
                        provision_decision::resolve(someone, need, &records, &links, needs.is_twice(name), &self.rules)
                    }
                    _ => block(need, BlockReason::NotProvable),
                };
                if let ProvisionKind::Blocked { reason } = action.kind {
                    failures.push(self.blocked(person, action.inputs, reason, progress));
                }
                resolved.push((person, action));
            }
            self.store.plan_provision(claim, &resolved).await?;
            if self.mode == super::Mode::Enforce {
                self.store.record_failures(claim, &failures).await?;
            }
        }
    }

    /// Counts a person who is blocked, and says when the block is looked at again.
    pub(super) fn blocked(&self, person: PersonId, inputs: ShortHash, reason: BlockReason, progress: &mut Progress) -> (PersonId, Failure) {
        let failure =
            Failure { inputs, attempts: progress.attempt(person, inputs), next_attempt: self.clock.now() + look_again_after(reason) };
        progress.failed_until(failure.next_attempt);
        (person, failure)
    }
}

/// What the app's accounts decide may change there without our hearing of it: hourly. What our own inputs decide is
/// looked at when they change, or daily (RL-3).
pub(super) fn look_again_after(reason: BlockReason) -> SignedDuration {
    match reason {
        BlockReason::Mapping | BlockReason::NoUserName => SignedDuration::from_hours(24),
        BlockReason::SeveralAccounts
        | BlockReason::LinkedToAnother
        | BlockReason::FoundInactive
        | BlockReason::CreateUsersOff
        | BlockReason::NotProvable
        | BlockReason::Unproven
        | BlockReason::UserNameNotUnique => SignedDuration::from_hours(1),
    }
}

fn is_unproven(row: &ProvisionRow) -> bool {
    row.link.as_ref().is_some_and(|link| link.state.is_unproven())
}

pub(super) fn block(action: &ProvisionAction, reason: BlockReason) -> ProvisionAction {
    ProvisionAction { kind: ProvisionKind::Blocked { reason }, ..action.clone() }
}
