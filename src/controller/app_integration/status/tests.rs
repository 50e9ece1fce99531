use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::{
    controller::{backoff::jittered, context::Checked, testing},
    domain::hash::ShortHash,
    engine::check::CheckReport,
};

fn integration() -> AppIntegration {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "joinery.dev/v1alpha1", "kind": "AppIntegration", "metadata": {"name": "chat", "namespace": "acme"},
        "spec": {
            "connector": {"scim": {"baseURL": format!("https://chat.example.com/{}", "x".repeat(2000))}},
            "authentication": {"bearerToken": {"secretRef": {"name": "chat", "key": "token"}}},
        },
    }))
    .unwrap()
}

fn found() -> Found {
    Found {
        ca: None,
        accounts: AccountCounts { linked: u64::MAX, pending: u64::MAX, failed: u64::MAX },
        store: crate::controller::replaced::Seen::known(),
    }
}

fn check(result: Result<Capabilities, AppError>, at: Timestamp, failures: u32) -> Check {
    let checked = Checked { report: CheckReport { result }, settings: ShortHash::of(b"settings"), at, failures, request: None };
    Check { last: Some(Arc::new(checked)), request: Some("ü".repeat(256)) }
}

#[test]
fn c4_every_failed_check_is_said_with_its_reason_and_what_to_do() {
    for error in testing::app_errors() {
        let visit = run(&integration(), &found(), &check(Err(error.clone()), testing::now(), 1), testing::now());
        let (reason, message) = testing::ready(&testing::written::<AppIntegration>(visit));
        assert_eq!(reason, reasons::of_app(&error));
        testing::assert_helps(reason, &message);
    }
    for reason in [Reason::InvalidSpec, Reason::SecretNotFound, Reason::SecretKeyMissing] {
        let refusal = Refusal { reason, message: "spec.tls.caSecretRef: Secret `x` does not exist. Create the Secret.".to_owned() };
        let (said, message) = testing::ready(&testing::written::<AppIntegration>(invalid(&integration(), &found(), refusal)));
        assert_eq!(said, reason);
        testing::assert_helps(said, &message);
    }
}

#[test]
fn d3_an_app_that_says_much_is_a_small_status() {
    let capabilities = Capabilities {
        resource_types: (0..100_000).map(|number| format!("Type{number}")).chain(["T".repeat(1 << 20)]).collect(),
        schema_digest: Some(format!("sha256:{}", "0".repeat(64))),
        ..Capabilities::default()
    };
    let visit = run(&integration(), &found(), &check(Ok(capabilities), testing::now(), 0), testing::now());
    testing::written::<AppIntegration>(visit);
    let refusal = Refusal { reason: Reason::InvalidSpec, message: "ü".repeat(1 << 20) };
    testing::written::<AppIntegration>(invalid(&integration(), &found(), refusal));
}

/// The longest time between two attempts, with the jitter of the pause that an app asks for (RL-2) and of a visit.
const LONGEST: i64 = 3600 + 360 + 66;

/// Simulates visits and checks while the app fails in one way until `outage` is over. Returns when it was found to be well.
fn recovered(error: &AppError, outage: i64) -> i64 {
    let start = testing::now();
    let second = |moment: Timestamp| moment.duration_since(start).as_secs();
    let (mut now, mut failures) = (start, 1);
    let fails = |at: Timestamp| match error {
        AppError::RateLimited { .. } => AppError::RateLimited { retry_at: at + SignedDuration::from_secs(3600) },
        error => error.clone(),
    };
    let mut last = check(Err(fails(now)), now, failures);
    loop {
        let visit = run(&integration(), &found(), &last, now);
        let next = visit.status.next_attempt_time.as_ref().expect("the next attempt is shown").0;
        let attempted = last.last.as_ref().unwrap().at;
        assert!((1..=3600).contains(&next.duration_since(attempted).as_secs()), "{error}: {} s", next.duration_since(attempted));
        // Visits before the attempt is due find nothing new, so that all but the last are left out.
        let pause = SignedDuration::try_from(jittered(visit.outcome.next_visit(), "chat")).unwrap();
        let before = next.duration_since(now).as_secs() / pause.as_secs().max(1);
        now += pause * i32::try_from(before.max(1)).unwrap();
        assert!(now.duration_since(attempted).as_secs() <= LONGEST, "{error}: no attempt for {}", now.duration_since(attempted));
        if now >= next {
            if second(now) >= outage {
                return second(now);
            }
            failures += 1;
            last = check(Err(fails(now)), now, failures);
        }
    }
}

#[test]
fn c2_after_an_outage_of_any_length_the_app_is_asked_again_within_an_hour() {
    for minutes in [1, 10, 60, 24 * 60, 40 * 24 * 60] {
        for error in testing::app_errors() {
            let late = recovered(&error, minutes * 60) - minutes * 60;
            assert!(late <= LONGEST, "{error}: {minutes} minutes of outage, {late} s until somebody looked");
        }
    }
}

/// When the latest of many objects is visited again after a check with this result.
fn latest_visit(result: Result<Capabilities, AppError>) -> Duration {
    let next = run(&integration(), &found(), &check(result, Timestamp::UNIX_EPOCH, 100), Timestamp::UNIX_EPOCH).outcome.next_visit();
    (0..10_000).map(|number| jittered(next, &format!("uid-{number}"))).max().unwrap()
}

#[test]
fn h7_a_secret_is_read_again_within_a_minute_while_failing_and_five_otherwise() {
    let missing = CredentialError::SecretNotFound { secret: "chat".into() };
    for error in
        [missing.into(), AppError::Unauthorized, AppError::Forbidden, AppError::Unreachable("refused"), AppError::ServerFailed(500)]
    {
        let why = error.to_string();
        assert!(latest_visit(Err(error)) <= Duration::from_secs(60), "{why}");
    }
    assert!(latest_visit(Ok(Capabilities::default())) <= Duration::from_secs(300));
}
