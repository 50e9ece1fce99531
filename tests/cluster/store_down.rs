//! C8: the store does not work. Objects say so, the process stays, no app is written to, and all goes on by itself.

use std::{fs, time::Duration};

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    plane::Plane,
    scim::{Scim, person},
    support::{
        self,
        operator_process::{self, OperatorProcess},
    },
    world::{Space, seen},
};

/// Objects whose state depends on the store.
const OBJECTS: [(&str, &str); 5] = [
    ("AppIntegration", "hr"),
    ("AppIntegration", "chat"),
    ("ProvisioningPolicy", "hr"),
    ("ProvisioningPolicy", "chat"),
    ("ImportSchedule", "hr"),
];

async fn apps(world: &Space) -> (Scim, Scim) {
    for name in ["hr", "chat"] {
        world.secret(name, json!({"token": name}), Some("127.0.0.1")).await;
    }
    (Scim::with_seed("hr", 0, &[person("first@corp.example", "Fay", "First")]).await, Scim::with_users("chat", 0).await)
}

async fn assert_all_say_so(world: &Space) {
    for (kind, name) in OBJECTS {
        let object = world.until(kind, name, "Ready", "False", "StoreUnavailable").await;
        assert_eq!(seen(&object, "Reconciling").reason, "StoreUnavailable", "{kind} {name}");
        assert_eq!(seen(&object, "Stalled").status, "", "{kind} {name}: nobody has to edit anything");
    }
}

async fn ready(operator: &OperatorProcess, status: u16) {
    let address = operator.serving().await;
    support::eventually(&format!("/readyz answers {status}"), async || {
        let seen = operator_process::get(&address, "/readyz").await.map(|(status, _)| status);
        (seen == Some(status)).then_some(()).ok_or(format!("{seen:?}"))
    })
    .await;
}

#[tokio::test]
async fn c8_a_locked_store_is_said_on_every_object_and_goes_on_by_itself() {
    let plane = Plane::new().await;
    plane.install();
    let world = plane.space("locked").await;
    let (hr, chat) = apps(&world).await;
    let operator = plane.operator().await;
    world.source("hr", &hr.base_url, "hr").await;
    world.target("chat", &chat.base_url, "chat", "Enforce").await;
    let over = world.import("hr", "first").await;
    support::eventually("the first account is there", async || {
        let names = chat.names().await;
        (names == ["first@corp.example"]).then_some(()).ok_or(format!("{names:?}"))
    })
    .await;
    let before = world.until("ImportRun", &over, "Succeeded", "True", "Applied").await;
    world.until("ProvisioningPolicy", "chat", "Ready", "True", "Succeeded").await;
    let pid = operator.pid();

    let options = SqliteConnectOptions::new().filename(plane.store()).busy_timeout(Duration::from_secs(30));
    let mut intruder = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();
    hr.add(&person("second@corp.example", "Sue", "Second")).await;
    let accounts = chat.users().await;
    world.apply("ImportRun", "by-hand", json!({"integrationRef": {"name": "hr"}, "type": "Full"})).await;
    assert_all_say_so(&world).await;
    world.until("ImportRun", "by-hand", "Ready", "False", "StoreUnavailable").await;
    ready(&operator, 503).await;
    // What changes the plan meanwhile waits, too.
    world.merge("ProvisioningPolicy", "chat", json!({"metadata": {"annotations": {"joinery.dev/requested-at": "now"}}})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chat.users().await, accounts, "no write");
    assert_eq!(world.get("ImportRun", &over).await["status"], before["status"], "a run that is over stays what it is");
    assert_eq!(operator.pid(), pid, "no crash");

    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    for (kind, name) in OBJECTS {
        world.until(kind, name, "Ready", "True", "*").await;
    }
    world.until("ImportRun", "by-hand", "Succeeded", "True", "Applied").await;
    support::eventually("the second account is there", async || {
        let names = chat.names().await;
        (names == ["first@corp.example", "second@corp.example"]).then_some(()).ok_or(format!("{names:?}"))
    })
    .await;
    ready(&operator, 200).await;
    assert_eq!(operator.pid(), pid, "no crash");
    drop(operator);
}

#[tokio::test]
async fn c8_a_store_that_does_not_open_is_said_on_every_object_and_opens_by_itself() {
    let plane = Plane::new().await;
    plane.install();
    let world = plane.space("volume").await;
    let (hr, chat) = apps(&world).await;
    // A folder in its place is a store that does not open.
    fs::create_dir(plane.store()).unwrap();
    let operator = plane.start_operator(true).await;
    ready(&operator, 503).await;
    let pid = operator.pid();
    world.integration("hr", &hr.base_url, "hr", "Enforce").await;
    let of = json!({"name": "hr"});
    let to_directory = json!({
        "usernameFormat": "app.userName", "sourcing": {"enabled": true}, "confirmation": {"exactMatches": "Automatic", "newUsers": "Automatic", "activateNewUsers": true},
    });
    world.apply("ProvisioningPolicy", "hr", json!({"integrationRef": of, "toDirectory": to_directory})).await;
    world.apply("ImportSchedule", "hr", json!({"integrationRef": of, "full": {"schedule": crate::world::NEVER}})).await;
    world.target("chat", &chat.base_url, "chat", "Enforce").await;
    world.apply("ImportRun", "early", json!({"integrationRef": of, "type": "Full"})).await;
    assert_all_say_so(&world).await;
    world.until("ImportRun", "early", "Ready", "False", "StoreUnavailable").await;
    assert_eq!(chat.names().await, Vec::<String>::new());
    assert_eq!(operator.pid(), pid, "no crash");

    fs::remove_dir(plane.store()).unwrap();
    world.until("ImportRun", "early", "Succeeded", "True", "Applied").await;
    for (kind, name) in OBJECTS {
        world.until(kind, name, "Ready", "True", "*").await;
    }
    support::eventually("the account is there", async || {
        let names = chat.names().await;
        (names == ["first@corp.example"]).then_some(()).ok_or(format!("{names:?}"))
    })
    .await;
    ready(&operator, 200).await;
    assert_eq!(operator.pid(), pid, "no crash");
    drop(operator);
}
