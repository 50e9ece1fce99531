//! Imports: limits, absence, changes.

use joinery::domain::{counts::ImportCounts, report::ImportEnd};
use serde_json::json;

use crate::{
    support::scripted_app::{EffectKind, Fault, What},
    world::{World, edit, effects, id_of, user, writes},
};

#[tokio::test]
async fn importing_the_same_source_twice_writes_nothing() {
    let world = World::new(250).await;
    let first = world.import().await;
    assert_eq!((first.end, first.applied.new), (ImportEnd::Applied, 250));
    let (before, revision) = (world.dump().await, world.revision().await);
    world.hr.clear_ledger();
    let second = world.import().await;
    assert_eq!(second.end, ImportEnd::NothingToDo);
    assert_eq!(second.plan, ImportCounts { unchanged: 250, ..ImportCounts::default() });
    assert_eq!(second.applied, second.plan);
    assert_eq!((world.revision().await, writes(&world.hr)), (revision, 0));
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a1_an_import_over_the_limit_applies_nothing() {
    for limit in ["percent", "number"] {
        let world = World::new(100).await;
        world.import().await;
        let before = world.dump().await;
        for number in 0..21 {
            edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = false.into());
        }
        edit(&world.hr, &id_of(&world.hr, "user50"), |user| user["title"] = "Chief".into());
        world.hr.put_user(user(100));
        let mut job = world.import_job();
        if limit == "number" {
            job.rules.limits.max_unassigned_percent = 100;
            job.rules.limits.max_unassigned = Some(20);
        }
        let report = job.run().await.unwrap();
        assert_eq!((report.end, report.applied), (ImportEnd::Held, ImportCounts::default()), "{limit}");
        assert_eq!((report.plan.deactivated, report.plan.updated, report.plan.new), (21, 1, 1), "{limit}");
        assert_eq!(world.dump().await, before, "{limit}");
    }
}

#[tokio::test]
async fn a3_zero_records_remove_nobody() {
    for (limit, shape) in
        [0, 20, 100].into_iter().flat_map(|limit| ["removed", "empty list", "404", "no total"].map(|shape| (limit, shape)))
    {
        let world = World::new(30).await;
        world.import().await;
        let before = world.dump().await;
        match shape {
            "removed" => world.hr.users().keys().for_each(|id| world.hr.remove_user(id)),
            "empty list" => world.hr.inject(Fault::listing(What::json(
                r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}"#,
            ))),
            "404" => world.hr.inject(Fault::listing(What::error(404, None))),
            _ => world.hr.inject(Fault::listing(What::json("{}"))),
        }
        for _ in 0..4 {
            let mut job = world.import_job();
            job.rules.limits.max_unassigned_percent = limit;
            let end = job.run().await.unwrap().end;
            if shape == "no total" {
                assert!(matches!(end, ImportEnd::SnapshotIncomplete { .. } | ImportEnd::AppFailed { .. }), "{limit} {shape}: {end:?}");
            } else {
                assert_eq!(end, ImportEnd::EmptySource, "{limit} {shape}");
            }
            assert_eq!(world.dump().await, before, "{limit} {shape}");
        }
    }
}

#[tokio::test]
async fn a4_missing_once_is_not_gone_and_missing_twice_needs_a_404() {
    let world = World::new(30).await;
    world.import().await;
    let revision = world.revision().await;
    world.hr.remove_user(&id_of(&world.hr, "user3"));
    let once = world.import().await;
    assert_eq!((once.end, world.revision().await, world.counts("hr").await.linked), (ImportEnd::NothingToDo, revision, 30));
    let twice = world.import().await;
    assert_eq!((twice.applied.unassigned, world.counts("hr").await.linked), (1, 29));
    assert_eq!(world.query("SELECT state FROM person WHERE user_name_key = 'user3'").await, ["Deactivated"]);
}

