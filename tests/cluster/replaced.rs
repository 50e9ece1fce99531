//! J6: the operator comes back with an older copy of its store, and with none. It holds, says so, and finds everybody again.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    plane::Plane,
    scim::{Scim, person},
    support,
    world::{Space, seen},
};

const PEOPLE: usize = 20;
/// How long nothing may happen while all is held.
const REST: Duration = Duration::from_secs(5);

/// Waits until so many accounts are linked, and the status speaks of the store.
async fn linked(world: &Space, integration: &str, accounts: usize) {
    support::eventually(&format!("{accounts} accounts of {integration} are linked"), async || {
        let status = world.get("AppIntegration", integration).await["status"].clone();
        let held = status["store"]["replacement"].is_string();
        (status["accounts"]["linked"] == accounts && !held).then_some(()).ok_or(status.to_string())
    })
    .await;
}

/// Row 3 of the table, on every object that it speaks of.
async fn assert_all_are_held(world: &Space) {
    for (kind, name, reason) in [
        ("AppIntegration", "hr", "AwaitingApproval"),
        ("AppIntegration", "chat", "AwaitingApproval"),
        ("ProvisioningPolicy", "hr", "AwaitingApproval"),
        ("ProvisioningPolicy", "chat", "AwaitingApproval"),
        ("ImportSchedule", "hr", "RunHeld"),
    ] {
        let object = world.until(kind, name, "SafeguardTripped", "True", "StoreReplaced").await;
        for (condition, status) in [("Ready", "False"), ("Stalled", "True")] {
            let said = seen(&object, condition);
            assert_eq!((said.status.as_str(), said.reason.as_str()), (status, reason), "{kind} {name}: {condition}");
            assert!(said.message.contains("joinery.dev/take-up-store="), "{kind} {name}: {}", said.message);
        }
        assert_eq!(seen(&object, "Reconciling").status, "", "{kind} {name}");
    }
}

/// Asks for an import and waits until it is held; gives its name.
async fn held_import(world: &Space, text: &str) -> String {
    world.merge("ImportSchedule", "hr", json!({"metadata": {"annotations": {"joinery.dev/requested-at": text}}})).await;
    let name = support::eventually("the run is there", async || {
        let runs = world.list("ImportRun").await;
        let asked = runs.iter().find(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text);
        asked.map(|run| run["metadata"]["name"].as_str().unwrap_or_default().to_owned()).ok_or(format!("{} others", runs.len()))
    })
    .await;
    let run = world.until("ImportRun", &name, "SafeguardTripped", "True", "StoreReplaced").await;
    for condition in ["Ready", "Succeeded", "AwaitingApproval"] {
        assert_eq!(seen(&run, condition).reason, "AwaitingApproval", "{condition}: {run:#}");
    }
    assert_eq!((&run["status"]["state"], seen(&run, "Ready").status.as_str()), (&json!("Held"), "Unknown"), "{run:#}");
    name
}

/// Takes the store up for one integration, as its status says.
async fn take_up(world: &Space, integration: &str) {
    let token = world.get("AppIntegration", integration).await["status"]["store"]["replacement"].clone();
    assert!(token.is_string(), "{integration} names the replacement");
    annotate(world, integration, token).await;
    world.until("AppIntegration", integration, "Ready", "True", "*").await;
}

async fn annotate(world: &Space, integration: &str, text: Value) {
    world.merge("AppIntegration", integration, json!({"metadata": {"annotations": {"joinery.dev/take-up-store": text}}})).await;
}

/// Name and status of every run that is over.
async fn ended_runs(world: &Space) -> Vec<(String, Value)> {
    let runs = world.list("ImportRun").await.into_iter().filter(|run| run["status"]["completionTime"].is_string());
    runs.map(|run| (run["metadata"]["name"].to_string(), run["status"].clone())).collect()
}

async fn assert_nothing_happens(chat: &Scim, accounts: &[Value]) {
    tokio::time::sleep(REST).await;
    assert_eq!(chat.users().await, accounts, "nothing is written, versions and times included");
}

