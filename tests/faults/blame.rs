//! Whose failure it is: one person's, or the app's (RU-5, SC-9).

use joinery::domain::report::ProvisionEnd;

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, assert_one_account_each, edit, id_of, requests, user},
};

const PEOPLE: usize = 30;

/// Everybody has an account, and one person has left.
async fn leaver() -> World {
    let world = World::new(PEOPLE).await;
    world.import().await;
    world.provision().await;
    edit(&world.hr, &id_of(&world.hr, "user7"), |user| user["active"] = false.into());
    world.import().await;
    world
}

fn is_active(world: &World) -> bool {
    world.chat.user(&id_of(&world.chat, "user7"))["active"] == true
}

#[tokio::test]
async fn sc9_a_gateway_that_answers_404_to_everything_ends_no_link() {
    let world = leaver().await;
    world.chat.inject(Fault::on("PATCH", "*", What::html(404)));
    world.chat.inject(Fault::on("GET", "*", What::html(404)));
    let report = world.provision_job().run().await.unwrap();
    assert_eq!((report.applied.deactivate, world.counts("chat").await.linked), (0, PEOPLE as u64), "{report:?}");
    assert!(is_active(&world));

    world.chat.clear_faults();
    let mut job = world.provision_job();
    job.retry_failed = true;
    assert_eq!(job.run().await.unwrap().applied.deactivate, 1);
    assert!(!is_active(&world), "the leaver loses the account once the app is back");
}

#[tokio::test]
async fn sc9_an_account_that_is_gone_in_the_app_counts_as_removed() {
    let world = leaver().await;
    world.chat.remove_user(&id_of(&world.chat, "user7"));
    let report = world.provision().await;
    assert_eq!((&report.end, report.applied.deactivate), (&ProvisionEnd::Done, 1));
    assert_eq!(world.counts("chat").await.linked, PEOPLE as u64 - 1);
}

#[tokio::test]
async fn ru5_a_lookup_that_fails_for_one_person_holds_up_nobody_else() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    world.provision().await;
    for number in [PEOPLE, PEOPLE + 1] {
        world.hr.put_user(user(number));
    }
    world.import().await;
    let unlucky = format!("user{PEOPLE}%22");
    let unlucky: &'static str = Box::leak(unlucky.into_boxed_str());
    world.chat.inject(Fault::on("GET", "/Users", What::error(500, None)).with_query(unlucky));
    let report = world.provision_job().run().await.unwrap();
    assert_eq!((&report.end, report.applied.create, report.failed), (&ProvisionEnd::Done, 1, 1), "{report:?}");
    assert!(report.next_attempt.is_some(), "it is tried again");

    world.chat.clear_faults();
    let mut job = world.provision_job();
    job.retry_failed = true;
    assert_eq!(job.run().await.unwrap().applied.create, 1);
    assert_one_account_each(&world.chat, PEOPLE + 2, "after the rest");
}

#[tokio::test]
async fn ru5_what_cannot_be_settled_leaves_one_person_waiting_and_nobody_else() {
    let world = leaver().await;
    world.chat.inject(Fault::on("PATCH", "/Users/*", What::StallReply));
    let world = world.killed_once(|world| !is_active(world)).await;
    world.hr.put_user(user(PEOPLE));
    world.import().await;

    let id: &'static str = Box::leak(format!("/Users/{}", id_of(&world.chat, "user7")).into_boxed_str());
    world.chat.inject(Fault::on("GET", id, What::error(500, None)));
    let writes_before = requests(&world.chat, "PATCH");
    let report = world.provision_job().run().await.unwrap();
    assert_eq!((&report.end, report.applied.create, report.failed), (&ProvisionEnd::Done, 1, 1), "{report:?}");
    assert_eq!(requests(&world.chat, "PATCH"), writes_before, "nothing is sent again before it is settled");
    assert_eq!(world.rows("intent").await.len(), 1, "it stays open");

    world.chat.clear_faults();
    world.provision().await;
    assert_eq!((world.rows("intent").await.len(), requests(&world.chat, "PATCH")), (0, writes_before), "it was done already");
    assert_eq!(world.counts("chat").await.linked, PEOPLE as u64);
}
