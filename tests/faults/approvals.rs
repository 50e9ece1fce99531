//! Held imports and the approvals that release them (SG-9, SG-11). The other direction: `released.rs`.

use joinery::{
    domain::{
        approval::{Answer, CandidatesDecided, Decision, DecisionRecord, HoldState},
        counts::ImportCounts,
        import_decision::ImportRules,
        protection::Protection,
        report::{ImportEnd, ImportReport},
        safeguard::Verdict,
    },
    engine::{Mode, import::ImportJob},
    store::{Direction, Ruling, Store as _},
};

use crate::{
    support::scripted_app::{Fault, What},
    world::{World, edit, id_of, key, user, writes},
};

const PEOPLE: usize = 60;
const LEAVERS: usize = 20;

/// A decision on what `object` holds, by an approval of this name.
async fn decide(
    world: &World,
    direction: Direction,
    approval: &str,
    object: &str,
    report: Option<ImportReport>,
    decision: Decision,
) -> Answer {
    let digest = report.and_then(|report| report.digest).unwrap();
    let integration = key(if direction == Direction::ToApp { "chat" } else { "hr" });
    let record = DecisionRecord {
        approval: approval.to_owned(),
        approver: None,
        object: object.to_owned(),
        digest,
        decision,
        plan_only: false,
        candidates: CandidatesDecided::None,
    };
    match world.store.decide(&integration, direction, &record, joinery::clock::Clock::now(world.clock.as_ref())).await.unwrap() {
        Ruling::Answered { answer, .. } => answer,
        Ruling::NotYet => panic!("{object} has made no plan"),
    }
}

/// An import that is held because so many have turned inactive, with its report.
async fn held(world: &World) -> (ImportJob, ImportReport) {
    for number in 0..LEAVERS {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = false.into());
    }
    let job = world.import_job();
    let report = job.run().await.unwrap();
    assert_eq!((&report.end, report.applied, report.plan.deactivated), (&ImportEnd::Held, ImportCounts::default(), LEAVERS as u64));
    (job, report)
}

async fn approve(world: &World, job: &ImportJob, report: &ImportReport) -> Answer {
    decide(world, Direction::ToDirectory, "approval", &job.object, Some(report.clone()), Decision::Approve).await
}

async fn active(world: &World) -> usize {
    world.rows("person").await.iter().filter(|row| row.contains("'Active'")).count()
}

async fn stored(world: &World, job: &ImportJob) -> ImportReport {
    world.store.import_run(&job.object).await.unwrap().unwrap().report.unwrap()
}

#[tokio::test]
async fn a7_an_approved_import_does_exactly_what_was_approved_and_only_once() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let (job, report) = held(&world).await;
    assert_eq!(job.run_released().await.unwrap(), None, "nobody has approved it");
    assert_eq!(active(&world).await, PEOPLE);
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    // Whoever leaves after the plan was made is not part of it.
    edit(&world.hr, &id_of(&world.hr, "user50"), |user| user["active"] = false.into());
    let done = job.run_released().await.unwrap().unwrap();
    assert_eq!((&done.end, done.applied.deactivated, done.applied.failed), (&ImportEnd::Applied, LEAVERS as u64, 0));
    assert_eq!((done.digest, done.plan), (report.digest, report.plan));
    let verdicts: Vec<Verdict> = done.safeguards.iter().map(|rule| rule.verdict).collect();
    assert!(verdicts.contains(&Verdict::Approved) && !verdicts.contains(&Verdict::Tripped), "{verdicts:?}");
    assert_eq!(active(&world).await, PEOPLE - LEAVERS);
    assert_eq!(writes(&world.hr), 0);
    // Once: neither the same approval nor another one does it again, and the window does not know of it.
    let before = world.dump().await;
    assert_eq!(job.run_released().await.unwrap(), None);
    let again = decide(&world, Direction::ToDirectory, "another", &job.object, Some(report), Decision::Approve).await;
    assert_eq!(again, Answer::AlreadyUsed);
    assert_eq!(job.run_released().await.unwrap(), None);
    assert_eq!(world.dump().await, before);
    assert!(world.rows("removal").await.is_empty(), "released removals are no part of W (SG-2)");
}

/// What has changed since is left out, whatever it is, and nobody is taken away whom the plan does not hold.
#[tokio::test]
async fn a7_what_has_changed_since_the_plan_is_left_out() {
    for change in ["returned in the app", "gone in the app", "rules", "another source", "nothing"] {
        let world = World::new(PEOPLE).await;
        world.import().await;
        let (mut job, report) = held(&world).await;
        let first = id_of(&world.hr, "user0");
        let left_out = match change {
            "returned in the app" => {
                edit(&world.hr, &first, |user| user["active"] = true.into());
                1
            }
            "gone in the app" => {
                world.hr.remove_user(&first);
                1
            }
            // Nobody would be deactivated any more.
            "rules" => {
                job.rules = ImportRules { sourcing: None, ..job.rules };
                LEAVERS as u64
            }
            "another source" => {
                // Of two sources the first by name decides on a person (SO-1).
                let mut other = world.import_job();
                other.rules.integration = key("a-contractors");
                world.hr.inject(Fault::listing(What::json(&listing_of(&world, "user0"))));
                assert_eq!(other.run().await.unwrap().applied.matched, 1);
                world.hr.clear_faults();
                1
            }
            _ => 0,
        };
        assert_eq!(approve(&world, &job, &report).await, Answer::Applied, "{change}");
        let done = job.run_released().await.unwrap().unwrap();
        let end = if left_out == 0 { ImportEnd::Applied } else { ImportEnd::PartiallyApplied };
        assert_eq!((&done.end, done.applied.failed), (&end, left_out), "{change}");
        let kept = if change == "rules" { LEAVERS } else { usize::try_from(left_out).unwrap() };
        assert_eq!(active(&world).await, PEOPLE - LEAVERS + kept, "{change}");
    }
}

