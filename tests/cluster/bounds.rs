//! However many objects want to be looked at, few are looked at at once (D7).

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::{
    audit, long,
    operator::{Operator, USER},
    support,
    world::{World, seen},
};

/// Reconciles at once, of all kinds together.
const AT_ONCE: usize = 16;

/// The most requests that were under way at the same moment.
fn most_at_once(requests: &[Value]) -> usize {
    let time = |request: &Value, field: &str| request[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut moments: Vec<(Timestamp, bool)> = Vec::new();
    for request in requests {
        moments.push((time(request, "requestReceivedTimestamp"), true));
        moments.push((time(request, "stageTimestamp"), false));
    }
    // At the same moment the one ends before the other begins.
    moments.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, begins) in moments {
        now = if begins { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    most
}

/// One status is written per reconcile, and nothing else writes statuses: so many at once were being written, so many
/// reconciles at least ran at once.
#[tokio::test]
async fn d7_reconciles_are_bounded() {
    let each = long::scaled(63, 1250);
    let world = World::new("herd").await;
    let from = audit::end();
    let names = |prefix: &'static str| (0..each).map(move |number| format!("{prefix}-{number:04}"));
    let of = json!({"name": "missing"});
    let objects: Vec<(&str, String, Value)> = names("run")
        .map(|name| ("ImportRun", name, json!({"integrationRef": of, "type": "Full"})))
        .chain(names("app").map(|name| ("AppIntegration", name, integration())))
        .chain(names("map").map(|name| ("AttributeMapping", name.clone(), json!({"integrationRef": {"name": name}}))))
        .chain(names("plan").map(|name| ("ImportSchedule", name, json!({"integrationRef": of, "full": {"schedule": "0 0 29 2 *"}}))))
        .collect();
    let total = objects.len();
    stream::iter(objects)
        .for_each_concurrent(64, |(kind, name, spec)| {
            let world = &world;
            async move { world.apply(kind, &name, spec).await }
        })
        .await;
    for kind in ["ImportRun", "AppIntegration", "AttributeMapping", "ImportSchedule"] {
        told(&world, kind, each, "*").await;
    }
    // All runs are told at once that what they wait for is there in part, and then that it is gone again.
    world.apply("AppIntegration", "missing", integration()).await;
    told(&world, "ImportRun", each, "IntegrationNotReady").await;
    told(&world, "ImportSchedule", each, "Succeeded").await;
    world.api("AppIntegration").delete("missing", &DeleteParams::default()).await.unwrap();
    told(&world, "ImportRun", each, "DependencyNotReady").await;
    told(&world, "ImportSchedule", each, "DependencyNotReady").await;

    let mut reconciles = audit::of(USER, from);
    reconciles.retain(|request| request["objectRef"]["subresource"] == "status");
    assert!(reconciles.len() >= total, "{} statuses written for {total} objects", reconciles.len());
    let most = most_at_once(&reconciles);
    println!("{most} at once among {} for {total} objects", reconciles.len());
    assert!(most <= AT_ONCE, "{most} statuses were being written at once");
    Operator::assert_nothing_was_forbidden();
}

/// An integration that waits for its Secret: no app is asked.
fn integration() -> Value {
    json!({
        "connector": {"scim": {"baseURL": "http://127.0.0.1:9/v2"}},
        "authentication": {"bearerToken": {"secretRef": {"name": "missing", "key": "token"}}},
    })
}

/// Waits until so many objects of a kind give this reason.
async fn told(world: &World, kind: &str, many: usize, reason: &str) {
    support::eventually(&format!("{kind}: {reason}"), async || {
        let objects = world.list(kind).await;
        let told = objects.iter().map(|object| seen(object, "Ready").reason);
        let told = told.filter(|told| told == reason || reason == "*" && !told.is_empty() && told != "Pending").count();
        (told >= many).then_some(()).ok_or(format!("{told} of {many}"))
    })
    .await;
}
