//! What an edit does to what is under way, and what a newer run does to those that still wait.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    scim::Scim,
    scripted_app::{Fault, Options, ScriptedApp, What},
    support,
    world::{World, everybody, seen},
};

const PEOPLE: usize = 120;

fn posts(app: &ScriptedApp) -> usize {
    app.ledger().iter().filter(|entry| entry.method == "POST").count()
}

/// A target that takes its time, with everybody about to get an account.
async fn slow_target(world: &World) -> ScriptedApp {
    let hr = ScriptedApp::with_users(PEOPLE, Options::default()).await;
    let chat = ScriptedApp::start(Options::default()).await;
    world.secret("apps", json!({"token": "scripted-token"}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url(), "apps").await;
    world.import("hr", "first").await;
    chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(800))));
    let spec = json!({
        "connector": {"scim": {"baseURL": chat.base_url()}}, "mode": "Enforce",
        "authentication": {"bearerToken": {"secretRef": {"name": "apps", "key": "token"}}},
        "rateLimit": {"requestsPerSecond": 25, "burst": 25, "concurrency": 2},
    });
    world.apply("AppIntegration", "chat", spec).await;
    world.apply("AttributeMapping", "chat", json!({"integrationRef": {"name": "chat"}, "preset": "SCIMCore"})).await;
    world.apply("ProvisioningPolicy", "chat", everybody("chat")).await;
    support::eventually("accounts are created", async || (posts(&chat) >= 3).then_some(()).ok_or("none yet".to_owned())).await;
    chat
}

#[tokio::test]
async fn a12_an_edited_policy_stops_the_pass_that_is_under_way() {
    let world = World::new("edits").await;
    let chat = slow_target(&world).await;
    let mut policy = everybody("chat");
    policy["toApp"]["createUsers"] = false.into();
    world.apply("ProvisioningPolicy", "chat", policy).await;
    let object = world.until("ProvisioningPolicy", "chat", "Ready", "True", "*").await;
    let created = posts(&chat);
    assert!(created < PEOPLE, "the pass went on to its end by what was not said any more: {object:#}");
    world.merge("ProvisioningPolicy", "chat", json!({"metadata": {"annotations": {"joinery.dev/requested-at": "now"}}})).await;
    support::eventually("another pass was made", async || {
        let object = world.get("ProvisioningPolicy", "chat").await;
        (object["status"]["lastHandledRequest"] == "now").then_some(()).ok_or(object["status"].to_string())
    })
    .await;
    assert_eq!(posts(&chat), created, "createUsers is off");

    chat.clear_faults();
    world.apply("ProvisioningPolicy", "chat", everybody("chat")).await;
    support::eventually("everybody has an account", async || {
        let users = chat.users().len();
        (users == PEOPLE).then_some(()).ok_or(format!("{users} accounts"))
    })
    .await;
    assert_eq!(posts(&chat), PEOPLE, "nobody twice");
}

#[tokio::test]
async fn h1_an_edited_connection_stops_the_pass_that_is_under_way() {
    let world = World::new("moved").await;
    let chat = slow_target(&world).await;
    world.merge("AppIntegration", "chat", json!({"spec": {"tls": {"caSecretRef": {"name": "missing", "key": "ca.crt"}}}})).await;
    world.until("AppIntegration", "chat", "Ready", "False", "SecretNotFound").await;
    // What had left before is answered within a second.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let created = posts(&chat);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(posts(&chat), created, "nothing is sent over a connection that is not the spec's any more");
    assert!(created < PEOPLE);
}

async fn runs(world: &World) -> Vec<Value> {
    world.list("ImportRun").await
}

fn counted(runs: &[Value], reason: &str) -> usize {
    runs.iter().filter(|run| seen(run, "Succeeded").reason == reason).count()
}

#[tokio::test]
async fn td3_runs_that_wait_are_replaced_and_do_not_pile_up() {
    let world = World::new("replace").await;
    let app = Scim::with_users("token", 2).await;
    // Without its Secret the app is not ready.
    world.integration("hr", &app.base_url, "hr", "Enforce").await;
    let of = json!({"name": "hr"});
    let policy =
        json!({"integrationRef": of, "toDirectory": {"usernameFormat": "app.userName", "confirmation": {"newUsers": "Automatic"}}});
    world.apply("ProvisioningPolicy", "hr", policy).await;
    let schedule = json!({
        "integrationRef": of, "full": {"schedule": crate::world::NEVER}, "concurrencyPolicy": "Replace", "failedRunsHistoryLimit": 20,
    });
    world.apply("ImportSchedule", "hr", schedule).await;
    let owner = world.get("ImportSchedule", "hr").await;
    for number in 0..3 {
        let run = json!({
            "apiVersion": "joinery.dev/v1alpha1", "kind": "ImportRun",
            "metadata": {
                "name": format!("hr-full-{}", 1000 + number), "labels": {"joinery.dev/schedule": "hr"},
                "ownerReferences": [{
                    "apiVersion": "joinery.dev/v1alpha1", "kind": "ImportSchedule", "name": "hr", "uid": owner["metadata"]["uid"],
                    "controller": true,
                }],
            },
            "spec": {"integrationRef": of, "type": "Full"},
        });
        let run = serde_json::from_value(run).unwrap();
        world.api("ImportRun").create(&kube::api::PostParams::default(), &run).await.unwrap();
    }
    support::eventually("the newest waits and the others have made room", async || {
        let runs = runs(&world).await;
        let waiting: Vec<_> = runs.iter().filter(|run| seen(run, "Succeeded").reason == "Pending").collect();
        let newest = waiting.len() == 1 && waiting[0]["metadata"]["name"] == "hr-full-1002";
        (newest && counted(&runs, "Superseded") == 2)
            .then_some(())
            .ok_or(json!(runs.iter().map(|run| &run["status"]).collect::<Vec<_>>()).to_string())
    })
    .await;

    world.secret("hr", json!({"token": "token"}), Some("127.0.0.1")).await;
    support::eventually("the newest imports", async || {
        let runs = runs(&world).await;
        (counted(&runs, "Applied") == 1).then_some(()).ok_or(json!(runs.iter().map(|run| &run["status"]).collect::<Vec<_>>()).to_string())
    })
    .await;
    assert_eq!(counted(&runs(&world).await, "Superseded"), 2);
    let integration = format!("namespace=\"{}\",integration=\"hr\"", world.namespace);
    support::eventually("metrics tell of it", async || {
        let text = world.operator.metrics().await;
        let of_app = ["joinery_app_requests_total", "joinery_import_runs_total", "joinery_last_success_timestamp_seconds"];
        let wanted = of_app.map(|family| format!("{family}{{{integration}"));
        let wanted =
            wanted.iter().map(String::as_str).chain(["joinery_objects{kind=\"ImportRun\",ready=\"True\"}", "joinery_intents_open "]);
        let missing: Vec<&str> = wanted.filter(|series| !text.contains(series)).collect();
        missing.is_empty().then_some(()).ok_or(missing.join(", "))
    })
    .await;
    world.delete("AppIntegration", "hr").await;
    world.delete("ImportSchedule", "hr").await;
    support::eventually("the series are gone with their objects", async || {
        let text = world.operator.metrics().await;
        let left: Vec<&str> = text.lines().filter(|line| line.contains(&integration)).collect();
        left.is_empty().then_some(()).ok_or(left.join("\n"))
    })
    .await;
}
