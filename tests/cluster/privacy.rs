//! Promises H3, H13 and H6: no secret and no person where they do not belong, no right that is missing.

use k8s_openapi::{ByteString, api::events::v1::Event};
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    failures::WebPage,
    operator::USER,
    scim::{Scim, person},
    support,
    world::{KINDS, World},
};

/// Unlike anything that the operator could say of itself.
const TOKEN: &str = "kZ7qXw2Vb9TfLm4RhJ6sPd3N";
const PEOPLE: [(&str, &str, &str); 3] = [
    ("qwzanna.vbrixhtel@canary-corp.example", "Qwzanna", "Vbrixhtel"),
    ("tzulmir.okjhaveq@canary-corp.example", "Tzulmir", "Okjhaveq"),
    ("yhedwixa.pflumbrz@canary-corp.example", "Yhedwixa", "Pflumbrz"),
];

/// Everything that must not be seen.
fn canaries() -> Vec<String> {
    let base64 = serde_json::to_value(ByteString(TOKEN.as_bytes().to_vec())).unwrap();
    let mut canaries = vec![base64.as_str().unwrap().to_owned()];
    canaries.extend(TOKEN.as_bytes().windows(8).map(|slice| String::from_utf8_lossy(slice).into_owned()));
    for (username, given, family) in PEOPLE {
        canaries.extend([username, given, family].map(str::to_lowercase));
        canaries.extend([given, family].map(str::to_owned));
    }
    canaries
}

fn assert_clean(place: &str, text: &str) {
    assert!(!text.is_empty(), "{place}: nothing to search");
    let shown: Vec<String> = canaries().into_iter().filter(|canary| text.contains(canary)).collect();
    assert!(shown.is_empty(), "{place} shows {shown:?}");
}

#[tokio::test]
async fn h3_h13_no_token_and_no_person_in_logs_events_statuses_or_metrics() {
    let world = World::new("privacy").await;
    let seed: Vec<_> = PEOPLE.iter().map(|(username, given, family)| person(username, given, family)).collect();
    let hr = Scim::with_seed(TOKEN, 0, &seed).await;
    let chat = Scim::with_seed(TOKEN, 0, &seed[..1]).await;
    world.secret("token", json!({"token": TOKEN}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url, "token").await;
    world.target("chat", &chat.base_url, "token", "Enforce").await;
    // An app that repeats what it should not, in an answer that is an error.
    let body = format!("<html>{TOKEN} {} {}</html>", PEOPLE[0].0, PEOPLE[1].2);
    let echo = WebPage::start(body, None).await;
    world.target("echo", &format!("http://127.0.0.1:{}/v2", echo.port), "token", "Enforce").await;
    world.until("AppIntegration", "echo", "Ready", "False", "NotSCIM").await;
    world.import("hr", "first").await;
    support::eventually("everybody has an account", async || {
        let names = chat.names().await;
        (names == hr.names().await).then_some(()).ok_or(format!("{} accounts", names.len()))
    })
    .await;
    // Nobody has a title, so there is no username for anybody.
    world.merge("ProvisioningPolicy", "chat", json!({"spec": {"toApp": {"usernameFormat": "user.title"}}})).await;
    support::eventually("people fail", async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        (policy["status"]["failed"] == PEOPLE.len()).then_some(()).ok_or(policy["status"].to_string())
    })
    .await;

    assert_clean("the log", &world.operator.logs());
    assert_clean("/metrics", &world.operator.metrics().await);
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    assert_clean("an event", &serde_json::to_string(&events.items).unwrap());
    for kind in KINDS {
        for object in world.list(kind).await {
            assert_clean(&format!("{kind} {}", object["metadata"]["name"]), &object.to_string());
        }
    }
}

#[tokio::test]
async fn h6_rbac_is_exact() {
    let world = World::new("rights").await;
    let app = Scim::with_users("token", 2).await;
    world.secret("app", json!({"token": "token"}), Some("127.0.0.1")).await;
    world.source("app", &app.base_url, "app").await;
    // More runs than the history keeps: they are created, and deleted.
    for text in ["one", "two", "three", "four", "five"] {
        world.import("app", text).await;
    }
    support::eventually("runs are pruned", async || {
        let runs = world.list("ImportRun").await.len();
        (runs <= 3).then_some(()).ok_or(format!("{runs} runs"))
    })
    .await;
    let done = crate::audit::of(USER, 0);
    for (verb, resource) in [
        ("create", "importruns"),
        ("delete", "importruns"),
        ("patch", "appintegrations"),
        ("get", "secrets"),
        ("get", "namespaces"),
        ("create", "events"),
    ] {
        let found = done.iter().any(|entry| entry["verb"] == verb && entry["objectRef"]["resource"] == resource);
        assert!(found, "the operator was to {verb} {resource}");
    }
    crate::operator::Operator::assert_nothing_was_forbidden();
}
