//! What an edit of the spec stops: nothing more is begun under the old one, and the run is begun afresh.

use std::time::Duration;

use joinery::{
    domain::report::{ImportEnd, ProvisionEnd, StopCause},
    engine::RunError,
};

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, assert_one_account_each, requests, writes},
};

const CONCURRENCY: usize = 3;

#[tokio::test]
async fn a12_after_an_edit_a_pass_begins_no_more_writes_and_the_next_one_does_the_rest() {
    let world = World::new(60).await;
    world.import().await;
    world.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(20))));
    let job = world.provision_job_of(world.target(3));
    let stop = job.stop.clone();
    let pass = tokio::spawn(async move { job.run().await });
    while requests(&world.chat, "POST") < 8 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.stop(StopCause::Changed);
    let at_the_stop = writes(&world.chat);
    let report = pass.await.unwrap().unwrap();
    assert_eq!(report.end, ProvisionEnd::Stopped { by: StopCause::Changed });
    let at_the_end = writes(&world.chat);
    assert!(at_the_end <= at_the_stop + CONCURRENCY, "{at_the_stop} {at_the_end}");
    assert_eq!(report.applied.create, at_the_end as u64, "what was done is told");
    world.chat.clear_faults();
    world.provision().await;
    assert_one_account_each(&world.chat, 60, "after the rest");
}

#[tokio::test]
async fn a12_after_an_edit_an_import_changes_nobody_and_the_same_run_goes_by_the_new_spec() {
    let world = World::new(250).await;
    world.hr.inject(Fault::listing(What::Delay(Duration::from_millis(50))));
    let mut job = world.import_job();
    job.object = "edited".to_owned();
    let mut again = world.import_job();
    let stop = job.stop.clone();
    let import = tokio::spawn(async move { job.run().await });
    while requests(&world.hr, "GET") < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.stop(StopCause::Changed);
    let end = import.await.unwrap();
    assert!(matches!(end, Err(RunError::Stopped(StopCause::Changed))), "not over: {end:?}");
    assert_eq!(world.rows("person").await.len(), 0);

    world.hr.clear_faults();
    again.object = "edited".to_owned();
    again.rules.confirmation.new_automatic = false;
    let report = again.run().await.unwrap();
    assert_eq!((report.end, report.plan.pending), (ImportEnd::NothingToDo, 250));
    assert_eq!(world.rows("person").await.len(), 0, "the new spec confirms nobody by itself");
}
