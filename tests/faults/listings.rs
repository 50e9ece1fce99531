//! A2: a listing that is not proved complete removes nobody and counts nothing.

use joinery::domain::report::{ImportEnd, ImportReport};

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, id_of},
};

const USERS: usize = 250;
const GONE: usize = 5;

/// Pages begin here; the last lies beyond the end.
const STARTS: [u32; 4] = [1, 101, 201, 246];

fn faults() -> Vec<(String, Fault)> {
    let total = USERS - GONE;
    let mut faults = Vec::new();
    for start in STARTS {
        let query = format!("startIndex={start}&");
        let mut on_page = |what: What| faults.push((format!("{what:?} at {start}"), Fault::listing(what).with_query(&query)));
        for status in [500, 502, 401, 403] {
            on_page(What::error(status, None));
        }
        // A first page that is refused is asked for in simpler ways.
        if start > 1 {
            on_page(What::error(400, None));
            on_page(What::error(422, None));
        }
        on_page(What::html(200));
        on_page(What::json("{}"));
        on_page(What::json("[]"));
        on_page(What::CutBody);
        on_page(What::Drop);
        on_page(What::redirect(302, "http://127.0.0.1/login"));
        // Beyond the end an empty page is right, and so is 404.
        if start < 246 {
            on_page(What::status(404));
            on_page(What::html(404));
            on_page(What::EmptyPage);
            on_page(What::DuplicateId);
            on_page(What::MissingId);
            on_page(What::NumericId);
            on_page(What::TotalIs(total as u64 + 1));
            on_page(What::TotalIs(total as u64 - 1));
        }
    }
    for what in [
        What::TotalIs(total as u64 + 1),
        What::TotalIs(total as u64 - 1),
        What::TotalIs(100),
        What::TotalIs(0),
        What::TextCounters,
        What::Overlap(1),
        What::IgnoreStartIndex,
        What::SilentCap(200),
        What::SilentCap(100),
        What::LeaveOut(1),
        What::NoTotal,
        What::NoSchemas,
        What::EmptyPage,
    ] {
        faults.push((format!("{what:?}"), Fault::listing(what)));
    }
    faults
}

fn assert_refused(report: &ImportReport, fault: &str) {
    match &report.end {
        ImportEnd::SnapshotIncomplete { problem } => assert!(!problem.is_empty(), "{fault}"),
        ImportEnd::AppFailed { reason, message } => assert!(!reason.is_empty() && !message.is_empty(), "{fault}"),
        ImportEnd::EmptySource => {}
        other => panic!("{fault}: {other:?}"),
    }
    assert_eq!(report.applied.changes(), 0, "{fault}");
}

#[tokio::test]
async fn a2_incomplete_listing_removes_nobody() {
    let world = World::new(USERS).await;
    world.import().await;
    let before = world.dump().await;
    (0..GONE).for_each(|number| world.hr.remove_user(&id_of(&world.hr, &format!("user{number}"))));
    for (name, fault) in faults() {
        world.hr.inject(fault);
        assert_refused(&world.import_job().run().await.unwrap(), &name);
        world.hr.clear_faults();
        assert!(world.dump().await == before, "{name} has changed the directory");
    }
    // None of these has counted: the first complete import is the first time they are missing.
    assert_eq!(world.import().await.applied.changes(), 0);
    assert_eq!(world.query("SELECT CAST(sum(missing) AS TEXT) FROM account").await, [GONE.to_string()]);
    assert_eq!(world.counts("hr").await.linked, USERS as u64);
    assert_eq!(world.import().await.applied.unassigned, GONE as u64);
}

#[tokio::test]
async fn a2_what_is_odd_but_complete_is_complete() {
    for what in [What::ShortPages(7), What::IgnorePaging, What::MaxCount(50)] {
        let world = World::new(50).await;
        world.import().await;
        world.hr.inject(Fault::listing(what.clone()));
        assert_eq!(world.import().await.plan.unchanged, 50, "{what:?}");
    }
}

#[tokio::test]
async fn ls3_a_listing_that_fails_twice_is_read_a_third_time() {
    let world = World::new(250).await;
    world.hr.inject(Fault::listing(What::error(500, None)).with_query("startIndex=101&").times(2));
    let report = world.import().await;
    assert_eq!((report.applied.new, report.snapshot.records, report.snapshot.complete), (250, 250, true));
}
