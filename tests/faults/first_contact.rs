//! A14: an integration that is new changes nothing, neither in the app nor in the directory, until it is told to.

use joinery::{
    domain::{
        import_decision::Confirmation,
        report::{ImportEnd, ProvisionEnd},
    },
    engine::{Mode, provision::ProvisionJob},
};
use serde_json::json;

use crate::{
    bench::connect,
    support::{
        long::scaled,
        scripted_app::{EffectKind, Options, ScriptedApp},
    },
    world::{World, effects, requests, writes},
};

fn existing() -> usize {
    scaled(250, 5000)
}

/// Everybody in the directory; in the target accounts of theirs that look different, and as many of nobody.
async fn before_the_first_pass() -> World {
    let world = World::new(existing() / 2).await;
    world.import().await;
    for number in 0..existing() / 2 {
        world.chat.put_user(json!({"userName": format!("user{number}"), "active": true, "title": "Other"}));
        world.chat.put_user(json!({"userName": format!("stranger{number}"), "active": number % 2 == 0}));
    }
    world
}

/// A pass that may do everything, but for what `change` takes away.
async fn pass_without(world: &World, change: impl FnOnce(&mut ProvisionJob)) -> ProvisionEnd {
    world.chat.clear_ledger();
    let mut job = world.provision_job();
    change(&mut job);
    job.run().await.unwrap().end
}

#[tokio::test]
async fn a14_asking_what_an_app_can_do_reads_a_handful_of_times() {
    let app = ScriptedApp::with_users(existing(), Options::default()).await;
    let connector = connect(&app);
    connector.check().await.unwrap();
    connector.discover().await.unwrap();
    assert_eq!((writes(&app), app.effects().len()), (0, 0));
    assert!(app.ledger().len() <= 8, "{} requests", app.ledger().len());
}

#[tokio::test]
async fn a14_without_any_one_of_what_enables_it_nothing_is_written_to_the_app() {
    let world = before_the_first_pass().await;
    let accounts = world.chat.users();
    let switches_off = |job: &mut ProvisionJob| {
        (job.rules.create_users, job.rules.update_user_attributes, job.rules.deactivate_users) = (false, false, false);
    };
    let left_out = [
        ("mode", (|job| job.mode = Mode::default()) as fn(&mut ProvisionJob)),
        ("assignments", |job| job.rules.assignments.clear()),
        ("switches", switches_off),
    ];
    for (what, change) in left_out {
        let end = pass_without(&world, change).await;
        assert!(matches!(end, ProvisionEnd::Done | ProvisionEnd::PlanOnly), "{what}: {end:?}");
        assert_eq!((writes(&world.chat), world.chat.effects().len()), (0, 0), "{what}");
        assert!(world.chat.users() == accounts, "{what}: an account has changed");
    }
}

#[tokio::test]
async fn a14_each_switch_enables_its_own_writes_and_no_others() {
    let world = before_the_first_pass().await;
    world.hr.put_user(crate::world::user(existing()));
    world.import().await;
    pass_without(&world, |job| job.rules.create_users = false).await;
    assert_eq!(effects(&world.chat, EffectKind::Create), 0, "createUsers is left out");
    let other = before_the_first_pass().await;
    pass_without(&other, |job| job.rules.update_user_attributes = false).await;
    assert_eq!(effects(&other.chat, EffectKind::Update), 0, "updateUserAttributes is left out");
    for (id, user) in world.hr.users() {
        world.hr.put_user(json!({"id": id, "userName": user["userName"], "active": false}));
    }
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    import.run().await.unwrap();
    pass_without(&world, |job| job.rules.deactivate_users = false).await;
    assert_eq!((effects(&world.chat, EffectKind::Deactivate), requests(&world.chat, "DELETE")), (0, 0), "deactivateUsers is left out");
    for number in 0..existing() / 2 {
        let stranger = world.chat.user(&crate::world::id_of(&world.chat, &format!("stranger{number}")));
        assert_eq!((&stranger["active"], &stranger["externalId"]), (&json!(number % 2 == 0), &json!(null)), "whoever is nobody's");
    }
}

#[tokio::test]
async fn a14_a_first_import_changes_no_person_until_a_confirmation_is_automatic_and_the_mode_is_enforce() {
    let world = World::new(existing()).await;
    let empty = world.dump().await;
    let mut planned = world.import_job();
    planned.mode = Mode::default();
    let report = planned.run().await.unwrap();
    assert_eq!((report.end, report.plan.new), (ImportEnd::PlanOnly, existing() as u64));
    assert_eq!(world.rows("person").await, Vec::<String>::new());
    let without_numbers = |rows: Vec<String>| rows.into_iter().filter(|row| !row.starts_with("organisation")).collect::<Vec<_>>();
    assert_eq!(without_numbers(world.dump().await), without_numbers(empty));
    let mut manual = world.import_job();
    manual.rules.confirmation = Confirmation::default();
    let report = manual.run().await.unwrap();
    assert_eq!((report.applied.changes(), report.plan.pending), (0, existing() as u64), "{report:?}");
    assert_eq!((world.rows("person").await, world.counts("hr").await.pending), (Vec::new(), existing() as u64));
    assert_eq!((writes(&world.hr), writes(&world.chat)), (0, 0));
}
