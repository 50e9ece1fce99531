//! From the source to the target, as the samples describe it, and what `Plan` changes about it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    scim::{Scim, person},
    support,
    world::{KINDS, World, seen},
};

/// How long nothing may change at rest.
const REST: Duration = Duration::from_secs(10);

/// Kind and name → resourceVersion of everything of ours, but runs and schedules.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for kind in KINDS.into_iter().filter(|kind| !matches!(*kind, "ImportRun" | "ImportSchedule")) {
        for object in world.list(kind).await {
            let metadata = &object["metadata"];
            versions.insert(format!("{kind}/{}", metadata["name"]), metadata["resourceVersion"].to_string());
        }
    }
    versions
}

#[tokio::test]
async fn the_sample_applies_unchanged_and_the_main_job_runs() {
    let people: Vec<Value> = (0..30).map(|number| person(&format!("person.{number:03}@corp.example"), "Kim", "Okafor")).collect();
    let local = [person("person.000@corp.example", "Old", "Name"), person("local.000@corp.example", "Lo", "Cal")];
    let hr = Scim::with_seed("hr-demo-token", 18081, &people).await;
    let chat = Scim::with_seed("chat-demo-token", 18082, &local).await;
    let world = World::named("acme").await;
    for (file, _) in crate::samples::files() {
        support::apply_file(&world.client, &file).await;
    }
    for kind in KINDS {
        for object in world.list(kind).await {
            world.until(kind, object["metadata"]["name"].as_str().unwrap(), "Ready", "True", "*").await;
        }
    }

    world.import("hr", "first").await;
    let mut expected = hr.names().await;
    expected.push("local.000@corp.example".to_owned());
    expected.sort();
    support::eventually("everybody has an account", async || {
        let names = chat.names().await;
        (names == expected).then_some(()).ok_or(format!("{} accounts", names.len()))
    })
    .await;
    let policy = support::eventually("the policy says so", async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        let applied = &policy["status"]["applied"];
        (applied["create"] == 29 && applied["adopt"] == 1).then_some(policy.clone()).ok_or(policy["status"].to_string())
    })
    .await;
    assert_eq!(seen(&policy, "Ready").status, "True", "{policy:#}");
    support::eventually("an account that was there has the directory's name", async || {
        let users = chat.users().await;
        let adopted = users.iter().find(|user| user["userName"] == "person.000@corp.example").cloned().unwrap_or_default();
        (adopted["name"]["familyName"] == "Okafor").then_some(()).ok_or(adopted.to_string())
    })
    .await;

    // The first import after a change may still have something to tell.
    world.import("hr", "second").await;
    tokio::time::sleep(REST).await;
    let (users, objects) = (chat.users().await, versions(&world).await);
    for text in ["third", "fourth"] {
        world.import("hr", text).await;
    }
    tokio::time::sleep(REST).await;
    assert_eq!(chat.users().await, users, "D1: nothing is written to the target, its versions and times included");
    assert_eq!(versions(&world).await, objects, "D1: nothing is written to objects about which there is nothing new");
    crate::operator::Operator::assert_nothing_was_forbidden();
}

#[tokio::test]
async fn plan_mode_writes_nothing_and_shows_what_enforce_applies() {
    const PEOPLE: usize = 12;
    let world = World::new("plan").await;
    let hr = Scim::with_users("hr", PEOPLE).await;
    let chat = Scim::with_users("chat", 0).await;
    world.secret("hr", json!({"token": "hr"}), Some("127.0.0.1")).await;
    world.secret("chat", json!({"token": "chat"}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url, "hr").await;
    world.target("chat", &chat.base_url, "chat", "Plan").await;
    world.import("hr", "now").await;

    let policy = support::eventually("the plan is shown", async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        (policy["status"]["plan"]["create"] == PEOPLE).then_some(policy.clone()).ok_or(policy["status"].to_string())
    })
    .await;
    assert_eq!(seen(&policy, "Ready").reason, "PlanOnly", "{policy:#}");
    assert_eq!(chat.names().await, Vec::<String>::new(), "nothing is created in Plan mode");

    world.merge("AppIntegration", "chat", json!({"spec": {"mode": "Enforce"}})).await;
    support::eventually("the plan is applied", async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        (policy["status"]["applied"]["create"] == PEOPLE).then_some(()).ok_or(policy["status"].to_string())
    })
    .await;
    assert_eq!(chat.names().await, hr.names().await);
}
