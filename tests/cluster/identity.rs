//! Who is who when names stay and what they stand for does not: a namespace made anew, an app at another host, a source whose
//! policy is gone.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::{
    directory::{Directory, app, writes},
    scim::person,
    scripted_app::ScriptedApp,
    support,
    world::{World, seen},
};

/// Values of an attribute in an app.
fn values(app: &ScriptedApp, attribute: &str) -> Vec<String> {
    let mut values: Vec<String> = app.users().into_values().map(|user| user[attribute].as_str().unwrap_or_default().to_owned()).collect();
    values.sort();
    values
}

fn retitle(app: &ScriptedApp, title: &str) {
    for mut user in app.users().into_values() {
        user["title"] = json!(title);
        app.put_user(user);
    }
}

#[tokio::test]
async fn i5_a_namespace_that_is_made_anew_finds_nobody_of_the_former_one() {
    let world = World::new("anew").await;
    let former = Directory::new(&world, "former", 3).await;
    former.apply(&world).await;
    world.import("hr", "first").await;
    former.provisioned(&world).await;
    world.delete_namespace().await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let object = serde_json::from_value(json!({"metadata": {"name": world.namespace}})).unwrap();
    namespaces.create(&PostParams::default(), &object).await.expect("the same name");

    let present = Directory::new(&world, "present", 2).await;
    present.apply(&world).await;
    world.import("hr", "first").await;
    present.provisioned(&world).await;
    assert_eq!(values(&present.chat, "userName"), values(&present.hr, "userName"), "the new one's people, and nobody else");
    assert_eq!(present.chat.users().len(), 2);
    let hr = world.get("AppIntegration", "hr").await;
    assert_eq!(hr["status"]["accounts"]["linked"], 2, "{}", hr["status"]);
    assert_eq!(former.chat.users().len(), 3);
}

#[tokio::test]
async fn ai9_after_a_change_of_host_only_accounts_that_show_themselves_are_written_to() {
    let world = World::new("moved").await;
    let directory = Directory::new(&world, "mover", 3).await;
    directory.apply(&world).await;
    world.import("hr", "first").await;
    directory.provisioned(&world).await;
    let moved = app(&world).await;
    let accounts: Vec<Value> = directory.chat.users().into_values().collect();
    moved.put_user(accounts[0].clone());
    let taken = json!({"id": accounts[1]["id"], "userName": "mallory", "active": true});
    moved.put_user(taken.clone());
    directory.chat.clear_ledger();

    let host = moved.address().to_string();
    let spec = json!({"connector": {"scim": {"baseURL": moved.base_url()}}, "acknowledgeEndpointChange": host});
    world.merge("AppIntegration", "chat", json!({"spec": spec})).await;
    world.until("AppIntegration", "chat", "Ready", "True", "*").await;
    retitle(&directory.hr, "Boss");
    world.import("hr", "second").await;
    let policy = support::eventually("the policy says who is not recognised", async || {
        let policy = world.get("ProvisioningPolicy", "chat").await;
        let said = seen(&policy, "Provisioned");
        (said.status == "False" && said.message.contains("Of them 2 have accounts that were linked at another host"))
            .then_some(policy.clone())
            .ok_or(said.message)
    })
    .await;
    assert_eq!(seen(&policy, "Provisioned").reason, "AccountsFailed");
    let id = accounts[0]["id"].as_str().unwrap();
    assert_eq!(moved.user(id)["title"], "Boss");
    let others: Vec<_> = writes(&moved).into_iter().filter(|(_, path)| !path.ends_with(id)).collect();
    assert_eq!(others, [], "nothing else was written");
    assert_eq!(moved.user(taken["id"].as_str().unwrap())["userName"], "mallory");
    assert_eq!(writes(&directory.chat), [], "nor at the former host");
}

#[tokio::test]
async fn so1_a_source_whose_policy_is_gone_is_nobodys_source() {
    let world = World::new("sources").await;
    let directory = Directory::new(&world, "ada", 1).await;
    directory.apply(&world).await;
    retitle(&directory.hr, "First");
    world.import("hr", "first").await;
    directory.provisioned(&world).await;
    let later = app(&world).await;
    later.put_user(person("ada000@corp.example", "Kim", "Okafor"));
    retitle(&later, "Later");
    world.source("later", &later.base_url(), "app").await;
    world.import("later", "first").await;
    assert_eq!(values(&directory.chat, "title"), ["First"], "the first source by name counts");

    world.delete("ProvisioningPolicy", "hr").await;
    for attempt in 0..20 {
        let title = format!("Later {attempt}");
        retitle(&later, &title);
        world.import("later", &title).await;
        // What the import has changed is provisioned before the next one ends.
        if values(&directory.chat, "title")[0].starts_with("Later") {
            return;
        }
    }
    panic!("{:?}: a source without a policy still counts", values(&directory.chat, "title"));
}