/// LS-4 once more: whoever is there again when the plan is applied is not gone, and whoever nobody can say anything of stays.
#[tokio::test]
async fn a7_whose_record_is_back_when_the_plan_is_applied_stays() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let gone: Vec<_> = (0..LEAVERS).map(|number| world.hr.user(&id_of(&world.hr, &format!("user{number}")))).collect();
    for user in &gone {
        world.hr.remove_user(user["id"].as_str().unwrap());
    }
    world.import().await;
    let job = world.import_job();
    let report = job.run().await.unwrap();
    assert_eq!((&report.end, report.plan.unassigned), (&ImportEnd::Held, LEAVERS as u64));
    world.hr.put_user(gone[0].clone());
    let path = format!("/Users/{}", gone[1]["id"].as_str().unwrap()).leak();
    world.hr.inject(Fault::on("GET", path, What::error(500, None)));
    world.hr.clear_ledger();
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    let done = job.run_released().await.unwrap().unwrap();
    assert_eq!((done.applied.unassigned, done.applied.failed), (LEAVERS as u64 - 2, 2), "{done:?}");
    assert_eq!((active(&world).await, world.counts("hr").await.linked), (PEOPLE - LEAVERS + 2, (PEOPLE - LEAVERS + 2) as u64));
    assert_eq!(writes(&world.hr), 0);
    // Planned anew: the one is seen, and the other is gone by the next import.
    world.hr.clear_faults();
    let next = world.import().await;
    assert_eq!((next.applied.unassigned, active(&world).await), (1, PEOPLE - LEAVERS + 1));
}

/// A listing of one active user.
fn listing_of(world: &World, user_name: &str) -> String {
    let mut user = world.hr.user(&id_of(&world.hr, user_name));
    user["active"] = true.into();
    let list = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
    serde_json::json!({"schemas": [list], "totalResults": 1, "startIndex": 1, "itemsPerPage": 1, "Resources": [user]}).to_string()
}

#[tokio::test]
async fn a7_an_app_that_fails_makes_an_approved_import_wait() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let (job, report) = held(&world).await;
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    world.hr.inject(Fault::always(What::error(503, None)));
    let interrupted = job.run_released().await;
    assert!(interrupted.is_err(), "{interrupted:?}");
    assert_eq!((active(&world).await, stored(&world, &job).await.end), (PEOPLE, ImportEnd::Approved));
    world.hr.clear_faults();
    assert_eq!(job.run_released().await.unwrap().unwrap().applied.deactivated, LEAVERS as u64);
    assert_eq!(active(&world).await, PEOPLE - LEAVERS);
}

#[tokio::test]
async fn a7_another_digest_a_late_one_and_a_rejection_change_nothing() {
    for (case, answer, end) in [
        ("other", Answer::DigestMismatch, ImportEnd::Held),
        ("late", Answer::Expired, ImportEnd::ApprovalExpired),
        ("reject", Answer::Applied, ImportEnd::Rejected),
    ] {
        let world = World::new(PEOPLE).await;
        let first = world.import().await;
        let (job, report) = held(&world).await;
        let before = world.dump().await;
        if case == "late" {
            world.clock.advance(86_400);
        }
        let named = if case == "other" { first } else { report.clone() };
        let decision = if case == "reject" { Decision::Reject } else { Decision::Approve };
        let said = decide(&world, Direction::ToDirectory, case, &job.object, Some(named), decision).await;
        assert_eq!((said, stored(&world, &job).await.end), (answer, end), "{case}");
        assert_eq!(job.run_released().await.unwrap(), None, "{case}");
        assert_eq!(world.dump().await, before, "{case}");
        if case == "reject" {
            // The same plan is not asked for again; another one is.
            let again = world.import_job();
            assert_eq!(again.run().await.unwrap().end, ImportEnd::Rejected);
            edit(&world.hr, &id_of(&world.hr, "user40"), |user| user["active"] = false.into());
            assert_eq!(world.import_job().run().await.unwrap().end, ImportEnd::Held);
            assert_eq!(active(&world).await, PEOPLE);
        }
    }
}

/// A plan that is approved in time and applied too late is not applied.
#[tokio::test]
async fn a7_an_approval_that_waited_too_long_releases_nothing() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let (job, report) = held(&world).await;
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    world.clock.advance(86_400);
    assert_eq!(job.run_released().await.unwrap().unwrap().end, ImportEnd::ApprovalExpired);
    assert_eq!(active(&world).await, PEOPLE);
}

