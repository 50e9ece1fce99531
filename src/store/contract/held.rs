//! Plans that a limit holds, and decisions on them (SG-9 to SG-11).

use super::*;
use crate::{
    domain::{
        approval::{Answer, CandidatesDecided, Decision, DecisionRecord, Hold, HoldFigures, HoldState},
        hash::{Digest, DigestBuilder},
        report::{ActionClass, StopCause},
    },
    store::{Ruling, StoreError},
};

fn digest(plan: &str) -> Digest {
    let mut digest = DigestBuilder::new();
    digest.part(plan.as_bytes());
    digest.finish()
}

pub(crate) fn hold_of(plan: &str) -> Hold {
    Hold { digest: digest(plan), expires: at(100), terms: rules(), figures: HoldFigures::default() }
}

fn decision(approval: &str, object: &str, plan: &str, decision: Decision) -> DecisionRecord {
    let (approval, object) = (approval.to_owned(), object.to_owned());
    DecisionRecord {
        approval,
        approver: None,
        object,
        digest: digest(plan),
        decision,
        plan_only: false,
        candidates: CandidatesDecided::None,
    }
}

/// An import that is held with this plan.
async fn held(store: &impl Store, hr: &IntegrationKey, object: &str, plan: &str, actions: &[ImportAction]) -> HoldState {
    let claim = store.claim(hr, Direction::ToDirectory, object, at(1)).await.unwrap();
    store.stage(&claim, &[staged("1", "ada")]).await.unwrap();
    store.plan_import(&claim, actions).await.unwrap();
    let state = store.hold(&claim, &hold_of(plan)).await.unwrap();
    let end = if state == HoldState::Rejected { ImportEnd::Rejected } else { ImportEnd::Held };
    let report = ImportReport { end, digest: Some(digest(plan)), ..import_report(ImportCounts::default(), 1) };
    store.finish_import(&claim, &report).await.unwrap();
    state
}

async fn end_of(store: &impl Store, object: &str) -> ImportEnd {
    store.import_run(object).await.unwrap().unwrap().report.unwrap().end
}

fn answered(answer: Answer) -> Ruling {
    Ruling::Answered { answer, new: true }
}

pub(crate) async fn sg9_a_held_plan_stays_as_it_is_until_a_newer_one_comes(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    import(&store, &hr, 0, &[create(&hr, "1", "ada")]).await;
    let plan = [end(person(&hr, "1"), "1")];
    assert_eq!(held(&store, &hr, "held", "a", &plan).await, HoldState::Held);
    // An import that makes no plan supersedes nothing.
    let claim = store.claim(&hr, Direction::ToDirectory, "incomplete", at(2)).await.unwrap();
    store.stage(&claim, &[staged("2", "bob")]).await.unwrap();
    store.finish_import(&claim, &import_report(ImportCounts::default(), 2)).await.unwrap();
    assert_eq!(store.held(&hr, Direction::ToDirectory, "held").await.unwrap().unwrap().state, HoldState::Held);
    let record = decision("one", "held", "a", Decision::Approve);
    store.decide(&hr, Direction::ToDirectory, &record, at(3)).await.unwrap();
    let released = store.resume_import(&hr, "held").await.unwrap().unwrap();
    assert_eq!(store.import_actions(&released.claim, None, 9).await.unwrap(), plan);
    assert_eq!(store.staged_page(&released.claim, None, 9).await.unwrap().len(), 1, "and its listing");
    // A newer plan takes its place, approved or not.
    let claim = store.claim(&hr, Direction::ToDirectory, "newer", at(4)).await.unwrap();
    let newer = ImportReport { digest: Some(digest("b")), ..import_report(ImportCounts::default(), 4) };
    store.finish_import(&claim, &newer).await.unwrap();
    assert_eq!(end_of(&store, "held").await, ImportEnd::Stopped { by: StopCause::Superseded });
    assert_eq!(store.resume_import(&hr, "held").await.unwrap(), None);
    assert_eq!(store.released_import(&hr).await.unwrap(), None);
    let late = store.apply_released_import(&released.claim, None, 9, rules(), at(5)).await;
    assert!(matches!(late, Err(StoreError::LostEpoch)), "{late:?}");
    assert_eq!(store.account_counts(&hr).await.unwrap().linked, 1);
}

