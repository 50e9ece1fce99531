//! C1: an app that throttles its import holds up no other.

use std::time::Duration;

use joinery::{
    domain::{
        hash::ShortHash,
        report::{ImportEnd, StopCause},
    },
    engine::{
        RunError,
        jobs::{Inputs, Jobs},
    },
    store::Store as _,
};
use tokio::sync::mpsc;

use crate::{
    support::scripted_app::{Fault, What},
    world::World,
};

#[tokio::test]
async fn c1_a_throttled_import_gives_its_place_back_and_is_taken_up_again() {
    let world = World::new(3).await;
    world.hr.inject(Fault::listing(What::retry_after(429, "3600")).times(1));
    let (first, mut again) = (world.import_job(), world.import_job());
    again.object.clone_from(&first.object);
    let object = first.object.clone();
    let (finished, mut ended) = mpsc::unbounded_channel();
    let jobs = Jobs::new(1, |_: &&str, _: &&str| false, finished);
    let inputs = Inputs { fingerprint: ShortHash::of(b"1"), terms: ShortHash::of(b"1") };
    jobs.poll(&"throttled", inputs, |_| false, |_| async move { first.run().await.map(|report| report.end) });
    jobs.poll(&"other", inputs, |_| false, |_| async { Ok(ImportEnd::NothingToDo) });
    assert_eq!((ended.recv().await, ended.recv().await), (Some("throttled"), Some("other")), "in one place, one after the other");
    let result = jobs.last(&"throttled").unwrap();
    let Err(RunError::RateLimited { until }) = &*result else { panic!("{result:?}") };
    let wait = until.duration_since(joinery::clock::Clock::now(&joinery::clock::SystemClock)).as_secs();
    assert!((3_590..=4_000).contains(&wait), "as the app says, and some jitter: {wait} s");
    assert_eq!(world.store.import_run(&object).await.unwrap().unwrap().report, None, "it is not over");

    assert_eq!(again.run().await.unwrap().applied.new, 3);
    jobs.shut_down().await;
}

#[tokio::test]
async fn rl2_a_short_pause_is_waited_for() {
    let world = World::new(3).await;
    world.hr.inject(Fault::listing(What::retry_after(429, "1")).times(1));
    assert_eq!(world.import().await.applied.new, 3);
}

#[tokio::test]
async fn td3_a_run_whose_time_is_over_ends_though_its_app_throttles() {
    let world = World::new(3).await;
    world.hr.inject(Fault::listing(What::retry_after(429, "3600")));
    let job = world.import_job();
    job.stop.stop_after(Duration::ZERO, StopCause::DeadlineExceeded);
    assert_eq!(job.run().await.unwrap().end, ImportEnd::Stopped { by: StopCause::DeadlineExceeded });
}
