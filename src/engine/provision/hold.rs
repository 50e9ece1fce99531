//! What of a plan is held back, what an approval has released, and which plan is asked about meanwhile (SG-10, SG-11).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Early, ProvisionJob};
use crate::{
    domain::{
        approval::{Hold, HoldFigures, HoldState, StoredHold},
        counts::ProvisionCounts,
        hash::{Digest, ShortHash},
        id::RunId,
        report::{ActionClass, HeldClass, ProvisionReport},
        safeguard::{self, Rule, RuleResult, Verdict},
    },
    engine::Mode,
    store::{Claim, Direction},
};

/// An approved plan, whose actions have been set apart in the plan of the pass.
pub(super) struct Approved {
    /// The run that made it.
    pub run: RunId,
    /// What was approved.
    pub digest: Digest,
    /// Until when it may be applied.
    pub expires: Timestamp,
    /// Of these classes nothing else is applied: what is not part of it waits for the next pass.
    pub classes: Vec<ActionClass>,
}

impl ProvisionJob {
    /// Decides what of the pass's plan may be applied. Of what is held the digest is that of the frozen plan: later actions
    /// queue behind it and do not change it, or no approval could ever match.
    pub(super) async fn hold_back(&self, claim: &Claim, report: &mut ProvisionReport) -> Result<Option<Approved>, Early> {
        let tripped = safeguard::held_classes(&report.safeguards);
        if self.mode != Mode::Enforce {
            // Nothing is applied, so that there is nothing to be frozen or released (AI-6).
            report.held = sizes(&tripped, report.plan);
            if !tripped.is_empty() {
                report.digest = Some(self.digest(claim, &tripped).await?);
            }
            return Ok(None);
        }
        let now = self.clock.now();
        let standing = self.store.held(&self.rules.integration, Direction::ToApp, &self.object).await?;
        let valid = standing.as_ref().filter(|standing| standing.hold.terms == self.terms());
        match valid {
            Some(standing) if standing.is_released(now) => return self.release(claim, standing, &tripped, report).await.map(Some),
            Some(standing) if standing.is_open(now) && holds_any(&standing.hold, &tripped) => keep(&standing.hold, &tripped, report),
            Some(standing) if standing.state == HoldState::Rejected && self.is_same(claim, &standing.hold, &tripped).await? => {
                keep(&standing.hold, &tripped, report);
                report.expires = None;
            }
            _ if tripped.is_empty() => self.withdraw(claim, standing.as_ref()).await?,
            _ => self.freeze(claim, &tripped, report, now).await?,
        }
        Ok(None)
    }

    /// What a held plan was made under: the host, the policy, the mapping, the limits.
    fn terms(&self) -> ShortHash {
        let rules = &self.rules;
        let mapping = rules.mapping.as_ref().map(crate::domain::mapping::Mapping::digest);
        // The `Debug` text of plain numbers; another version of it asks once more.
        ShortHash::of_json(&(&self.host, rules.digest, mapping, format!("{:?}", rules.limits), rules.window_seconds))
    }

    async fn release(
        &self,
        claim: &Claim,
        standing: &StoredHold,
        tripped: &BTreeSet<ActionClass>,
        report: &mut ProvisionReport,
    ) -> Result<Approved, Early> {
        let StoredHold { run, hold: Hold { digest, figures, expires, .. }, .. } = standing;
        let classes: Vec<ActionClass> = figures.classes.iter().map(|held| held.class).collect();
        self.store.release(claim, *run, &classes).await?;
        safeguard::approve(&mut report.safeguards, |rule| rule.holds().is_some_and(|class| classes.contains(&class)));
        let others = tripped.iter().filter(|class| !classes.contains(class)).copied().collect();
        report.held = sizes(&others, report.plan);
        report.digest = Some(*digest);
        Ok(Approved { run: *run, digest: *digest, expires: *expires, classes })
    }

    /// Is what the tripped classes hold now the very plan that was held?
    async fn is_same(&self, claim: &Claim, hold: &Hold, tripped: &BTreeSet<ActionClass>) -> Result<bool, Early> {
        Ok(!tripped.is_empty() && self.digest(claim, tripped).await? == hold.digest)
    }

    async fn freeze(
        &self,
        claim: &Claim,
        tripped: &BTreeSet<ActionClass>,
        report: &mut ProvisionReport,
        now: Timestamp,
    ) -> Result<(), Early> {
        let digest = self.digest(claim, tripped).await?;
        let seconds = SignedDuration::from_secs(i64::from(self.rules.approval_seconds));
        let expires = now.saturating_add(seconds).unwrap_or(Timestamp::MAX);
        let rules = report.safeguards.iter().filter(|result| result.verdict == Verdict::Tripped).copied().collect();
        let figures = HoldFigures { classes: sizes(tripped, report.plan), rules };
        let hold = Hold { digest, expires, terms: self.terms(), figures };
        let state = self.store.hold(claim, &hold).await?;
        keep(&hold, tripped, report);
        if state == HoldState::Rejected {
            report.expires = None;
        }
        Ok(())
    }

    /// Nothing is over its limit any more: nobody has to decide on what was.
    async fn withdraw(&self, claim: &Claim, standing: Option<&StoredHold>) -> Result<(), Early> {
        if let Some(standing) = standing.filter(|standing| matches!(standing.state, HoldState::Held | HoldState::Approved)) {
            self.store.end_hold(claim, standing.run, HoldState::Withdrawn).await?;
        }
        Ok(())
    }
}

fn holds_any(hold: &Hold, tripped: &BTreeSet<ActionClass>) -> bool {
    hold.figures.classes.iter().any(|held| tripped.contains(&held.class))
}

/// Shows what is frozen, with the arithmetic of when it was, and what is held besides.
fn keep(hold: &Hold, tripped: &BTreeSet<ActionClass>, report: &mut ProvisionReport) {
    let frozen = &hold.figures.classes;
    let besides = tripped.iter().filter(|class| frozen.iter().all(|held| held.class != **class)).copied().collect();
    report.held = frozen.iter().copied().chain(sizes(&besides, report.plan)).collect();
    report.held.sort_by_key(|held| held.class);
    report.digest = Some(hold.digest);
    report.expires = Some(hold.expires);
    for result in &mut report.safeguards {
        if let Some(then) = of_rule(&hold.figures.rules, result.rule) {
            *result = then;
        }
    }
}

fn of_rule(results: &[RuleResult], rule: Rule) -> Option<RuleResult> {
    results.iter().find(|result| result.rule == rule).copied()
}

/// Classes with the number of their actions in a plan.
fn sizes(classes: &BTreeSet<ActionClass>, plan: ProvisionCounts) -> Vec<HeldClass> {
    classes.iter().map(|class| HeldClass { class: *class, count: size(*class, plan) }).collect()
}

/// How many actions of a class a plan has.
pub(super) fn size(class: ActionClass, plan: ProvisionCounts) -> u64 {
    match class {
        ActionClass::Creates => plan.create + plan.adopt,
        ActionClass::Updates => plan.update + plan.reactivate,
        ActionClass::Removals => plan.deactivate,
    }
}
