//! What an edit of the spec stops: nothing more is begun under the old one, and the run is begun afresh.

use std::time::Duration;

use joinery::{
    domain::report::{ImportEnd, StopCause},
    engine::RunError,
};

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, requests},
};

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
