//! Matching and confirmation as policies say it: what waits is counted, what cannot be matched by is said (MT-2 to MT-7).

use serde_json::{Value, json};

use crate::{
    scripted_app::{Options, ScriptedApp},
    support,
    world::{NEVER, World, seen},
};

fn account(user_name: &str, given: &str, family: &str, number: &str) -> Value {
    json!({
        "userName": user_name, "active": true, "name": {"givenName": given, "familyName": family},
        "emails": [{"type": "work", "value": format!("{user_name}@corp.example")}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": number},
    })
}

fn policy(matching: &Value, confirmation: &Value) -> Value {
    json!({"integrationRef": {"name": "crm"}, "toDirectory": {
        "usernameFormat": "app.userName", "matching": matching, "confirmation": confirmation,
    }})
}

/// A source `hr` with two people of one name and a third one, and an app `crm` that is imported and no source.
async fn organisation(prefix: &str, policy: Value) -> (World, ScriptedApp, ScriptedApp) {
    let options = || Options { token: prefix.into(), ..Options::default() };
    let world = World::new(prefix).await;
    let (hr, crm) = (ScriptedApp::start(options()).await, ScriptedApp::start(options()).await);
    for (user_name, given, number) in [("ann.lee", "Ann", "1"), ("ann.lee2", "Ann", "2"), ("bob.lee", "Bob", "E-3")] {
        hr.put_user(account(user_name, given, "Lee", number));
    }
    world.secret("app", json!({"token": prefix}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url(), "app").await;
    world.import("hr", "first").await;
    world.integration("crm", &crm.base_url(), "app", "Enforce").await;
    world.apply("ProvisioningPolicy", "crm", policy).await;
    world.apply("ImportSchedule", "crm", json!({"integrationRef": {"name": "crm"}, "full": {"schedule": NEVER}})).await;
    (world, hr, crm)
}

async fn until_pending(world: &World, pending: u64) {
    support::eventually(&format!("{pending} records wait"), async || {
        let accounts = world.get("AppIntegration", "crm").await["status"]["accounts"].take();
        (accounts["pending"] == pending).then_some(()).ok_or(accounts.to_string())
    })
    .await;
}

/// Acceptance tests 26 and 27, as statuses count them.
#[tokio::test]
async fn mt4_what_waits_is_counted_on_its_run_and_integration_and_nobody_is_named() {
    let by_hand = json!({"exactMatches": "Automatic", "partialMatches": "Manual", "newUsers": "Automatic", "activateNewUsers": true});
    let matching = json!({"exact": {"username": true}, "allowPartialMatches": true});
    let (world, _hr, crm) = organisation("namesakes", policy(&matching, &by_hand)).await;
    for (user_name, given) in [("a.lee", "Ann"), ("b.lee", "Bob"), ("newcomer", "Cid"), ("ann.lee", "Ann")] {
        crm.put_user(account(user_name, given, "Lee", ""));
    }
    let run = world.import("crm", "one").await;
    let counts = world.get("ImportRun", &run).await["status"]["applied"].take();
    // Ann is found by her username; somebody else is called Ann, too, and there are two of that name in the directory.
    assert_eq!((&counts["matched"], &counts["new"], &counts["pending"]), (&json!(1), &json!(1), &json!(2)), "{counts}");
    until_pending(&world, 2).await;
    for (kind, name) in world.everything().await {
        let status = world.get(kind, &name).await["status"].to_string();
        assert!(!status.contains("lee") && !status.contains("newcomer") && !status.contains("Cid"), "{kind} {name}: {status}");
    }
    // Who confirms is changed, and the same unchanged records are decided: Bob is the only one of his name.
    let by_itself = json!({"exactMatches": "Automatic", "partialMatches": "Automatic", "newUsers": "Automatic"});
    world.apply("ProvisioningPolicy", "crm", policy(&matching, &by_itself)).await;
    world.until("ProvisioningPolicy", "crm", "Ready", "True", "*").await;
    let run = world.import("crm", "two").await;
    let counts = world.get("ImportRun", &run).await["status"]["applied"].take();
    assert_eq!((&counts["matched"], &counts["pending"]), (&json!(1), &json!(1)), "two namesakes are never chosen from: {counts}");
    until_pending(&world, 1).await;
}

/// Acceptance test 25: by one attribute.
#[tokio::test]
async fn mt2_an_attribute_that_is_unknown_or_not_mapped_is_said_on_the_policy() {
    let automatic = json!({"exactMatches": "Automatic"});
    let by = |attribute: &str| policy(&json!({"exact": {"attribute": attribute}, "caseSensitive": false}), &automatic);
    let (world, _hr, crm) = organisation("numbers", by("badgeColour")).await;
    crm.put_user(account("somebody", "A", "B", "e-3"));
    let refused = world.until("ProvisioningPolicy", "crm", "Accepted", "False", "InvalidSpec").await;
    let message = seen(&refused, "Accepted").message;
    assert!(message.contains("spec.toDirectory.matching.exact.attribute") && message.contains("employeeNumber"), "{message}");
    world.apply("AttributeMapping", "crm", json!({"integrationRef": {"name": "crm"}, "preset": "None"})).await;
    world.apply("ProvisioningPolicy", "crm", by("employeeNumber")).await;
    let refused = world.until("ProvisioningPolicy", "crm", "Accepted", "False", "InvalidSpec").await;
    support::eventually("the policy says what is not mapped", async || {
        let message = seen(&world.get("ProvisioningPolicy", "crm").await, "Accepted").message;
        message.contains("AttributeMapping").then_some(()).ok_or(message)
    })
    .await;
    assert_eq!(seen(&refused, "Ready").status, "False");
    let users = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let entry = json!({"target": "employeeNumber", "expression": format!("app[\"{users}\"].employeeNumber")});
    world.apply("AttributeMapping", "crm", json!({"integrationRef": {"name": "crm"}, "preset": "None", "toDirectory": [entry]})).await;
    world.until("ProvisioningPolicy", "crm", "Accepted", "True", "*").await;
    let run = world.import("crm", "by number").await;
    let counts = world.get("ImportRun", &run).await["status"]["applied"].take();
    assert_eq!((&counts["matched"], &counts["pending"]), (&json!(1), &json!(0)), "{counts}");
}
