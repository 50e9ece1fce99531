//! B1, B2: however a request ends and wherever the operator dies, everybody has exactly one account in the end.

use std::{collections::BTreeMap, time::Duration};

use joinery::{domain::report::ProvisionEnd, engine::provision::ProvisionJob};
use serde_json::{Value, json};

use crate::{
    bench::connect_with,
    support::scripted_app::{EffectKind, Fault, ScriptedApp, What},
    world::{World, assert_one_account_each, edit, id_of, user, writes},
};

const DAY: i64 = 25 * 3600;

/// Six accounts are there. One person has changed, one has left, one who had left is back, and six are new.
async fn twelve_people() -> World {
    let world = World::new(6).await;
    let leaver = id_of(&world.hr, "user1");
    let returner = id_of(&world.hr, "user2");
    world.import().await;
    world.provision().await;
    edit(&world.hr, &returner, |user| user["active"] = false.into());
    world.import().await;
    assert_eq!(world.provision().await.applied.deactivate, 1);
    edit(&world.hr, &returner, |user| user["active"] = true.into());
    edit(&world.hr, &leaver, |user| user["active"] = false.into());
    edit(&world.hr, &id_of(&world.hr, "user0"), |user| user["title"] = "Chief".into());
    (6..12).for_each(|number| drop(world.hr.put_user(user(number))));
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    import.run().await.unwrap();
    world
}

/// Accounts by username, without what the app makes up.
fn accounts(app: &ScriptedApp) -> BTreeMap<String, Value> {
    let users = app.users().into_values().map(|mut user| {
        let name = user["userName"].as_str().unwrap().to_owned();
        let object = user.as_object_mut().unwrap();
        object.remove("id");
        object.remove("meta");
        (name, user)
    });
    users.collect()
}

