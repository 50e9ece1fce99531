//! What stops a pass in the middle: suspension, credentials that are refused.

use std::time::Duration;

use joinery::domain::report::{ProvisionEnd, StopCause};

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, assert_one_account_each, requests, writes},
};

const CONCURRENCY: usize = 3;

#[tokio::test]
async fn a12_ai7_after_a_suspension_or_an_edit_no_more_writes_begin_than_are_under_way() {
    for cause in [StopCause::Suspended, StopCause::Changed] {
        let world = World::new(60).await;
        world.import().await;
        world.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(20))));
        let job = world.provision_job_of(world.target(3));
        let stop = job.stop.clone();
        let pass = tokio::spawn(async move { job.run().await });
        while requests(&world.chat, "POST") < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.stop(cause);
        let at_the_stop = writes(&world.chat);
        let report = pass.await.unwrap().unwrap();
        assert_eq!(report.end, ProvisionEnd::Stopped { by: cause });
        let at_the_end = writes(&world.chat);
        assert!(at_the_end <= at_the_stop + CONCURRENCY, "{cause:?}: {at_the_stop} {at_the_end}");
        assert_eq!((report.applied.create, report.failed), (at_the_end as u64, 0), "what was done is told");
        world.chat.clear_faults();
        world.provision().await;
        assert_one_account_each(&world.chat, 60, "after the rest");
    }
}

#[tokio::test]
async fn e4_ai4_a_401_in_the_middle_stops_the_writes_and_is_nobodys_failure() {
    let world = World::new(60).await;
    world.import().await;
    world.chat.inject(Fault::on("POST", "/Users", What::error(401, None)).from(11));
    let report = world.provision_job_of(world.target(3)).run().await.unwrap();
    let ProvisionEnd::AppFailed { reason: said, .. } = &report.end else { panic!("{:?}", report.end) };
    assert_eq!((said.as_str(), report.failed, report.applied.create), ("Unauthorized", 0, 10));
    let ledger = world.chat.ledger();
    let eleventh = ledger.iter().enumerate().filter(|(_, entry)| entry.method == "POST").nth(10).unwrap().0;
    assert!(ledger.len() - eleventh - 1 <= CONCURRENCY, "{} requests after the refusal", ledger.len() - eleventh - 1);
    world.chat.clear_faults();
    world.provision().await;
    assert_one_account_each(&world.chat, 60, "after the rest");
}

#[tokio::test]
async fn ru5_an_account_that_the_app_refuses_to_touch_holds_up_nobody_else() {
    let world = World::new(60).await;
    world.import().await;
    world.chat.inject(Fault::on("POST", "/Users", What::error(403, None)).from(11).times(1));
    let report = world.provision_job_of(world.target(3)).run().await.unwrap();
    assert_eq!((&report.end, report.failed, report.applied.create), (&ProvisionEnd::Done, 1, 59));
    assert!(report.next_attempt.is_some(), "it is tried again");
}

#[tokio::test]
async fn ru5_an_app_that_refuses_to_touch_anybody_is_left_alone() {
    let world = World::new(60).await;
    world.import().await;
    world.chat.inject(Fault::on("POST", "/Users", What::error(403, None)).from(11));
    let report = world.provision_job_of(world.target(3)).run().await.unwrap();
    let ProvisionEnd::AppFailed { reason: said, .. } = &report.end else { panic!("{:?}", report.end) };
    assert_eq!((said.as_str(), report.applied.create), ("Forbidden", 10));
    assert!(requests(&world.chat, "POST") <= 10 + 10 + CONCURRENCY, "{} POSTs", requests(&world.chat, "POST"));
    assert_eq!(world.chat.users().len(), 10);
}