#[tokio::test]
async fn j6_an_older_store_and_an_empty_one_are_held_until_they_are_taken_up() {
    let plane = Plane::new().await;
    plane.install();
    let world = plane.space("replaced").await;
    let people: Vec<Value> = (0..PEOPLE).map(|number| person(&format!("person.{number:03}@corp.example"), "Kim", "Okafor")).collect();
    let (hr, chat) = (Scim::with_seed("hr", 0, &people).await, Scim::with_users("chat", 0).await);
    for (name, token) in [("hr", "hr"), ("chat", "chat")] {
        world.secret(name, json!({"token": token}), Some("127.0.0.1")).await;
    }
    let operator = plane.operator().await;
    world.source("hr", &hr.base_url, "hr").await;
    world.target("chat", &chat.base_url, "chat", "Enforce").await;
    world.import("hr", "first").await;
    for integration in ["hr", "chat"] {
        linked(&world, integration, PEOPLE).await;
    }
    drop(operator);
    let backup = plane.store().with_extension("backup");
    fs::copy(plane.store(), &backup).unwrap();

    let operator = plane.operator().await;
    hr.add(&person("later@corp.example", "Lee", "Later")).await;
    world.import("hr", "second").await;
    for integration in ["hr", "chat"] {
        linked(&world, integration, PEOPLE + 1).await;
    }
    drop(operator);
    let accounts = chat.users().await;
    let ended = ended_runs(&world).await;
    assert_eq!((accounts.len(), ended.len()), (PEOPLE + 1, 2));

    let accounts = older(&plane, &world, (&hr, &chat), &backup, &accounts).await;
    let still = ended_runs(&world).await;
    assert!(ended.iter().all(|run| still.contains(run)), "runs that were over stay what they were: {still:#?}");
    empty(&plane, &world, &chat, &accounts).await;
}

/// Gives the accounts as they are after it.
async fn older(plane: &Plane, world: &Space, (hr, chat): (&Scim, &Scim), backup: &Path, accounts: &[Value]) -> Vec<Value> {
    fs::copy(backup, plane.store()).unwrap();
    let operator = plane.operator().await;
    assert_all_are_held(world).await;
    // Somebody who is new in truth: whose account would be created, were the target not held.
    hr.add(&person("newest@corp.example", "Nia", "Newest")).await;
    let run = held_import(world, "third").await;
    assert_nothing_happens(chat, accounts).await;
    take_up(world, "hr").await;
    world.until("ImportRun", &run, "Succeeded", "True", "Applied").await;
    planned(world, 1, 1).await;
    assert_nothing_happens(chat, accounts).await;
    assert_eq!(world.get("AppIntegration", "chat").await["status"]["accounts"]["linked"], PEOPLE, "nor is anything linked");
    take_up(world, "chat").await;
    for integration in ["hr", "chat"] {
        linked(world, integration, PEOPLE + 2).await;
        world.until("ProvisioningPolicy", integration, "Ready", "True", "Succeeded").await;
    }
    let after = chat.users().await;
    let others: Vec<Value> = after.iter().filter(|account| account["userName"] != "newest@corp.example").cloned().collect();
    assert_eq!((others.as_slice(), after.len()), (accounts, PEOPLE + 2), "one is created, and no other is touched");
    drop(operator);
    after
}

/// Waits for the plan of the target, which is held.
async fn planned(world: &Space, adopt: usize, create: usize) {
    let policy = support::eventually(&format!("the target's plan finds {adopt} again and lacks {create}"), async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        let plan = &policy["status"]["plan"];
        let fits = plan["adopt"] == adopt && plan["create"] == create && plan["deactivate"] == 0;
        fits.then_some(policy.clone()).ok_or(plan.to_string())
    })
    .await;
    assert_eq!(seen(&policy, "SafeguardTripped").reason, "StoreReplaced", "{policy:#}");
    assert_eq!(policy["status"]["applied"]["adopt"], 0, "{policy:#}");
}

async fn empty(plane: &Plane, world: &Space, chat: &Scim, accounts: &[Value]) {
    fs::remove_file(plane.store()).unwrap();
    // The annotations are still those of the older store.
    let operator = plane.operator().await;
    assert_all_are_held(world).await;
    annotate(world, "chat", json!("yes")).await;
    let run = held_import(world, "fourth").await;
    assert_nothing_happens(chat, accounts).await;
    assert_all_are_held(world).await;
    take_up(world, "hr").await;
    world.until("ImportRun", &run, "Succeeded", "True", "Applied").await;
    planned(world, PEOPLE + 2, 0).await;
    assert_eq!(world.get("AppIntegration", "chat").await["status"]["accounts"]["linked"], 0, "nor is anything linked");
    take_up(world, "chat").await;
    linked(world, "chat", PEOPLE + 2).await;
    let policy = world.until("ProvisioningPolicy", "chat", "Ready", "True", "Succeeded").await;
    assert_eq!((&policy["status"]["applied"]["adopt"], &policy["status"]["applied"]["create"]), (&json!(PEOPLE + 2), &json!(0)));
    assert_nothing_happens(chat, accounts).await;
    drop(operator);
}
