use super::*;
use crate::{
    controller::testing,
    domain::{
        hash::DigestBuilder,
        id::RunId,
        report::Snapshot,
        safeguard::{ImportLimits, RemovalFigures},
    },
};

fn import_run() -> ImportRun {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "joinery.dev/v1alpha1", "kind": "ImportRun", "metadata": {"name": "hr", "namespace": "acme"},
        "spec": {"integrationRef": {"name": "hr"}, "type": "Full"},
    }))
    .unwrap()
}

fn report(end: ImportEnd, people: u64) -> ImportReport {
    let limits = ImportLimits { max_unassigned_percent: 0, min_population: 0, max_unassigned: Some(0) };
    let figures = RemovalFigures { planned: people, removed: people, population: people, live: people };
    let counts = ImportCounts {
        protected: people,
        new: people,
        matched: people,
        updated: people,
        unchanged: people,
        deactivated: people,
        suspended: people,
        unassigned: people,
        reactivated: people,
        pending: people,
        ignored: people,
        failed: people,
    };
    ImportReport {
        end,
        snapshot: Snapshot { records: people, pages: people, complete: false },
        digest: Some(DigestBuilder::new().finish()),
        plan: counts,
        applied: counts,
        safeguards: safeguard::import(figures, people, &limits),
        expires: None,
        finished: testing::now(),
    }
}

/// One of every end; texts of this length.
fn ends(length: usize) -> Vec<ImportEnd> {
    let text = || "m".repeat(length);
    let mut all = vec![
        ImportEnd::Applied,
        ImportEnd::NothingToDo,
        ImportEnd::PlanOnly,
        ImportEnd::Held,
        ImportEnd::Rejected,
        ImportEnd::ApprovalExpired,
        ImportEnd::StoreReplaced,
        ImportEnd::SnapshotIncomplete { problem: text() },
        ImportEnd::EmptySource,
        ImportEnd::PartiallyApplied,
        ImportEnd::AppFailed { reason: "Unreachable".to_owned(), message: text() },
    ];
    let causes = [StopCause::Suspended, StopCause::DeadlineExceeded, StopCause::Superseded, StopCause::Changed, StopCause::Shutdown];
    all.extend(causes.into_iter().map(|by| ImportEnd::Stopped { by }));
    for end in &all {
        match end {
            // No end, and nothing to be told as one.
            ImportEnd::Approved
            | ImportEnd::Applied
            | ImportEnd::NothingToDo
            | ImportEnd::PlanOnly
            | ImportEnd::Held
            | ImportEnd::Rejected
            | ImportEnd::ApprovalExpired
            | ImportEnd::StoreReplaced
            | ImportEnd::SnapshotIncomplete { .. }
            | ImportEnd::EmptySource
            | ImportEnd::PartiallyApplied
            | ImportEnd::AppFailed { .. } => {}
            ImportEnd::Stopped { by } => match by {
                StopCause::Suspended | StopCause::DeadlineExceeded | StopCause::Superseded | StopCause::Changed | StopCause::Shutdown => {}
            },
        }
    }
    all
}

fn stored(report: &ImportReport) -> StoredRun<ImportReport> {
    StoredRun { run: RunId(1), started: testing::now(), report: Some(report.clone()) }
}

#[test]
fn d3_an_import_of_any_number_of_people_is_a_small_status() {
    for people in [1_000_000, u64::MAX / 2] {
        for end in ends(1 << 20) {
            let report = report(end, people);
            let status = testing::written::<ImportRun>(over(&import_run(), Some(&stored(&report)), testing::now()).unwrap());
            assert_eq!(status["applied"]["failed"].as_u64(), Some(people));
        }
    }
}

#[test]
fn c4_every_end_of_an_import_that_is_no_success_says_what_to_do() {
    for end in ends(30) {
        let report = report(end.clone(), 7);
        let (reason, message) =
            testing::ready(&testing::written::<ImportRun>(over(&import_run(), Some(&stored(&report)), testing::now()).unwrap()));
        if !matches!(end, ImportEnd::Applied | ImportEnd::NothingToDo) {
            testing::assert_helps(reason, &message);
        }
    }
    for error in testing::app_errors() {
        let reason = reasons::of_app(&error);
        let report = report(ImportEnd::AppFailed { reason: reason.as_str().to_owned(), message: error.to_string() }, 7);
        let (said, message) =
            testing::ready(&testing::written::<ImportRun>(over(&import_run(), Some(&stored(&report)), testing::now()).unwrap()));
        assert_eq!(said, reason, "{error}");
        testing::assert_helps(said, &message);
    }
}

#[test]
fn an_approved_run_is_not_over_and_a_held_one_is_looked_at_when_it_expires() {
    let mut report = report(ImportEnd::Held, 300);
    report.expires = Some(testing::now() + jiff::SignedDuration::from_secs(90));
    let held = over(&import_run(), Some(&stored(&report)), testing::now()).unwrap();
    assert_eq!(held.outcome.next_visit(), Duration::from_secs(90));
    assert!(held.status.completion_time.is_none() && held.status.plan.unwrap().expires.is_some());
    report.approve();
    assert!(over(&import_run(), Some(&stored(&report)), testing::now()).is_none());
    report.end = ImportEnd::Applied;
    let applied = over(&import_run(), Some(&stored(&report)), testing::now()).unwrap().status;
    assert_eq!(applied.verdict, Some(RunVerdict::Approved));
    assert!(applied.safeguards.iter().any(|rule| rule.verdict == crate::api::status::SafeguardVerdict::Approved));
}
