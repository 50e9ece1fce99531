//! What holds for a whole namespace: protected people and the order of sources.

use serde_json::{Value, json};

use crate::{
    directory::{Directory, app, writes},
    scim::person,
    scripted_app::ScriptedApp,
    support,
    world::World,
};

const BREAKGLASS: &str = "kim000@corp.example";

fn titles(app: &ScriptedApp) -> Vec<String> {
    app.users().into_values().map(|user| user["title"].as_str().unwrap_or_default().to_owned()).collect()
}

fn retitle(app: &ScriptedApp, title: &str) {
    for mut user in app.users().into_values() {
        user["title"] = json!(title);
        app.put_user(user);
    }
}

async fn people(world: &World, wanted: Value) {
    support::eventually(&format!("there are {wanted}"), async || {
        let status = world.get("Directory", "default").await["status"].clone();
        (status["people"] == wanted).then_some(()).ok_or(status.to_string())
    })
    .await;
}

#[tokio::test]
async fn a13_protected_people_keep_everything_even_when_the_directory_is_deleted() {
    let world = World::new("protected").await;
    let directory = Directory::new(&world, "kim", 4).await;
    world.apply("Directory", "default", json!({"protectedUsers": {"where": format!("user.userName == \"{BREAKGLASS}\"")}})).await;
    directory.apply(&world).await;
    let limits = json!({"import": {"maxUnassignedPercent": 100, "missingFullImports": 1}});
    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"safeguards": limits}})).await;
    world.import("hr", "first").await;
    directory.provisioned(&world).await;
    world.until("Directory", "default", "Ready", "True", "Succeeded").await;
    people(&world, json!({"active": 4, "staged": 0, "suspended": 0, "deactivated": 0})).await;
    world.delete("Directory", "default").await;

    // One of two leavers is protected, and so says the Directory that is gone.
    for (id, user) in directory.hr.users() {
        if [BREAKGLASS, "kim001@corp.example"].iter().any(|name| user["userName"] == *name) {
            directory.hr.remove_user(&id);
        }
    }
    let run = world.import("hr", "second").await;
    let run = world.get("ImportRun", &run).await;
    assert_eq!((&run["status"]["applied"]["unassigned"], &run["status"]["plan"]["protected"]), (&json!(1), &json!(1)), "{}", run["status"]);
    let active = || {
        let active = directory.chat.users().into_values().filter(|user| user["active"] == true);
        let mut names: Vec<String> = active.map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let expected = [BREAKGLASS, "kim002@corp.example", "kim003@corp.example"];
    support::eventually("one account is deactivated", async || if active() == expected { Ok(()) } else { Err(active().join(" ")) }).await;

    // No assignment holds for anybody any more.
    let nobody = json!([{"name": "nobody", "where": "false"}]);
    let limits = json!({"provisioning": {"maxDeactivatedPercent": 100}});
    world.merge("ProvisioningPolicy", "chat", json!({"spec": {"toApp": {"assignments": nobody}, "safeguards": limits}})).await;
    support::eventually("all others are deactivated", async || if active() == [BREAKGLASS] { Ok(()) } else { Err(active().join(" ")) })
        .await;
    let status = world.get("ProvisioningPolicy", "chat").await["status"].clone();
    assert_eq!(status["plan"]["protected"], 1, "{status}");
}

#[tokio::test]
async fn a13_while_the_condition_does_not_compile_nobody_loses_anything() {
    let world = World::new("protected-unclear").await;
    let directory = Directory::new(&world, "kim", 3).await;
    directory.apply(&world).await;
    world.import("hr", "first").await;
    directory.provisioned(&world).await;
    world.apply("Directory", "default", json!({"protectedUsers": {"where": "user.userNam == \"x\""}})).await;
    world.until("Directory", "default", "Ready", "False", "UnknownAttribute").await;
    directory.chat.clear_ledger();
    let nobody = json!([{"name": "nobody", "where": "false"}]);
    let limits = json!({"provisioning": {"maxDeactivatedPercent": 100}});
    world.merge("ProvisioningPolicy", "chat", json!({"spec": {"toApp": {"assignments": nobody}, "safeguards": limits}})).await;
    support::eventually("all three are protected", async || {
        let status = world.get("ProvisioningPolicy", "chat").await["status"].clone();
        (status["plan"]["protected"] == 3).then_some(()).ok_or(status.to_string())
    })
    .await;
    assert_eq!(writes(&directory.chat), []);
    world.merge("Directory", "default", json!({"spec": {"protectedUsers": null}})).await;
    support::eventually("all are deactivated as soon as it is clear", async || {
        let active = directory.chat.users().into_values().filter(|user| user["active"] == true).count();
        if active == 0 { Ok(()) } else { Err(active.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn so1_the_directory_decides_whose_values_count_in_whatever_order_it_comes() {
    let world = World::new("sourced").await;
    let directory = Directory::new(&world, "ada", 1).await;
    directory.apply(&world).await;
    retitle(&directory.hr, "From hr");
    world.import("hr", "first").await;
    directory.provisioned(&world).await;
    let later = app(&world).await;
    later.put_user(person("ada000@corp.example", "Kim", "Okafor"));
    retitle(&later, "From later");
    world.apply("Directory", "default", json!({"profileSources": ["later"]})).await;
    world.until("Directory", "default", "Ready", "False", "UnknownSource").await;
    world.source("later", &later.base_url(), "app").await;
    world.import("later", "first").await;
    world.until("Directory", "default", "Ready", "True", "Succeeded").await;
    assert_eq!(world.get("Directory", "default").await["status"]["sources"], json!(["later", "hr"]));
    world.import("later", "again").await;
    support::eventually("the account shows what the first source says", async || {
        let titles = titles(&directory.chat);
        if titles == ["From later"] { Ok(()) } else { Err(titles.join(" ")) }
    })
    .await;

    world.apply("Directory", "default", json!({"profileSources": ["hr", "later"]})).await;
    support::eventually("the order is the other one", async || {
        let status = world.get("Directory", "default").await["status"].clone();
        (status["sources"] == json!(["hr", "later"])).then_some(()).ok_or(status.to_string())
    })
    .await;
    world.import("hr", "second").await;
    support::eventually("what hr says counts, though its records are as they were", async || {
        let titles = titles(&directory.chat);
        if titles == ["From hr"] { Ok(()) } else { Err(titles.join(" ")) }
    })
    .await;
}
