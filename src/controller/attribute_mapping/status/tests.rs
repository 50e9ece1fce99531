use super::*;
use crate::{
    api::AttributeMapping,
    controller::testing,
    domain::mapping::{Problem, ProblemKind},
};

const KINDS: [ProblemKind; 5] = [
    ProblemKind::SyntaxError,
    ProblemKind::UnknownAttribute,
    ProblemKind::TypeMismatch,
    ProblemKind::DuplicateTarget,
    ProblemKind::TestFailed,
];

#[test]
fn d3_a_million_problems_of_any_length_are_a_small_status() {
    for (number, length) in [(1_000_000, 10), (3, 1 << 20)] {
        let problem =
            |index| Problem { field: format!("spec.toApp[{index}].target"), kind: ProblemKind::SyntaxError, message: "m".repeat(length) };
        let problems = (0..number).map(problem).collect();
        testing::written::<AttributeMapping>(invalid(&Invalid::Problems(problems)));
    }
}

#[test]
fn c4_every_problem_of_a_mapping_is_said_with_its_field_and_a_reason_of_its_kind() {
    let mut reasons = Vec::new();
    for kind in KINDS {
        match kind {
            ProblemKind::SyntaxError
            | ProblemKind::UnknownAttribute
            | ProblemKind::TypeMismatch
            | ProblemKind::DuplicateTarget
            | ProblemKind::TestFailed => {}
        }
        let problem = Problem { field: "spec.toApp[0].target".to_owned(), kind, message: "it is wrong; take this entry away".to_owned() };
        let (reason, message) = testing::ready(&testing::written::<AttributeMapping>(invalid(&Invalid::Problems(vec![problem]))));
        assert!(message.starts_with("spec.toApp[0].target: "), "{message}");
        reasons.push(reason);
    }
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), KINDS.len(), "{reasons:?}");
    let conflict = Invalid::Conflict { older: "other".to_owned() };
    let (reason, message) = testing::ready(&testing::written::<AttributeMapping>(invalid(&conflict)));
    assert_eq!(reason, Reason::ConflictingMapping);
    testing::assert_helps(reason, &message);
}
