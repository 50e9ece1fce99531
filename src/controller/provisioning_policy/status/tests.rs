use super::*;
use crate::{
    connector::{AppError, CredentialError},
    controller::{provisioning_policy::rules, testing},
    domain::{
        directory::DirectorySettings,
        id::IntegrationKey,
        report::{HeldClass, StopCause},
        safeguard::{ProvisionLimits, RemovalFigures},
    },
    engine::app_failure_reason,
};

fn policy(spec: &serde_json::Value) -> ProvisioningPolicy {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "joinery.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": {"name": "chat", "namespace": "acme"}, "spec": spec,
    }))
    .unwrap()
}

/// A pass over so many people that ended so.
fn report(end: ProvisionEnd, people: u64) -> ProvisionReport {
    let limits = ProvisionLimits {
        max_deactivated_percent: 0,
        min_population: 0,
        max_deactivated: Some(0),
        max_updated_percent: 0,
        max_created: Some(0),
    };
    let counts = ProvisionCounts {
        create: people,
        adopt: people,
        update: people,
        deactivate: people,
        reactivate: people,
        unchanged: people,
        protected: people,
    };
    let figures = RemovalFigures { planned: people, removed: people, population: people, live: people };
    let safeguards = safeguard::provisioning(figures, people, people, &limits);
    let held = safeguard::held_classes(&safeguards).into_iter().map(|class| HeldClass { class, count: people }).collect();
    ProvisionReport {
        end,
        digest: Some(crate::domain::hash::DigestBuilder::new().finish()),
        plan: counts,
        applied: counts,
        held,
        failed: people,
        undecided: people,
        unproven: people,
        safeguards,
        expires: None,
        next_attempt: Some(testing::now()),
        finished: testing::now(),
    }
}

fn visit(report: &ProvisionReport) -> Visit<ProvisioningPolicyStatus> {
    let mut status = ProvisioningPolicyStatus { last_handled_request: Some("ü".repeat(256)), ..ProvisioningPolicyStatus::default() };
    fill(&mut status, report, Reason::AwaitingApproval);
    let message = held_message(report, Reason::AwaitingApproval).unwrap_or_else(|| applied(report));
    Visit {
        outcome: Outcome::held(Reason::AwaitingApproval, message, false),
        conditions: of_report(report, Reason::AwaitingApproval),
        status,
    }
}

#[test]
fn d3_a_pass_over_any_number_of_people_is_a_small_status() {
    for people in [1_000_000, u64::MAX / 2] {
        for end in [
            ProvisionEnd::Done,
            ProvisionEnd::PlanOnly,
            ProvisionEnd::Stopped { by: StopCause::Suspended },
            ProvisionEnd::AppFailed { reason: "Unreachable".to_owned(), message: "m".repeat(1 << 20) },
        ] {
            let status = testing::written::<ProvisioningPolicy>(visit(&report(end, people)));
            assert_eq!(status["failed"].as_u64(), Some(people));
        }
    }
}

#[test]
fn d3_a_million_problems_are_a_small_status() {
    let problem = |index| crate::domain::mapping::Problem {
        field: format!("spec.toApp.assignments[{index}].where"),
        kind: crate::domain::mapping::ProblemKind::SyntaxError,
        message: "cannot be parsed".to_owned(),
    };
    let problems: Vec<_> = (0..1_000_000).map(problem).collect();
    let message = crate::controller::texts::of_problems(&problems);
    testing::written::<ProvisioningPolicy>(obstacle(
        &policy(&serde_json::json!({"integrationRef": {"name": "chat"}})),
        Obstacle::Invalid { message },
    ));
}

