//! SG-1: whatever becomes of an import, every rule is listed.

use joinery::domain::{
    report::{ImportEnd, StopCause},
    safeguard::{self, Rule, Verdict},
};

use crate::{
    support::scripted_app::{Fault, What},
    world::World,
};

const RULES: [Rule; 4] = [Rule::UnassignedPercent, Rule::Unassigned, Rule::EmptySource, Rule::IncompleteListing];

#[tokio::test]
async fn sg1_an_import_without_a_plan_lists_every_rule_as_not_evaluated() {
    let world = World::new(3).await;
    world.import().await;
    for (what, why) in [(What::EmptyPage, "an incomplete listing"), (What::status(401), "a token that is refused")] {
        world.hr.inject(Fault::listing(what));
        let report = world.import_job().run().await.unwrap();
        assert!(matches!(report.end, ImportEnd::SnapshotIncomplete { .. } | ImportEnd::AppFailed { .. }), "{why}: {:?}", report.end);
        let listed: Vec<_> = report.safeguards.iter().map(|result| (result.rule, result.verdict)).collect();
        assert_eq!(listed, RULES.map(|rule| (rule, Verdict::NotEvaluated)), "{why}");
        assert_eq!(report.safeguards[0].limit, Some(20), "{why}: the limit that would have held");
        assert!(!safeguard::tripped(&report.safeguards), "{why}: nothing is to be approved");
        world.hr.clear_faults();
    }
    let stopped = world.import_job();
    stopped.stop.stop(StopCause::Suspended);
    let report = stopped.run().await.unwrap();
    assert_eq!(report.safeguards.iter().map(|result| result.verdict).collect::<Vec<_>>(), [Verdict::NotEvaluated; 4]);

    let report = world.import().await;
    let listed: Vec<_> = report.safeguards.iter().map(|result| (result.rule, result.verdict)).collect();
    assert_eq!(listed, RULES.map(|rule| (rule, Verdict::Pass)), "with a plan they are evaluated");
}
