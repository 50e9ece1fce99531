//! Decide: person by person, then look up whether the accounts that are needed exist (SC-4).

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{Early, Progress, ProvisionJob, lookup::Lookups};
use crate::{
    domain::{
        account::Record,
        hash::ShortHash,
        id::PersonId,
        person::Person,
        provision_decision::{self, Decision},
        provision_plan::{BlockReason, Failure, ProvisionAction, ProvisionKind, ProvisionRow},
    },
    store::{Claim, fold_key},
};

/// What a lookup has come to.
struct Looked {
    /// The accounts that may be the person's; `None` if nobody can say.
    found: Option<Vec<Record>>,
    name_twice: bool,
}

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
        let read = async |after| self.store.provision_page(&claim.integration, after, BATCH).await;
        let mut next = read(None).await?;
        while let Some(last) = next.last() {
            let after = Some(last.person.id);
            needs.people += next.len() as u64;
            let (following, decided) = futures::join!(read(after), self.decide_page(claim, next, &mut needs, progress));
            decided?;
            next = following?;
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
                    if let Some(name) = action.new_account_name() {
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

    /// Looks for the accounts that are to be created, and plans anew whoever has one or must not get one.
    async fn resolve(&self, claim: &Claim, lookups: &Lookups, needs: &Needs, progress: &mut Progress) -> Result<(), Early> {
        let mut after: Option<PersonId> = None;
        loop {
            if let Some(by) = self.stop.cause() {
                return Err(Early::Stopped(by));
            }
            let wanted = self.store.new_account_names(claim, after, BATCH).await?;
            let Some((last, _)) = wanted.last() else { return Ok(()) };
            after = Some(*last);
            let found = self.accounts_of(claim, lookups, &wanted).await?;
            let open: HashMap<PersonId, Looked> = wanted
                .into_iter()
                .zip(found)
                .map(|((person, name), found)| (person, Looked { found, name_twice: needs.is_twice(&name) }))
                .filter(|(_, looked)| !provision_decision::creation_stands(looked.found.as_deref(), looked.name_twice, &self.rules))
                .collect();
            if !open.is_empty() {
                self.resolve_open(claim, &open, progress).await?;
            }
        }
    }

    async fn resolve_open(&self, claim: &Claim, open: &HashMap<PersonId, Looked>, progress: &mut Progress) -> Result<(), Early> {
        let links = self.links_of_hits(claim, open.values().filter_map(|looked| looked.found.as_deref())).await?;
        let ids: Vec<PersonId> = open.keys().copied().collect();
        let people = self.store.people(&claim.integration.organisation, &ids).await?;
        let people: HashMap<PersonId, Person> = people.into_iter().map(|person| (person.id, person)).collect();
        let (mut resolved, mut failures) = (Vec::with_capacity(open.len()), Vec::new());
        for (person, creation) in self.store.provision_actions_of(claim, &ids).await? {
            let Some(looked) = open.get(&person) else { continue };
            let action = match (&looked.found, people.get(&person)) {
                (Some(records), Some(someone)) => {
                    provision_decision::resolve(someone, &creation, records, &links, looked.name_twice, &self.rules)
                }
                _ => block(&creation, BlockReason::NotProvable),
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
        Ok(())
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
