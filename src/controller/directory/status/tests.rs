use super::*;
use crate::{
    api::Directory,
    controller::testing,
    domain::mapping::{Problem, ProblemKind},
};

fn found(sources: usize) -> Found {
    let names: Vec<String> = (0..sources).map(|number| format!("source-{number}")).collect();
    Found { integrations: names.iter().cloned().collect(), sources: names, store_id: "s-1".to_owned(), ..Found::default() }
}

#[test]
fn c4_whatever_is_wrong_with_a_directory_says_what_would_be_right() {
    let condition =
        Problem { field: "spec.protectedUsers.where".to_owned(), kind: ProblemKind::SyntaxError, message: "it ends too soon".to_owned() };
    for (obstacle, reason, part) in [
        (Obstacle::Condition(condition), Reason::SyntaxError, "spec.protectedUsers.where"),
        (Obstacle::NoIntegration { name: "hr".to_owned() }, Reason::UnknownSource, "create it"),
        (Obstacle::NoSource { name: "hr".to_owned() }, Reason::UnknownSource, "turn it on"),
    ] {
        let (said, message) = testing::ready(&testing::written::<Directory>(super::obstacle(found(1), &obstacle)));
        assert_eq!(said, reason);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn d3_a_directory_of_thousands_of_sources_has_a_small_status() {
    testing::written::<Directory>(run(found(5_000)));
}
