//! A reactivation is two requests. What ends between them leaves an account active, and a link that says so: who leaves then
//! loses it, and who stays gets the rest.

use crate::{
    support::scripted_app::{EffectKind, Fault, What},
    world::{World, edit, effects, id_of, requests},
};

/// One of five people is back under another title; the account is inactive and has the old one.
async fn returner() -> World {
    let world = World::new(5).await;
    world.import().await;
    world.provision().await;
    be(&world, false, "Clerk").await;
    assert_eq!(world.provision().await.applied.deactivate, 1);
    // Whoever comes back changed waits for a decision (SO-4).
    be(&world, true, "Clerk").await;
    be(&world, true, "Chief").await;
    world.chat.clear_ledger();
    world
}

async fn be(world: &World, active: bool, title: &str) {
    edit(&world.hr, &id_of(&world.hr, "user2"), |user| {
        user["active"] = active.into();
        user["title"] = title.into();
    });
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    import.run().await.unwrap();
}

/// `active` and the title of the account.
fn account(world: &World) -> (bool, String) {
    let account = world.chat.user(&id_of(&world.chat, "user2"));
    (account["active"].as_bool().unwrap(), account["title"].as_str().unwrap_or_default().to_owned())
}

/// What ends the reactivation at which of its two PATCHes, having made the account active.
fn ends() -> [(u64, What); 6] {
    [
        (1, What::LoseReply),
        (1, What::StatusAfter(500)),
        (2, What::Drop),
        (2, What::error(500, None)),
        (2, What::error(400, Some("invalidValue"))),
        (2, What::error(401, None)),
    ]
}

/// The world after a reactivation that was killed between its two requests.
async fn killed() -> World {
    let world = returner().await;
    world.chat.inject(Fault::on("PATCH", "/Users/*", What::StallReply).nth(1));
    world.killed_once(|world| account(world).0).await
}

async fn interrupted(at: u64, what: What) -> World {
    let world = returner().await;
    world.chat.inject(Fault::on("PATCH", "/Users/*", what).nth(at));
    let report = world.provision_job().run().await.unwrap();
    assert_eq!((report.applied.reactivate, account(&world).0), (0, true), "{report:?}");
    world.chat.clear_faults();
    world
}

#[tokio::test]
async fn ru2_who_leaves_while_a_reactivation_is_half_done_loses_the_account() {
    let mut worlds = vec![("killed".to_owned(), killed().await)];
    for (at, what) in ends() {
        worlds.push((format!("{what:?} at PATCH {at}"), interrupted(at, what).await));
    }
    for (context, world) in worlds {
        be(&world, false, "Chief").await;
        world.provision_job().run().await.unwrap();
        // A kill is settled by the pass that meets it; everything else is known at once.
        world.provision().await;
        assert!(!account(&world).0, "{context}: the account is active, and no link says so");
    }
}

#[tokio::test]
async fn ru2_who_stays_while_a_reactivation_is_half_done_gets_the_rest_once() {
    let mut worlds = vec![("killed".to_owned(), killed().await)];
    for (at, what) in ends() {
        worlds.push((format!("{what:?} at PATCH {at}"), interrupted(at, what).await));
    }
    for (context, world) in worlds {
        let before = effects(&world.chat, EffectKind::Activate);
        let report = world.provision().await;
        assert_eq!((report.plan.update, report.plan.reactivate), (1, 0), "{context}");
        assert_eq!(account(&world), (true, "Chief".to_owned()), "{context}");
        assert_eq!(effects(&world.chat, EffectKind::Activate), before, "{context}: it was active");
        assert_eq!(world.counts("chat").await.linked, 5, "{context}");
    }
}

#[tokio::test]
async fn rl3_what_is_refused_after_a_reactivation_waits_for_its_time() {
    let world = returner().await;
    world.chat.inject(Fault::on("PATCH", "/Users/*", What::error(400, Some("invalidValue"))).from(2));
    let first = world.provision_job().run().await.unwrap();
    assert!(first.next_attempt.is_some(), "{first:?}");
    let second = world.provision_job().run().await.unwrap();
    assert_eq!((second.failed, requests(&world.chat, "PATCH")), (1, 3), "once more, as an update");
    let third = world.provision_job().run().await.unwrap();
    assert_eq!((third.failed, requests(&world.chat, "PATCH")), (1, 3), "not asked again before its time");
}