#[test]
fn d3_a_spec_that_is_wrong_in_every_place_is_a_small_status() {
    let assignments: Vec<_> = (0..100)
        .map(|index| serde_json::json!({"name": format!("a{index}"), "where": "(".repeat(2048), "values": {"title": "(".repeat(2048)}}))
        .collect();
    let spec = serde_json::json!({"integrationRef": {"name": "chat"}, "toApp": {"assignments": assignments}});
    let policy = policy(&spec);
    let to_app = policy.spec.to_app.as_ref().unwrap();
    let problems = rules::provision_rules(
        to_app,
        &policy.spec.safeguards,
        &policy.spec.approval,
        &IntegrationKey::new("acme", "chat"),
        None,
        &DirectorySettings::default(),
    )
    .unwrap_err();
    assert_eq!(problems.len(), 200);
    let message = crate::controller::texts::of_problems(&problems);
    assert!(message.contains("spec.toApp.assignments[0]"), "{message}");
    testing::written::<ProvisioningPolicy>(obstacle(&policy, Obstacle::Invalid { message }));
}

#[test]
fn c4_every_obstacle_and_every_end_says_what_to_do() {
    let policy = policy(&serde_json::json!({"integrationRef": {"name": "chat"}}));
    let all = [
        (Obstacle::Conflict { older: "other".to_owned() }, Reason::ConflictingPolicy),
        (
            Obstacle::Invalid { message: "spec.toApp.usernameFormat: must not be empty; write `null`, or correct it".to_owned() },
            Reason::InvalidSpec,
        ),
        (
            Obstacle::AppNotReady { reason: Reason::IntegrationNotReady, message: "the AppIntegration is not ready: check it".to_owned() },
            Reason::IntegrationNotReady,
        ),
        (Obstacle::AppUnknown, Reason::Progressing),
    ];
    for (why, expected) in all {
        match &why {
            Obstacle::Conflict { .. } | Obstacle::Invalid { .. } | Obstacle::AppNotReady { .. } | Obstacle::AppUnknown => {}
        }
        let (reason, message) = testing::ready(&testing::written::<ProvisioningPolicy>(obstacle(&policy, why)));
        assert_eq!(reason, expected);
        if reason != Reason::Progressing {
            testing::assert_helps(reason, &message);
        }
    }
    for error in testing::app_errors() {
        let reason = reasons::of_app(&error);
        let end = ProvisionEnd::AppFailed { reason: reason.as_str().to_owned(), message: error.to_string() };
        let provisioned = &of_report(&report(end, 1), Reason::AwaitingApproval)[0];
        assert_eq!((provisioned.kind, provisioned.reason), (ConditionType::Provisioned, reason), "{error}");
        testing::assert_helps(reason, &provisioned.message);
    }
    for held in [Reason::AwaitingApproval, Reason::Rejected] {
        testing::assert_helps(held, &held_message(&report(ProvisionEnd::Done, 7), held).unwrap());
    }
}

fn outcome_of(error: &AppError) -> Option<Outcome> {
    let now = Timestamp::UNIX_EPOCH;
    let report = report(ProvisionEnd::AppFailed { reason: app_failure_reason(error).to_owned(), message: error.to_string() }, 0);
    app_failed(&report, now)
}

#[test]
fn c4_a_failed_app_is_told_by_its_own_reason() {
    let unavailable = CredentialError::Unavailable { secret: "chat".to_owned(), message: "the API server answered 500".to_owned() };
    let missing = CredentialError::SecretNotFound { secret: "chat".to_owned() };
    for (error, wanted, stalled) in [
        (AppError::Unauthorized, Reason::Unauthorized, true),
        (AppError::Forbidden, Reason::Forbidden, true),
        (AppError::NoAnswer("in time"), Reason::Unreachable, false),
        (AppError::Credentials(missing), Reason::SecretNotFound, false),
        (AppError::Credentials(unavailable), Reason::DependencyNotReady, false),
    ] {
        match outcome_of(&error) {
            Some(Outcome::Invalid { reason, .. }) => assert_eq!((reason, true), (wanted, stalled), "{error}"),
            Some(Outcome::Waiting { reason, .. }) => assert_eq!((reason, false), (wanted, stalled), "{error}"),
            other => panic!("{error}: {other:?}"),
        }
    }
}