/// SG-7: there is nothing to approve, whatever the digest.
#[tokio::test]
async fn a3_no_approval_releases_an_empty_source() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    world.hr.users().keys().for_each(|id| world.hr.remove_user(id));
    let job = world.import_job();
    let report = job.run().await.unwrap();
    assert_eq!(report.end, ImportEnd::EmptySource);
    let before = world.dump().await;
    assert_eq!(approve(&world, &job, &report).await, Answer::DigestMismatch);
    assert_eq!(job.run_released().await.unwrap(), None);
    assert_eq!(world.dump().await, before);
}

/// A newer plan takes the place of the held one; an import that makes none does not.
#[tokio::test]
async fn a7_a_newer_plan_makes_the_approval_of_the_old_one_void() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let (job, report) = held(&world).await;
    world.hr.inject(Fault::listing(What::json("{}")));
    world.import_job().run().await.unwrap();
    world.hr.clear_faults();
    assert_eq!(world.store.held(&key("hr"), Direction::ToDirectory, &job.object).await.unwrap().unwrap().state, HoldState::Held);
    world.hr.put_user(user(PEOPLE));
    let newer = world.import_job();
    assert_eq!(newer.run().await.unwrap().end, ImportEnd::Held);
    assert_eq!(approve(&world, &job, &report).await, Answer::DigestMismatch);
    assert_eq!(job.run_released().await.unwrap(), None);
    assert_eq!(active(&world).await, PEOPLE);
    // Nor does it lift the limits of a run that plans only.
    assert_eq!(newer.mode, Mode::Enforce);
}

/// B8: killed at any moment of applying an approved plan, the operator goes on with that very plan.
#[tokio::test]
async fn b8_an_approved_import_that_is_killed_goes_on_with_the_same_plan() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    let (job, report) = held(&world).await;
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    let mut interrupted = 0;
    for milliseconds in 0..40 {
        let copy = world.copy().await;
        let again = ImportJob { object: job.object.clone(), ..copy.import_job() };
        let killed = again.clone();
        let under_way = tokio::spawn(async move { killed.run_released().await });
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
        under_way.abort();
        if under_way.await.is_err() {
            interrupted += 1;
        }
        let done = again.run_released().await.unwrap();
        let end = stored(&copy, &again).await;
        assert_eq!((&end.end, end.applied.deactivated, end.applied.failed), (&ImportEnd::Applied, LEAVERS as u64, 0), "{done:?}");
        assert_eq!(active(&copy).await, PEOPLE - LEAVERS);
        assert_eq!(again.run_released().await.unwrap(), None);
        assert!(copy.rows("removal").await.is_empty());
    }
    assert!(interrupted > 0, "no kill came in time");
}

/// LS-4: between approval and application a gateway may have lost the app, and answers 404 for everybody.
#[tokio::test]
async fn a7_an_app_that_shows_nobody_any_more_confirms_no_absence() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    for number in 0..LEAVERS {
        world.hr.remove_user(&id_of(&world.hr, &format!("user{number}")));
    }
    world.import().await;
    let job = world.import_job();
    let report = job.run().await.unwrap();
    assert_eq!((&report.end, report.plan.unassigned), (&ImportEnd::Held, LEAVERS as u64));
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    world.hr.inject(Fault::always(What::error(404, None)));
    let interrupted = job.run_released().await;
    assert!(interrupted.is_err(), "{interrupted:?}");
    assert_eq!((active(&world).await, world.counts("hr").await.linked), (PEOPLE, PEOPLE as u64));
    world.hr.clear_faults();
    assert_eq!(job.run_released().await.unwrap().unwrap().applied.unassigned, LEAVERS as u64);
}

/// SO-5: what is left of an approved plan that was interrupted is looked at by what holds when it is taken up again.
#[tokio::test]
async fn a13_who_is_protected_while_an_approved_import_is_under_way_loses_nothing() {
    // More than are applied in one transaction.
    const MANY: usize = 4_500;
    let world = World::new(MANY).await;
    world.import().await;
    for id in world.hr.users().into_keys() {
        edit(&world.hr, &id, |user| user["active"] = false.into());
    }
    let job = world.import_job();
    let report = job.run().await.unwrap();
    assert_eq!((&report.end, report.plan.deactivated), (&ImportEnd::Held, MANY as u64));
    assert_eq!(approve(&world, &job, &report).await, Answer::Applied);
    let killed = job.clone();
    let under_way = tokio::spawn(async move { killed.run_released().await });
    while world.query("SELECT 'begun' FROM held_plan WHERE applied_to IS NOT NULL").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    under_way.abort();
    assert!(under_way.await.is_err(), "it was not interrupted");
    let left = active(&world).await;
    assert!(left > 0, "all was applied at once");
    let rules = ImportRules { protection: Protection::Everybody, ..job.rules.clone() };
    let again = ImportJob { rules, ..job };
    again.run_released().await.unwrap();
    assert_eq!(active(&world).await, left, "whoever was not removed yet is protected now");
}
