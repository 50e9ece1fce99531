//! RL-1, RL-2, promises E1, E2: one budget per host and credential.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use jiff::Timestamp;
use joinery::{
    clock::Clock,
    connector::{AddressPolicy, AppError, Connector, ConnectorConfig, Connectors, RateLimit},
    domain::id::AppId,
};
use serde_json::json;

use crate::{
    bench::{ManualClock, Token, config, connect, connectors, list_all},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

async fn app() -> ScriptedApp {
    ScriptedApp::with_users(1, Options::default()).await
}

fn limited(app: &ScriptedApp, requests_per_second: u32, burst: u32, concurrency: u32) -> ConnectorConfig {
    ConnectorConfig { rate_limit: RateLimit { requests_per_second, burst, concurrency }, ..config(&app.base_url()) }
}

async fn checks(connector: &Arc<dyn Connector>, count: usize) {
    for outcome in join_all((0..count).map(|_| connector.check())).await {
        outcome.unwrap();
    }
}

/// The most requests beyond `rate` × time that came in over any stretch of time: what a token bucket allows is its burst.
fn overdraft(app: &ScriptedApp, rate: f64) -> f64 {
    let times: Vec<Instant> = app.ledger().iter().map(|entry| entry.at).collect();
    let mut most = 0.0_f64;
    for (first, start) in times.iter().enumerate() {
        for (count, end) in times[first..].iter().enumerate() {
            let allowed = rate * end.duration_since(*start).as_secs_f64();
            most = most.max(f64::from(u32::try_from(count + 1).unwrap()) - allowed);
        }
    }
    most
}

#[tokio::test]
async fn e1_no_more_than_the_rate_and_the_burst_and_hardly_less() {
    let app = app().await;
    let connector = connectors().scim(limited(&app, 50, 5, 50), Token::new("scripted-token")).unwrap();
    let started = Instant::now();
    checks(&connector, 105).await;
    let took = started.elapsed().as_secs_f64();
    // Requests may bunch up on their way by some milliseconds.
    assert!(overdraft(&app, 50.0) <= 5.0 + 1.5, "{}", overdraft(&app, 50.0));
    assert!((1.99..2.5).contains(&took), "2 s is what 100 requests after the burst take: {took}");
}

#[tokio::test]
async fn rl1_connectors_with_one_host_and_credential_share_the_lowest_limits() {
    let app = app().await;
    let connectors = connectors();
    let fast = connectors.scim(limited(&app, 1000, 100, 8), Token::new("scripted-token")).unwrap();
    let slow = connectors.scim(limited(&app, 50, 1, 1), Token::new("scripted-token")).unwrap();
    slow.check().await.unwrap();
    let started = Instant::now();
    checks(&fast, 25).await;
    assert!(started.elapsed() >= Duration::from_millis(450), "{:?}", started.elapsed());

    drop(slow);
    let started = Instant::now();
    checks(&fast, 25).await;
    assert!(started.elapsed() < Duration::from_millis(400), "the limit leaves with who had it: {:?}", started.elapsed());
}

#[tokio::test]
async fn rl1_no_more_requests_are_under_way_than_allowed() {
    let app = app().await;
    app.inject(Fault::always(What::Delay(Duration::from_millis(100))));
    let connector = connectors().scim(limited(&app, 10_000, 10_000, 3), Token::new("scripted-token")).unwrap();
    let started = Instant::now();
    checks(&connector, 9).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    let starts: Vec<_> = app.ledger().iter().map(|entry| entry.at).collect();
    assert!(starts.windows(4).all(|four| four[3].duration_since(four[0]) >= Duration::from_millis(90)));
    assert_eq!(connector.concurrency(), 3);
}

#[tokio::test]
async fn rl2_a_short_pause_is_waited_and_the_request_sent_again_also_a_write() {
    for fault in [What::retry_after(429, "1"), What::retry_after(503, "1")] {
        let app = app().await;
        app.inject(Fault::on("POST", "/Users", fault).times(1));
        let started = Instant::now();
        assert!(connect(&app).create(&json!({"userName": "ada"})).await.unwrap().is_some());
        assert!((1.0..3.0).contains(&started.elapsed().as_secs_f64()), "{:?}", started.elapsed());
        assert_eq!(app.effects().len(), 1);
    }
}

#[tokio::test]
async fn rl2_after_four_refusals_in_a_row_the_caller_decides() {
    let app = app().await;
    app.inject(Fault::always(What::retry_after(429, "1")));
    let before = Timestamp::now_here();
    let Err(AppError::RateLimited { retry_at }) = connect(&app).check().await else { panic!("not limited") };
    assert_eq!(app.ledger().len(), 4);
    assert!(retry_at > before);
}

trait NowHere {
    fn now_here() -> Timestamp;
}

impl NowHere for Timestamp {
    fn now_here() -> Timestamp {
        joinery::clock::SystemClock.now()
    }
}

#[tokio::test]
async fn rl2_503_without_retry_after_is_a_failure_and_no_pause() {
    let app = app().await;
    app.inject(Fault::always(What::status(503)).times(1));
    let connector = connect(&app);
    assert_eq!(connector.check().await, Err(AppError::ServerFailed(503)));
    assert_eq!(connector.check().await, Ok(()));
}

/// The table of acceptance test 47, by the time until which the app is left alone.
#[tokio::test]
async fn rl2_a_long_pause_is_told_to_the_caller_at_once() {
    for (value, date, seconds) in [
        (Some("60"), None, 60..=66),
        (Some("1000000000"), None, 3600..=3960),
        (Some("Wed, 01 Jul 2026 12:02:00 GMT"), Some("Wed, 01 Jul 2026 12:01:00 GMT"), 60..=66),
        (Some("Wednesday, 01-Jul-26 12:02:00 GMT"), Some("Wed, 01 Jul 2026 12:01:00 GMT"), 60..=66),
        (Some("Wed Jul  1 12:02:00 2026"), Some("Wed, 01 Jul 2026 12:01:00 GMT"), 60..=66),
    ] {
        let app = app().await;
        let clock = ManualClock::new();
        let connectors = Connectors::new(AddressPolicy::default(), clock.clone());
        let connector = connectors.scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
        let mut headers: Vec<_> = value.map(|value| ("retry-after", value.to_owned())).into_iter().collect();
        headers.extend(date.map(|date: &str| ("date", date.to_owned())));
        app.inject(Fault::always(What::Reply { status: 429, headers, body: String::new() }));
        let Err(AppError::RateLimited { retry_at }) = connector.check().await else { panic!("not limited") };
        let pause = retry_at.duration_since(clock.now()).as_secs();
        assert!(seconds.contains(&pause), "{value:?}: {pause}");
        assert_eq!(app.ledger().len(), 1, "{value:?}");
    }
}

#[tokio::test]
async fn rl2_a_closed_bucket_is_closed_for_all_of_its_host_and_credential_and_no_others() {
    let (app, other_app) = (app().await, app().await);
    let clock = ManualClock::new();
    let connectors = Connectors::new(AddressPolicy::default(), clock.clone());
    let make = |app: &ScriptedApp, token: &str| connectors.scim(config(&app.base_url()), Token::new(token)).unwrap();
    let (first, second) = (make(&app, "scripted-token"), make(&app, "scripted-token"));
    second.check().await.unwrap();
    app.inject(Fault::always(What::retry_after(429, "600")).times(1));
    assert!(matches!(first.check().await, Err(AppError::RateLimited { .. })));
    app.clear_ledger();
    let late = make(&app, "scripted-token");
    for connector in [&first, &second, &late] {
        assert!(matches!(connector.check().await, Err(AppError::RateLimited { .. })));
    }
    assert!(app.ledger().is_empty(), "nobody asks while it is closed");

    assert_eq!(make(&app, "another").check().await, Err(AppError::Unauthorized), "another credential has its own");
    assert_eq!(make(&other_app, "scripted-token").check().await, Ok(()), "E2: another host has its own");

    // Leaving and coming back does not open it.
    drop((first, second, late));
    let back = make(&app, "scripted-token");
    assert!(matches!(back.check().await, Err(AppError::RateLimited { .. })));
    clock.advance(661);
    assert_eq!(back.check().await, Ok(()));
}

#[tokio::test]
async fn rl2_one_request_probes_before_the_others_follow() {
    let app = app().await;
    let clock = ManualClock::new();
    let connectors = Connectors::new(AddressPolicy::default(), clock.clone());
    let connector = connectors.scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
    app.inject(Fault::always(What::retry_after(429, "600")).times(2));
    assert!(connector.check().await.is_err());
    app.clear_ledger();
    clock.advance(661);
    let outcomes = join_all((0..8).map(|_| connector.check())).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(AppError::RateLimited { .. }))));
    assert_eq!(app.ledger().len(), 1, "the probe was refused, so nobody else asked");

    clock.advance(661);
    app.inject(Fault::always(What::Delay(Duration::from_millis(200))).times(1));
    let outcomes = join_all((0..8).map(|_| connector.check())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let times: Vec<_> = app.ledger().iter().skip(1).map(|entry| entry.at).collect();
    assert!(times[1].duration_since(times[0]) >= Duration::from_millis(190), "the others waited for the probe");
}

#[tokio::test]
async fn rl2_a_probe_that_fails_otherwise_leaves_room_for_the_next() {
    let app = app().await;
    let clock = ManualClock::new();
    let connectors = Connectors::new(AddressPolicy::default(), clock.clone());
    let connector = connectors.scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
    app.inject(Fault::always(What::retry_after(429, "600")).nth(1));
    app.inject(Fault::always(What::Drop).nth(2));
    assert!(connector.check().await.is_err());
    clock.advance(661);
    assert!(matches!(connector.check().await, Err(AppError::NoAnswer(_))));
    assert_eq!(connector.check().await, Ok(()));
}

#[tokio::test]
async fn e2_pauses_lose_nobody() {
    let app = ScriptedApp::with_users(60, Options::default()).await;
    for nth in [3, 4, 17, 30] {
        app.inject(Fault::always(What::retry_after(429, "1")).nth(nth));
    }
    let connector = connect(&app);
    let ids: Vec<_> = app.users().into_keys().map(AppId::new).collect();
    let outcomes = join_all(ids.iter().map(|id| connector.set_active(id, false))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(app.effects().len(), 60);
    assert!(app.users().values().all(|user| user["active"] == false));
    assert_eq!(list_all(&*connector).await.unwrap().len(), 60);
}
