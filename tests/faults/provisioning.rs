//! Provisioning: what is sent, what is taken over, what is held.

use joinery::domain::{
    counts::ProvisionCounts,
    report::{ActionClass, HeldClass, ProvisionEnd},
};
use serde_json::{Value, json};

use crate::{
    support::scripted_app::{EffectKind, Options},
    world::{World, assert_one_account_each, edit, effects, id_of, requests, user, writes},
};

#[tokio::test]
async fn provisioning_twice_writes_nothing() {
    let world = World::new(60).await;
    world.import().await;
    assert_eq!(world.provision().await.applied.create, 60);
    assert_one_account_each(&world.chat, 60, "after the first pass");
    let before = world.dump().await;
    world.chat.clear_ledger();
    let second = world.provision().await;
    assert_eq!((second.applied.unchanged, second.failed, writes(&world.chat)), (60, 0, 0));
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a9_a_removal_plan_over_the_limit_is_held_whole_while_creates_go_on() {
    let world = World::new(1000).await;
    world.import().await;
    world.provision().await;
    for (id, user) in world.hr.users() {
        let number: usize = user["userName"].as_str().unwrap().trim_start_matches("user").parse().unwrap();
        if number < 300 {
            edit(&world.hr, &id, |user| user["active"] = false.into());
        }
    }
    (1000..1020).for_each(|number| drop(world.hr.put_user(user(number))));
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    assert_eq!(import.run().await.unwrap().applied.deactivated, 300);
    world.chat.clear_ledger();
    let mut job = world.provision_job();
    job.rules.limits.max_deactivated_percent = 20;
    let report = job.run().await.unwrap();
    assert_eq!(report.end, ProvisionEnd::Done);
    assert_eq!(report.held, [HeldClass { class: ActionClass::Removals, count: 300 }]);
    assert_eq!(report.applied, ProvisionCounts { create: 20, unchanged: report.applied.unchanged, ..ProvisionCounts::default() });
    assert_eq!((requests(&world.chat, "POST"), writes(&world.chat)), (20, 20));
    assert_eq!(effects(&world.chat, EffectKind::Deactivate), 0);
}

#[tokio::test]
async fn e5_one_changed_attribute_is_one_operation_of_one_request() {
    let world = World::new(30).await;
    world.import().await;
    world.provision().await;
    edit(&world.hr, &id_of(&world.hr, "user7"), |user| user["title"] = "Chief".into());
    world.import().await;
    world.chat.clear_ledger();
    assert_eq!(world.provision().await.applied.update, 1);
    let writes: Vec<_> = world.chat.ledger().into_iter().filter(|entry| entry.method != "GET").collect();
    let [patch] = writes.as_slice() else { panic!("{writes:?}") };
    let body = patch.body.clone().unwrap();
    let operations = body["Operations"].as_array().unwrap();
    assert_eq!((operations.len(), &operations[0]["path"], &operations[0]["value"]), (1, &json!("title"), &json!("Chief")));
}

#[tokio::test]
async fn e5_an_app_that_takes_put_only_keeps_what_joinery_does_not_know() {
    let world = World::with_target(5, Options { patch: false, ..Options::default() }).await;
    world.import().await;
    world.provision().await;
    let id = id_of(&world.chat, "user2");
    let foreign = json!({"badge": 7, "nested": {"list": [1, 2.5, null]}});
    edit(&world.chat, &id, |user| {
        user["urn:example:Foreign"] = foreign.clone();
        user["nickName"] = "kept".into();
    });
    let before = world.chat.user(&id);
    edit(&world.hr, &id_of(&world.hr, "user2"), |user| user["title"] = "Chief".into());
    world.import().await;
    world.chat.clear_ledger();
    world.provision().await;
    let mut expected = before;
    expected["title"] = "Chief".into();
    assert_eq!((world.chat.user(&id), requests(&world.chat, "PUT"), writes(&world.chat)), (expected, 1, 1));
}

#[tokio::test]
async fn ta3_an_account_that_is_there_is_taken_over_and_not_created_again() {
    let world = World::new(10).await;
    world.import().await;
    let id = world.chat.put_user(json!({"userName": "USER4", "active": true, "title": "Old"}));
    let report = world.provision().await;
    assert_eq!((report.applied.create, report.applied.adopt), (9, 1));
    assert_one_account_each(&world.chat, 10, "one was there");
    assert_eq!(world.chat.user(&id)["title"], "Clerk");
}

async fn blocked(accounts: &[Value]) -> World {
    let world = World::new(10).await;
    world.import().await;
    for account in accounts {
        world.chat.put_user(account.clone());
    }
    let before = world.chat.users();
    for _ in 0..2 {
        let report = world.provision_job().run().await.unwrap();
        assert_eq!((report.end, report.failed, report.applied.adopt), (ProvisionEnd::Done, 1, 0));
    }
    for (id, account) in before {
        assert_eq!(world.chat.user(&id), account);
    }
    assert_eq!(effects(&world.chat, EffectKind::Create), 9);
    world
}

#[tokio::test]
async fn ta4_where_two_accounts_fit_neither_is_touched_and_none_is_created() {
    let source = World::new(5).await;
    source.import().await;
    source.provision().await;
    // The person's id follows from where the person comes from, so that it is the same in every directory.
    let external_id = source.chat.user(&id_of(&source.chat, "user4"))["externalId"].clone();
    blocked(&[json!({"userName": "user4", "active": true}), json!({"userName": "other", "externalId": external_id, "active": true})]).await;
}

#[tokio::test]
async fn ta9_an_inactive_account_of_somebody_else_is_not_taken_over() {
    blocked(&[json!({"userName": "user4", "active": false})]).await;
}
