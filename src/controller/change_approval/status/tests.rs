use serde_json::json;

use super::*;
use crate::{
    api::conditions::Status,
    controller::{kind::Kind as _, testing},
};

fn approval(decision: &str) -> ChangeApproval {
    serde_json::from_value(json!({
        "apiVersion": "joinery.dev/v1alpha1", "kind": "ChangeApproval", "metadata": {"name": "berlin", "namespace": "acme"},
        "spec": {
            "target": {"kind": "ProvisioningPolicy", "name": "x".repeat(253)}, "decision": decision,
            "planDigest": format!("sha256:{}", "0".repeat(64)),
        },
    }))
    .unwrap()
}

const REFUSALS: [Answer; 5] = [Answer::DigestMismatch, Answer::Expired, Answer::AlreadyUsed, Answer::PlanOnly, Answer::UnknownCandidate];

#[test]
fn c7_every_answer_is_said_with_a_reason_of_its_own_and_what_to_do() {
    for answer in REFUSALS {
        let visit = answered(&approval("Approve"), answer);
        assert!(matches!(visit.outcome, Outcome::Invalid { .. }), "{answer:?}");
        let (said, message) = testing::ready(&testing::written::<ChangeApproval>(visit));
        assert_eq!(said, reason(answer));
        assert!(message.contains("nothing was changed") || message.contains("nothing of its plan"), "{message}");
        testing::assert_helps(said, &message);
    }
    for decision in ["Approve", "Reject"] {
        let visit = answered(&approval(decision), Answer::Applied);
        assert_eq!((visit.conditions[0].status, visit.conditions[0].reason), (Status::True, Reason::Applied));
        assert_eq!(testing::ready(&testing::written::<ChangeApproval>(visit)).0, Reason::Succeeded);
    }
}

#[test]
fn c4_every_obstacle_says_what_is_waited_for() {
    let name = || "x".repeat(253);
    let all = [
        Obstacle::NoDigest,
        Obstacle::NoTarget { kind: "ImportRun".to_owned(), name: name() },
        Obstacle::NoIntegration { name: name() },
        Obstacle::NoPlan,
        Obstacle::Suspended,
        Obstacle::NoPolicy { name: name() },
        Obstacle::StoreReplaced { name: name() },
    ];
    for one in all {
        match &one {
            Obstacle::NoDigest
            | Obstacle::NoTarget { .. }
            | Obstacle::NoIntegration { .. }
            | Obstacle::NoPlan
            | Obstacle::Suspended
            | Obstacle::NoPolicy { .. }
            | Obstacle::StoreReplaced { .. } => {}
        }
        let visit = obstacle(one);
        assert_ne!(visit.conditions[0].status, Status::True);
        let (reason, message) = testing::ready(&testing::written::<ChangeApproval>(visit));
        testing::assert_helps(reason, &message);
    }
}

#[test]
fn j7_what_was_answered_stays_answered_and_what_waits_does_not() {
    let mut answered_before = approval("Approve");
    let read = |visit| serde_json::from_value(testing::written::<ChangeApproval>(visit)).unwrap();
    let restored = |approval: &ChangeApproval| remembered(approval).map(|visit| visit.conditions[0].reason);
    assert_eq!(restored(&answered_before), None);
    for answer in REFUSALS.into_iter().chain([Answer::Applied]) {
        answered_before.status = Some(read(answered(&approval("Approve"), answer)));
        assert_eq!(restored(&answered_before), Some(reason(answer)));
        assert!(!answered_before.needs_store());
    }
    let mut waits = approval("Approve");
    for one in [Obstacle::NoPlan, Obstacle::Suspended, Obstacle::NoTarget { kind: "ImportRun".to_owned(), name: "a".to_owned() }] {
        waits.status = Some(read(obstacle(one)));
        assert_eq!(restored(&waits), None);
        assert!(waits.needs_store());
    }
}

#[test]
fn the_event_of_a_decision_says_what_was_decided() {
    assert_eq!(approval("Approve").event_reason(Status::True, Reason::Succeeded), "Approved");
    assert_eq!(approval("Reject").event_reason(Status::True, Reason::Succeeded), "Rejected");
    assert_eq!(approval("Reject").event_reason(Status::False, Reason::Expired), "Expired");
}
