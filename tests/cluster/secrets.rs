//! H7: a Secret is read by its name when it is used and kept nowhere; that it has changed is noticed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use joinery::clock::{Clock as _, SystemClock};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::{
    audit, long,
    operator::{Operator, USER},
    scim::Scim,
    support,
    world::World,
};

/// Unlike anything that the operator could say of itself.
const TOKEN: &str = "vQ9mWx3ZkT7hYc2LpRn5JbGd8FsE";
/// Between two looks at a Secret that does not work.
const WHILE_FAILING: SignedDuration = SignedDuration::from_secs(60);
/// What a busy machine may add to it.
const BUSY: SignedDuration = SignedDuration::from_secs(20);

/// The token as it might lie somewhere: each stretch of eight bytes, and base64 whatever stands before it.
fn forms() -> Vec<Vec<u8>> {
    let base64 =
        |bytes: &[u8]| serde_json::to_value(ByteString(bytes.to_vec())).unwrap().as_str().unwrap().trim_end_matches('=').to_owned();
    let mut forms: Vec<Vec<u8>> = TOKEN.as_bytes().windows(8).map(<[u8]>::to_vec).collect();
    for skipped in 0..3 {
        // Whole groups of three bytes: what follows would change the last letters.
        let whole = &TOKEN.as_bytes()[skipped..];
        forms.push(base64(&whole[..whole.len() / 3 * 3]).into_bytes());
    }
    forms
}

fn shows(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

/// When the operator looked at this Secret.
fn looks(world: &World, secret: &str, from: u64) -> Vec<Timestamp> {
    let requests = audit::requests(&world.namespace, from);
    let looks = requests.iter().filter(|request| request["objectRef"]["resource"] == "secrets" && request["objectRef"]["name"] == secret);
    looks.map(|look| look["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn h7_secrets_are_got_by_name_kept_nowhere_and_their_changes_noticed() {
    let world = World::new("secrets").await;
    let hr = Scim::with_users(TOKEN, 3).await;
    let chat = Scim::with_users(TOKEN, 0).await;
    let from = audit::end();
    world.secret("good", json!({"token": TOKEN}), Some("127.0.0.1")).await;
    world.secret("bad", json!({"token": "not-it"}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url, "good").await;
    world.target("chat", &chat.base_url, "bad", "Enforce").await;
    world.until("AppIntegration", "chat", "Ready", "False", "Unauthorized").await;
    world.import("hr", "now").await;

    // Nothing tells the operator of the new token: it looks by itself.
    world.secret("bad", json!({"token": TOKEN}), Some("127.0.0.1")).await;
    let changed = SystemClock.now();
    world.until("AppIntegration", "chat", "Ready", "True", "*").await;
    let looks = looks(&world, "bad", from);
    let noticed = looks.iter().find(|look| **look >= changed).expect("it was looked at again");
    assert!(noticed.duration_since(changed) <= WHILE_FAILING + BUSY, "noticed at {noticed}, changed at {changed}");
    support::eventually("everybody has an account, with the new token", async || {
        let names = chat.names().await;
        (names == hr.names().await).then_some(()).ok_or(format!("{} accounts", names.len()))
    })
    .await;

    let asked: Vec<Value> = audit::of(USER, 0).into_iter().filter(|entry| entry["objectRef"]["resource"] == "secrets").collect();
    assert!(!asked.is_empty());
    for entry in asked {
        assert_eq!(entry["verb"], "get", "{entry:#}");
        assert!(entry["objectRef"]["name"].as_str().is_some_and(|name| !name.is_empty()), "by name: {entry:#}");
    }
    for (path, bytes) in world.operator.files() {
        for form in forms() {
            assert!(!shows(&bytes, &form), "{} holds {:?}", path.display(), String::from_utf8_lossy(&form));
        }
    }
    // What is searched is where the operator keeps things.
    let person = hr.names().await.remove(0);
    assert!(world.operator.files().iter().any(|(_, bytes)| shows(bytes, person.as_bytes())), "the store holds people");
    Operator::assert_nothing_was_forbidden();
}

/// The long way round: nothing fails, and the change is noticed all the same.
#[tokio::test]
async fn h7_a_changed_secret_is_noticed_while_nothing_fails() {
    const AT_REST: SignedDuration = SignedDuration::from_secs(300);
    if !long::is_long() {
        return;
    }
    let world = World::new("rotation").await;
    let app = Scim::with_users(TOKEN, 0).await;
    world.secret("app", json!({"token": TOKEN}), Some("127.0.0.1")).await;
    world.integration("app", &app.base_url, "app", "Plan").await;
    world.until("AppIntegration", "app", "Ready", "True", "*").await;
    let from = audit::end();
    world.secret("app", json!({"token": "not-it"}), Some("127.0.0.1")).await;
    let changed = SystemClock.now();
    tokio::time::sleep(Duration::from_secs(320)).await;
    let noticed = looks(&world, "app", from).into_iter().find(|look| *look >= changed).expect("it was looked at again");
    assert!(noticed.duration_since(changed) <= AT_REST + BUSY, "noticed at {noticed}, changed at {changed}");
    world.until("AppIntegration", "app", "Ready", "False", "Unauthorized").await;
}