#[tokio::test]
async fn a4_a_record_that_is_back_begins_at_nought() {
    let world = World::new(30).await;
    world.import().await;
    let id = id_of(&world.hr, "user3");
    let record = world.hr.user(&id);
    for _ in 0..3 {
        world.hr.remove_user(&id);
        world.import().await;
        world.hr.put_user(record.clone());
        world.import().await;
    }
    assert_eq!(world.counts("hr").await.linked, 30);
    assert_eq!(world.query("SELECT CAST(sum(missing) AS TEXT) FROM account").await, ["0"]);
}

/// A listing without the first user, though complete by its own account.
fn hide_first(world: &World) -> String {
    let id = id_of(&world.hr, "user0");
    let rest: Vec<_> = world.hr.users().into_values().filter(|user| user["id"] != id.as_str()).collect();
    let list = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": rest.len(), "Resources": rest,
    });
    world.hr.inject(Fault::listing(What::json(&list.to_string())));
    id
}

#[tokio::test]
async fn a4_a_record_that_a_get_finds_active_proves_the_listing_incomplete() {
    let world = World::new(30).await;
    world.import().await;
    hide_first(&world);
    world.import().await;
    let before = world.dump().await;
    let report = world.import_job().run().await.unwrap();
    assert!(matches!(report.end, ImportEnd::SnapshotIncomplete { .. }), "{:?}", report.end);
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a4_a_get_that_fails_proves_nothing() {
    for what in [What::error(500, None), What::error(403, None), What::error(401, None), What::html(200), What::status(204), What::Drop] {
        let world = World::new(30).await;
        world.import().await;
        let id = hide_first(&world);
        world.hr.inject(Fault::on("GET", format!("/Users/{id}").leak(), what.clone()));
        for _ in 0..4 {
            let report = world.import_job().run().await.unwrap();
            assert_eq!(report.applied.changes(), 0, "{what:?}: {report:?}");
        }
        assert_eq!(world.counts("hr").await.linked, 30, "{what:?}");
    }
}

#[tokio::test]
async fn a4_where_every_get_is_404_nobody_is_gone() {
    let world = World::new(30).await;
    world.import().await;
    let revision = world.revision().await;
    world.hr.remove_user(&id_of(&world.hr, "user3"));
    world.hr.inject(Fault::on("GET", "/Users/*", What::error(404, None)));
    for _ in 0..4 {
        assert_eq!(world.import().await.applied.unassigned, 0);
    }
    assert_eq!((world.revision().await, world.counts("hr").await.linked), (revision, 30));
}

#[tokio::test]
async fn a8_new_names_new_addresses_and_swapped_usernames_are_updates() {
    let world = World::new(30).await;
    world.import().await;
    world.provision().await;
    let people = world.query("SELECT hex(id) FROM person ORDER BY pk").await;
    let accounts: Vec<_> = world.chat.users().into_iter().map(|(id, user)| (id, user["externalId"].clone())).collect();
    let [zero, one, two, three] = ["user0", "user1", "user2", "user3"].map(|name| id_of(&world.hr, name));
    edit(&world.hr, &zero, |user| user["userName"] = "renamed".into());
    edit(&world.hr, &one, |user| user["emails"][0]["value"] = "new@example.com".into());
    edit(&world.hr, &two, |user| user["userName"] = "user3".into());
    edit(&world.hr, &three, |user| user["userName"] = "user2".into());
    world.chat.clear_ledger();
    let import = world.import().await;
    assert_eq!((import.applied.updated, import.applied.changes(), import.applied.failed), (4, 4, 0));
    let pass = world.provision().await;
    assert_eq!((pass.applied.update, pass.applied.changes()), (4, 4));
    assert_eq!(world.query("SELECT hex(id) FROM person ORDER BY pk").await, people);
    let after: Vec<_> = world.chat.users().into_iter().map(|(id, user)| (id, user["externalId"].clone())).collect();
    assert_eq!(after, accounts);
    assert_eq!((effects(&world.chat, EffectKind::Update), world.chat.effects().len()), (4, 4));
    assert!(world.chat.ledger().iter().all(|entry| matches!(entry.method.as_str(), "GET" | "PATCH")));
    for (name, family) in [("renamed", "Family0"), ("user3", "Family2"), ("user2", "Family3")] {
        assert_eq!(world.chat.user(&id_of(&world.chat, name))["name"]["familyName"], family);
    }
}