pub(crate) async fn sg11_a_decision_counts_once_and_is_recorded_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let decide = async |record: DecisionRecord, second| store.decide(&hr, Direction::ToDirectory, &record, at(second)).await.unwrap();
    assert_eq!(decide(decision("early", "held", "a", Decision::Approve), 1).await, Ruling::NotYet);
    held(&store, &hr, "held", "a", &[]).await;
    assert_eq!(decide(decision("other", "held", "b", Decision::Approve), 2).await, answered(Answer::DigestMismatch));
    assert_eq!(end_of(&store, "held").await, ImportEnd::Held);
    let approve = || decision("one", "held", "a", Decision::Approve);
    assert_eq!(decide(DecisionRecord { plan_only: true, approval: "plan".to_owned(), ..approve() }, 2).await, answered(Answer::PlanOnly));
    assert_eq!(decide(approve(), 3).await, answered(Answer::Applied));
    assert_eq!(end_of(&store, "held").await, ImportEnd::Approved);
    assert_eq!(store.released_import(&hr).await.unwrap().as_deref(), Some("held"));
    for (second, record) in [(4, approve()), (200, DecisionRecord { decision: Decision::Reject, ..approve() })] {
        assert_eq!(decide(record, second).await, Ruling::Answered { answer: Answer::Applied, new: false }, "shown again");
    }
    assert_eq!(store.answer_to("one").await.unwrap(), Some(Answer::Applied));
    assert_eq!(decide(decision("two", "held", "a", Decision::Approve), 4).await, answered(Answer::AlreadyUsed));
    assert_eq!(decide(decision("three", "held", "a", Decision::Reject), 4).await, answered(Answer::AlreadyUsed));
    assert_eq!(end_of(&store, "held").await, ImportEnd::Approved);
    assert_eq!(store.answer_to("early").await.unwrap(), None, "what was not decided is not recorded");
    let of_another = store.decide(&key("crm"), Direction::ToDirectory, &decision("four", "held", "a", Decision::Approve), at(4)).await;
    assert_eq!(of_another.unwrap(), Ruling::NotYet);
}

pub(crate) async fn sg11_a_late_decision_ends_the_import(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    held(&store, &hr, "late", "a", &[]).await;
    store.expire_import(&hr, "late", at(99)).await.unwrap();
    assert_eq!(end_of(&store, "late").await, ImportEnd::Held, "not yet");
    let record = decision("one", "late", "a", Decision::Approve);
    assert_eq!(store.decide(&hr, Direction::ToDirectory, &record, at(100)).await.unwrap(), answered(Answer::Expired));
    assert_eq!(end_of(&store, "late").await, ImportEnd::ApprovalExpired);
    held(&store, &hr, "forgotten", "b", &[]).await;
    store.expire_import(&hr, "forgotten", at(100)).await.unwrap();
    assert_eq!(end_of(&store, "forgotten").await, ImportEnd::ApprovalExpired);
    let record = decision("two", "forgotten", "b", Decision::Approve);
    assert_eq!(store.decide(&hr, Direction::ToDirectory, &record, at(101)).await.unwrap(), answered(Answer::Expired));
    assert_eq!(store.resume_import(&hr, "forgotten").await.unwrap(), None);
}

pub(crate) async fn sg11_a_rejected_digest_is_not_asked_for_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    held(&store, &hr, "first", "a", &[]).await;
    let record = decision("one", "first", "a", Decision::Reject);
    assert_eq!(store.decide(&hr, Direction::ToDirectory, &record, at(2)).await.unwrap(), answered(Answer::Applied));
    assert_eq!(end_of(&store, "first").await, ImportEnd::Rejected);
    assert_eq!(held(&store, &hr, "again", "a", &[]).await, HoldState::Rejected);
    assert_eq!(held(&store, &hr, "other", "b", &[]).await, HoldState::Held);
    assert_eq!(held(&store, &key("crm"), "elsewhere", "a", &[]).await, HoldState::Held);
}