/// Runs a pass until its target has had so many requests, and kills it there. False if it has ended before.
async fn killed_at(world: &World, job: ProvisionJob, requests: u64) -> bool {
    let pass = tokio::spawn(async move { job.run().await });
    loop {
        if world.chat.ledger().len() as u64 >= requests {
            break;
        }
        if pass.is_finished() {
            let report = pass.await.unwrap().unwrap();
            assert_eq!((report.end, report.failed), (ProvisionEnd::Done, 0));
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    pass.abort();
    let _ended = pass.await;
    true
}

async fn a_crash_at_every_request_leaves_no_trace(stall: What, concurrency: u32) {
    let origin = twelve_people().await;
    let undisturbed = origin.copy().await;
    undisturbed.provision().await;
    let expected = accounts(&undisturbed.chat);
    assert_eq!(undisturbed.chat.effects().len(), 9);
    let mut at = 1;
    loop {
        let context = format!("{stall:?} at request {at}, {concurrency} at once");
        let world = origin.copy().await;
        world.chat.inject(Fault::always(stall.clone()).nth(at));
        if !killed_at(&world, world.provision_job_of(world.target(concurrency)), at).await {
            break;
        }
        let after = revive(&world).await;
        assert_eq!(accounts(&after.chat), expected, "{context}");
        assert_one_account_each(&after.chat, 12, &context);
        for ((id, kind), times) in after.chat.effects_per_account() {
            assert!(kind != EffectKind::Create || times <= 1, "{context}: {id} {kind:?} {times}");
        }
        assert_eq!(after.counts("chat").await.linked, 11, "{context}");
        assert_eq!(after.query("SELECT CAST(count(*) AS TEXT) FROM intent").await, ["0"], "{context}");
        after.chat.clear_ledger();
        after.provision().await;
        assert_eq!(writes(&after.chat), 0, "{context}");
        at += 1;
    }
    assert!(at > 12, "{at} requests are too few for this test");
}

/// The next process over the same files and the same app.
async fn revive(world: &World) -> World {
    // The app has seen what it has seen; only its answers come again.
    world.chat.clear_faults();
    let next = world.copy().await;
    next.provision().await;
    next
}

#[tokio::test]
async fn b1_b2_a_crash_before_any_request_arrives_leaves_no_trace() {
    a_crash_at_every_request_leaves_no_trace(What::Stall, 1).await;
}

#[tokio::test]
async fn b1_b2_a_crash_after_any_request_took_effect_leaves_no_trace() {
    a_crash_at_every_request_leaves_no_trace(What::StallReply, 1).await;
}

#[tokio::test]
async fn b1_b2_a_crash_with_several_requests_under_way_leaves_no_trace() {
    a_crash_at_every_request_leaves_no_trace(What::StallReply, 4).await;
}

#[tokio::test]
async fn b1_a_create_that_ends_badly_leaves_one_account() {
    for what in [
        What::LoseReply,
        What::StatusAfter(500),
        What::StatusAfter(503),
        What::StatusAfter(429),
        What::StatusAfter(409),
        What::CutBody,
        What::StallReply,
        What::Empty { status: 201, location: true },
        What::Empty { status: 201, location: false },
        What::Empty { status: 204, location: false },
        What::WithoutId,
        What::ShowsAnother,
        What::html(200),
        What::html(500),
        What::Drop,
        What::Stall,
        What::error(409, Some("uniqueness")),
        What::error(400, Some("invalidValue")),
        What::error(500, None),
    ] {
        let world = World::new(4).await;
        world.import().await;
        world.chat.inject(Fault::on("POST", "/Users", what.clone()).times(2));
        let connector = connect_with(&world.chat, |config| config.request_timeout = Duration::from_secs(1));
        let report = world.provision_job_of(connector).run().await.unwrap();
        assert!(matches!(report.end, ProvisionEnd::Done | ProvisionEnd::AppFailed { .. }), "{what:?}");
        world.chat.clear_faults();
        world.clock.advance(DAY);
        world.provision().await;
        assert_one_account_each(&world.chat, 4, &format!("{what:?}"));
        assert_eq!(world.counts("chat").await.linked, 4, "{what:?}");
        let creates = world.chat.effects().iter().filter(|effect| effect.kind == EffectKind::Create).count();
        assert_eq!(creates, 4, "{what:?}");
    }
}

#[tokio::test]
async fn sc6_an_account_that_somebody_made_meanwhile_is_taken_over_when_the_create_is_refused() {
    let world = World::new(4).await;
    world.import().await;
    // Lookups do not find it yet: somebody makes it between the lookup and the POST.
    world.chat.inject(Fault::listing(What::FilterNobody).with_query("user2").times(1));
    let id = world.chat.put_user(json!({"userName": "user2", "active": true}));
    let report = world.provision_job().run().await.unwrap();
    world.clock.advance(DAY);
    world.chat.clear_faults();
    world.provision().await;
    assert_one_account_each(&world.chat, 4, &format!("{report:?}"));
    assert!(world.chat.user(&id)["externalId"].is_string());
}

/// Goes on until nobody is left over, as time does; people whose attempt failed are tried again in between.
async fn settled(world: &World, context: &str) {
    for _ in 0..6 {
        let report = world.provision_job().run().await.unwrap();
        if report.end == ProvisionEnd::Done && report.failed == 0 && report.plan.changes() == report.applied.changes() {
            let before = writes(&world.chat);
            world.provision().await;
            if writes(&world.chat) == before {
                return;
            }
        }
        world.clock.advance(DAY);
    }
    panic!("{context}: there is still something to do");
}

#[tokio::test]
async fn b1_a_change_that_ends_badly_is_right_in_the_end() {
    let origin = twelve_people().await;
    let undisturbed = origin.copy().await;
    undisturbed.provision().await;
    let expected = accounts(&undisturbed.chat);
    for what in [
        What::LoseReply,
        What::StatusAfter(500),
        What::StatusAfter(503),
        What::StatusAfter(404),
        What::CutBody,
        What::Empty { status: 204, location: false },
        What::WithoutId,
        What::ShowsAnother,
        What::html(200),
        What::Drop,
        What::IgnoreActive,
        What::Ignore,
        What::error(500, None),
        What::error(429, None),
        What::error(400, Some("invalidValue")),
    ] {
        let world = origin.copy().await;
        world.chat.inject(Fault::on("PATCH", "/Users/*", what.clone()).times(3));
        let report = world.provision_job().run().await.unwrap();
        assert!(matches!(report.end, ProvisionEnd::Done | ProvisionEnd::AppFailed { .. }), "{what:?}");
        world.chat.clear_faults();
        world.clock.advance(DAY);
        let context = format!("{what:?}");
        settled(&world, &context).await;
        // What an app says it has written and has not is not looked at again: attributes are no state of access.
        if !matches!(what, What::Ignore) && !matches!(&what, What::Reply { status: 200, .. }) {
            assert_eq!(accounts(&world.chat), expected, "{context}");
        }
        for (name, account) in accounts(&world.chat) {
            assert_eq!(account["active"], expected[&name]["active"], "{context}: {name}");
        }
        assert_one_account_each(&world.chat, 12, &context);
    }
}

#[tokio::test]
async fn sc3_a_lost_create_is_found_again_without_filters() {
    for filters in [What::FilterEverybody, What::FilterNobody, What::error(400, Some("invalidFilter"))] {
        for post in [What::LoseReply, What::StatusAfter(500), What::Empty { status: 201, location: false }, What::error(409, None)] {
            let context = format!("{filters:?} {post:?}");
            let world = World::new(4).await;
            world.import().await;
            world.chat.inject(Fault::listing(filters.clone()).with_query("filter="));
            world.chat.inject(Fault::on("POST", "/Users", post).times(2));
            world.provision_job().run().await.unwrap();
            world.clock.advance(DAY);
            settled(&world, &context).await;
            assert_one_account_each(&world.chat, 4, &context);
            assert_eq!(world.chat.effects().iter().filter(|effect| effect.kind == EffectKind::Create).count(), 4, "{context}");
        }
    }
}

#[tokio::test]
async fn sc4_without_trusted_filters_and_a_complete_listing_nobody_is_created() {
    for listing in [What::TotalIs(99), What::TextCounters, What::LeaveOut(1), What::NoTotal] {
        let world = World::new(4).await;
        world.import().await;
        (0..3).for_each(|number| drop(world.chat.put_user(json!({"userName": format!("other{number}"), "active": true}))));
        world.chat.inject(Fault::listing(What::FilterNobody).with_query("filter="));
        world.chat.inject(Fault::listing(listing.clone()));
        let report = world.provision_job().run().await.unwrap();
        assert_eq!((report.end, report.failed, writes(&world.chat)), (ProvisionEnd::Done, 4, 0), "{listing:?}");
        world.chat.clear_faults();
        world.clock.advance(DAY);
        world.provision().await;
        assert_eq!(world.counts("chat").await.linked, 4, "{listing:?}");
    }
}

#[tokio::test]
async fn b2_a_crash_of_an_import_at_any_request_leaves_no_trace() {
    let origin = World::new(250).await;
    origin.import().await;
    for number in 0..10 {
        let id = id_of(&origin.hr, &format!("user{number}"));
        match number {
            0..4 => edit(&origin.hr, &id, |user| user["title"] = "Chief".into()),
            4..7 => edit(&origin.hr, &id, |user| user["active"] = false.into()),
            _ => origin.hr.remove_user(&id),
        }
    }
    (250..255).for_each(|number| drop(origin.hr.put_user(user(number))));
    let people = "SELECT hex(id) || state || profile FROM person ORDER BY id";
    let undisturbed = origin.copy().await;
    undisturbed.import().await;
    undisturbed.import().await;
    let expected = undisturbed.query(people).await;
    for at in 1.. {
        let world = origin.copy().await;
        world.hr.inject(Fault::always(What::StallReply).nth(at));
        let mut job = world.import_job();
        job.object = "interrupted".to_owned();
        let run = tokio::spawn(async move { job.run().await });
        while (world.hr.ledger().len() as u64) < at && !run.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let reached = !run.is_finished();
        run.abort();
        let _ended = run.await;
        world.hr.clear_faults();
        let next = world.copy().await;
        if reached {
            let mut again = next.import_job();
            again.object = "interrupted".to_owned();
            again.run().await.unwrap();
        }
        next.import().await;
        assert_eq!(next.query(people).await, expected, "at request {at}");
        assert_eq!(next.counts("hr").await.linked, 252, "at request {at}");
        if !reached {
            assert!(at > 4, "{at} requests are too few for this test");
            return;
        }
    }
}