pub(crate) async fn sg11_an_approved_import_goes_on_where_it_was(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let people = ["1", "2", "3", "4"];
    import(&store, &hr, 0, &people.map(|app_id| create(&hr, app_id, app_id))).await;
    held(&store, &hr, "held", "a", &people.map(|app_id| end(person(&hr, app_id), app_id))).await;
    store.decide(&hr, Direction::ToDirectory, &decision("one", "held", "a", Decision::Approve), at(2)).await.unwrap();
    let first = store.resume_import(&hr, "held").await.unwrap().unwrap();
    assert_eq!((first.applied_to.clone(), first.terms), (None, rules()));
    store.refuse_import(&first.claim, &[id("2")]).await.unwrap();
    let (counts, last) = store.apply_released_import(&first.claim, None, 2, rules(), at(3)).await.unwrap().unwrap();
    assert_eq!((counts.unassigned, counts.failed, &last), (1, 1, &id("2")));
    drop(store);

    let store = fixture.open().await;
    let again = store.resume_import(&hr, "held").await.unwrap().unwrap();
    assert_eq!((again.claim.run, again.applied_to.clone(), again.report.applied), (first.claim.run, Some(last), counts));
    let stale = store.apply_released_import(&first.claim, None, 9, rules(), at(3)).await;
    assert!(matches!(stale, Err(StoreError::LostEpoch)), "{stale:?}");
    let rest = store.apply_released_import(&again.claim, again.applied_to.as_ref(), 9, rules(), at(4)).await.unwrap().unwrap();
    assert_eq!((rest.0.unassigned, rest.0.failed), (2, 0));
    assert_eq!(store.apply_released_import(&again.claim, Some(&rest.1), 9, rules(), at(4)).await.unwrap(), None);
    assert_eq!(store.account_counts(&hr).await.unwrap().linked, 1, "whom nobody would take away now stays");
    let report = ImportReport { end: ImportEnd::PartiallyApplied, ..again.report.clone() };
    store.finish_import(&again.claim, &report).await.unwrap();
    assert_eq!(store.resume_import(&hr, "held").await.unwrap(), None);
    assert_eq!(store.held(&hr, Direction::ToDirectory, "held").await.unwrap().unwrap().state, HoldState::Done);
    // Table of §8, row 10: what was approved is not part of W.
    let next = store.claim(&hr, Direction::ToDirectory, "next", at(5)).await.unwrap();
    assert_eq!(store.import_removals(&next, at(0)).await.unwrap().removed, 0);
}

pub(crate) async fn sg11_exactly_the_approved_actions_are_released(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let app = key("app");
    let ids = ["1", "2", "3", "4"].map(|app_id| person(&app, app_id));
    import(&store, &app, 0, &["1", "2", "3", "4"].map(|app_id| create(&app, app_id, app_id))).await;
    let claim = pass(&store, &app).await;
    let changed = |action: ProvisionAction| ProvisionAction { inputs: hash("other"), ..action };
    let plan = [(ids[0], deactivate("1")), (ids[1], deactivate("2")), (ids[2], creation()), (ids[3], deactivate("4"))];
    store.plan_provision(&claim, &plan).await.unwrap();
    assert_eq!(store.hold(&claim, &hold_of("a")).await.unwrap(), HoldState::Held);
    store.finish_pass(&claim, &pass_report(1), hash("inputs")).await.unwrap();
    let record = decision("one", "policy", "a", Decision::Approve);
    assert_eq!(store.decide(&app, Direction::ToApp, &record, at(2)).await.unwrap(), answered(Answer::Applied));
    let approved = store.held(&app, Direction::ToApp, "policy").await.unwrap().unwrap();
    assert_eq!(approved.state, HoldState::Approved);

    // The next pass: one as it was, one that has changed, one of a class that was not held, one that nobody has seen.
    let next = pass(&store, &app).await;
    let fresh = [(ids[0], deactivate("1")), (ids[1], changed(deactivate("2"))), (ids[2], creation())];
    store.plan_provision(&next, &fresh).await.unwrap();
    store.release(&next, approved.run, &[ActionClass::Removals]).await.unwrap();
    let released = store.released_actions(&next, ActionClass::Removals, None, 9).await.unwrap();
    assert_eq!(released, [(ids[0], deactivate("1"))]);
    let rest = store.provision_actions(&next, Some(ActionClass::Removals), None, 9).await.unwrap();
    assert_eq!(rest, [(ids[1], changed(deactivate("2")))]);
    assert_eq!(store.provision_actions(&next, Some(ActionClass::Creates), None, 9).await.unwrap().len(), 1);
    assert_eq!(store.provision_counts(&next).await.unwrap().deactivate, 2);
    store.end_hold(&next, approved.run, HoldState::Done).await.unwrap();
    let again = decision("two", "policy", "a", Decision::Approve);
    assert_eq!(store.decide(&app, Direction::ToApp, &again, at(3)).await.unwrap(), answered(Answer::AlreadyUsed));
}
