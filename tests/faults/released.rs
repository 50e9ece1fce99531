//! Held classes of provisioning, and the approvals that release them (SG-10, SG-11). The other direction: `approvals.rs`.

use std::collections::BTreeMap;

use joinery::{
    domain::{
        approval::{Answer, CandidatesDecided, Decision, DecisionRecord, HoldState},
        assignment::Assignment,
        hash::{Digest, ShortHash},
        mapping::{Expression, Scope},
        report::{ActionClass, HeldClass, ProvisionEnd, ProvisionReport},
        safeguard::Verdict,
    },
    engine::{Mode, provision::ProvisionJob},
    store::{Direction, Ruling, Store as _},
};

use crate::{
    support::{
        long::scaled,
        scripted_app::{EffectKind, Fault, What},
    },
    world::{World, edit, effects, id_of, key, requests, user, writes},
};

/// Twenty percent of the accounts may be deactivated.
fn limited(world: &World) -> ProvisionJob {
    let mut job = world.provision_job();
    job.rules.limits.max_deactivated_percent = 20;
    job
}

/// Who is inactive in the source loses their account.
async fn leave(world: &World, people: impl IntoIterator<Item = usize>) {
    for number in people {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = false.into());
    }
    let mut job = world.import_job();
    job.rules.limits.max_unassigned_percent = 100;
    job.run().await.unwrap();
}

async fn join(world: &World, people: impl IntoIterator<Item = usize>) {
    people.into_iter().for_each(|number| drop(world.hr.put_user(user(number))));
    world.import().await;
}

async fn decide(world: &World, approval: &str, digest: Option<Digest>, decision: Decision) -> Answer {
    let record = DecisionRecord {
        approval: approval.to_owned(),
        approver: None,
        object: "policy".to_owned(),
        digest: digest.unwrap(),
        decision,
        plan_only: false,
        candidates: CandidatesDecided::None,
    };
    let now = joinery::clock::Clock::now(world.clock.as_ref());
    match world.store.decide(&key("chat"), Direction::ToApp, &record, now).await.unwrap() {
        Ruling::Answered { answer, .. } => answer,
        Ruling::NotYet => panic!("the policy has made no plan"),
    }
}

async fn state(world: &World) -> Option<HoldState> {
    world.store.held(&key("chat"), Direction::ToApp, "policy").await.unwrap().map(|hold| hold.state)
}

fn removals(count: usize) -> Vec<HeldClass> {
    vec![HeldClass { class: ActionClass::Removals, count: count as u64 }]
}

fn inactive(world: &World) -> usize {
    world.chat.users().values().filter(|user| user["active"] == false).count()
}

/// Everybody has an account, and so many leave: the pass that holds their removal.
async fn held(people: usize, leavers: usize) -> (World, ProvisionReport) {
    let world = World::new(people).await;
    world.import().await;
    world.provision().await;
    leave(&world, 0..leavers).await;
    let report = limited(&world).run().await.unwrap();
    assert_eq!((&report.held, report.applied.deactivate, inactive(&world)), (&removals(leavers), 0, 0));
    (world, report)
}

/// Acceptance 38: 300 of 1000 leave and 20 join. What joins is created, what leaves waits, frozen, and is released as a whole.
#[tokio::test]
async fn a7_a_held_class_is_released_as_it_was_frozen_and_joiners_do_not_change_it() {
    let people = scaled(50, 1000);
    let (leavers, joiners) = (people * 3 / 10, people / 50);
    let (world, first) = held(people, leavers).await;
    join(&world, people..people + joiners).await;
    world.clock.advance(60);
    let second = limited(&world).run().await.unwrap();
    assert_eq!((second.applied.create, second.applied.deactivate), (joiners as u64, 0));
    assert_eq!((second.digest, second.expires, &second.held), (first.digest, first.expires, &first.held));
    // Whoever leaves later queues behind it.
    leave(&world, [leavers]).await;
    let third = limited(&world).run().await.unwrap();
    assert_eq!((third.digest, &third.held, inactive(&world)), (first.digest, &first.held, 0));

    assert_eq!(decide(&world, "approval", first.digest, Decision::Approve).await, Answer::Applied);
    let released = limited(&world).run().await.unwrap();
    assert_eq!((&released.end, released.applied.deactivate, released.digest), (&ProvisionEnd::Done, leavers as u64, first.digest));
    assert!(released.safeguards.iter().any(|rule| rule.verdict == Verdict::Approved) && released.held.is_empty());
    assert_eq!((inactive(&world), effects(&world.chat, EffectKind::Deactivate)), (leavers, leavers));
    assert!(world.rows("removal").await.iter().all(|row| !row.contains("'ToApp'")), "released removals are no part of W (SG-2)");
    assert_eq!(decide(&world, "another", first.digest, Decision::Approve).await, Answer::AlreadyUsed);
    // The one who left later is within the limits, and goes with the next pass.
    let rest = limited(&world).run().await.unwrap();
    assert_eq!((rest.applied.deactivate, rest.held.len(), inactive(&world)), (1, 0, leavers + 1));
    let before = writes(&world.chat);
    limited(&world).run().await.unwrap();
    assert_eq!(writes(&world.chat), before);
}

/// What has changed since it was frozen is not done, and nothing else in its place.
#[tokio::test]
async fn a7_of_a_released_class_what_has_changed_since_is_left_out() {
    let (world, report) = held(20, 6).await;
    edit(&world.hr, &id_of(&world.hr, "user0"), |user| user["active"] = true.into());
    world.import().await;
    leave(&world, [10]).await;
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::Applied);
    let released = limited(&world).run().await.unwrap();
    assert_eq!(released.applied.deactivate, 5);
    let state = |name: &str| world.chat.user(&id_of(&world.chat, name))["active"].clone();
    assert_eq!((state("user0"), state("user1"), state("user10")), (true.into(), false.into(), true.into()));
}

#[tokio::test]
async fn a7_a_class_that_is_put_right_is_held_no_longer() {
    let (world, report) = held(20, 6).await;
    for number in 0..4 {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = true.into());
    }
    world.import().await;
    let next = limited(&world).run().await.unwrap();
    assert_eq!((next.applied.deactivate, next.held.len(), next.expires), (2, 0, None), "within the limits");
    assert_eq!(state(&world).await, Some(HoldState::Withdrawn));
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::DigestMismatch);
}

/// Acceptance 6: in `mode: Plan` an approval releases nothing, whatever was held before.
#[tokio::test]
async fn a7_in_plan_mode_an_approval_releases_nothing() {
    let (world, report) = held(20, 6).await;
    let before = writes(&world.chat);
    let plan = async || ProvisionJob { mode: Mode::Plan, ..limited(&world) }.run().await.unwrap();
    let planned = plan().await;
    assert_eq!((&planned.end, planned.digest), (&ProvisionEnd::PlanOnly, report.digest), "the same plan has the same digest");
    let record = DecisionRecord {
        approval: "in plan mode".to_owned(),
        approver: None,
        object: "policy".to_owned(),
        digest: report.digest.unwrap(),
        decision: Decision::Approve,
        plan_only: true,
        candidates: CandidatesDecided::None,
    };
    let now = joinery::clock::Clock::now(world.clock.as_ref());
    let answer = world.store.decide(&key("chat"), Direction::ToApp, &record, now).await.unwrap();
    assert_eq!(answer, Ruling::Answered { answer: Answer::PlanOnly, new: true });
    // Nor does one that was given before the mode was changed.
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::Applied);
    assert_eq!(plan().await.applied.changes(), 0);
    assert_eq!((inactive(&world), writes(&world.chat)), (0, before));
}

/// Another policy makes another plan, which has to be approved anew; so does the end of the time.
#[tokio::test]
async fn a7_a_changed_policy_or_a_late_approval_releases_nothing() {
    for case in ["where", "limits", "late"] {
        let (world, report) = held(20, 6).await;
        let mut job = limited(&world);
        match case {
            "where" => {
                job.rules.digest = ShortHash::of(b"another policy");
                let condition = Expression::compile_condition("where", "user.userName != \"user19\"", Scope::User).unwrap();
                job.rules.assignments = vec![Assignment { condition, ..job.rules.assignments.remove(0) }];
            }
            "limits" => job.rules.limits.max_deactivated_percent = 10,
            _ => world.clock.advance(86_400),
        }
        if case == "late" {
            assert_eq!(decide(&world, "late", report.digest, Decision::Approve).await, Answer::Expired);
        }
        let next = job.run().await.unwrap();
        assert_eq!((next.applied.deactivate, inactive(&world), state(&world).await), (0, 0, Some(HoldState::Held)), "{case}");
        if case == "where" {
            assert_eq!(next.held, removals(7));
            assert_eq!(decide(&world, "old", report.digest, Decision::Approve).await, Answer::DigestMismatch);
        }
        assert!(next.expires >= report.expires);
        assert_eq!(decide(&world, "new", next.digest, Decision::Approve).await, Answer::Applied, "{case}");
        let expected = usize::try_from(next.held[0].count).unwrap();
        assert_eq!(job.run().await.unwrap().applied.deactivate, expected as u64, "{case}");
        assert_eq!(inactive(&world), expected, "{case}");
    }
}

/// Approved in time, applied too late: nothing is released, and it is asked for again.
#[tokio::test]
async fn a7_a_release_that_waited_too_long_is_void() {
    let (world, report) = held(20, 6).await;
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::Applied);
    world.clock.advance(86_400);
    let next = limited(&world).run().await.unwrap();
    assert_eq!((next.applied.deactivate, next.held, state(&world).await), (0, removals(6), Some(HoldState::Held)));
}

#[tokio::test]
async fn a7_a_rejected_class_stays_back_and_is_not_asked_for_again() {
    let (world, report) = held(20, 6).await;
    assert_eq!(decide(&world, "no", report.digest, Decision::Reject).await, Answer::Applied);
    for _ in 0..2 {
        join(&world, [20]).await;
        let next = limited(&world).run().await.unwrap();
        assert_eq!((next.applied.deactivate, &next.held, next.expires), (0, &removals(6), None));
        assert_eq!((next.digest, state(&world).await), (report.digest, Some(HoldState::Rejected)));
        assert_eq!(decide(&world, "yes", report.digest, Decision::Approve).await, Answer::AlreadyUsed);
        world.clock.advance(2 * 86_400);
    }
    // Another plan is asked for; the rejected one is not, even when it comes back.
    leave(&world, [7]).await;
    let other = limited(&world).run().await.unwrap();
    assert_eq!((other.held, state(&world).await), (removals(7), Some(HoldState::Held)));
    assert_ne!(other.digest, report.digest);
    edit(&world.hr, &id_of(&world.hr, "user7"), |user| user["active"] = true.into());
    world.import().await;
    world.clock.advance(2 * 86_400);
    let again = limited(&world).run().await.unwrap();
    assert_eq!((again.digest, state(&world).await, inactive(&world)), (report.digest, Some(HoldState::Rejected), 0));
}

/// Creations and updates are held and released like removals, each class for itself.
#[tokio::test]
async fn a7_held_creations_and_updates_are_released_too() {
    let world = World::new(10).await;
    world.import().await;
    let job = |world: &World| {
        let mut job = world.provision_job();
        job.rules.limits.max_created = Some(5);
        job.rules.limits.max_updated_percent = 20;
        job
    };
    let report = job(&world).run().await.unwrap();
    assert_eq!((report.held, requests(&world.chat, "POST")), (vec![HeldClass { class: ActionClass::Creates, count: 10 }], 0));
    assert_eq!(decide(&world, "creates", report.digest, Decision::Approve).await, Answer::Applied);
    assert_eq!(job(&world).run().await.unwrap().applied.create, 10);
    assert_eq!(requests(&world.chat, "POST"), 10);
    for number in 0..5 {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["title"] = "Chief".into());
    }
    world.import().await;
    let report = job(&world).run().await.unwrap();
    assert_eq!(report.held, [HeldClass { class: ActionClass::Updates, count: 5 }]);
    assert_eq!(decide(&world, "updates", report.digest, Decision::Approve).await, Answer::Applied);
    assert_eq!(job(&world).run().await.unwrap().applied.update, 5);
    assert_eq!(world.chat.users().values().filter(|user| user["title"] == "Chief").count(), 5);
}

/// An app that fails in the middle ends the pass and not the approval: the next pass goes on with the same plan.
#[tokio::test]
async fn a7_an_app_that_fails_in_the_middle_costs_no_approval() {
    let (world, report) = held(60, 30).await;
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::Applied);
    world.chat.inject(Fault::on("PATCH", "/Users/*", What::error(401, None)).from(10));
    let failed = limited(&world).run().await.unwrap();
    assert!(matches!(failed.end, ProvisionEnd::AppFailed { .. }), "{:?}", failed.end);
    assert_eq!(state(&world).await, Some(HoldState::Approved));
    let done = inactive(&world);
    assert!(done > 0 && done < 30, "{done}");
    world.chat.clear_faults();
    assert_eq!(limited(&world).run().await.unwrap().applied.deactivate, 30 - done as u64);
    assert_eq!((inactive(&world), effects(&world.chat, EffectKind::Deactivate)), (30, 30));
    assert_eq!(state(&world).await, Some(HoldState::Done));
}

/// B8: killed in the middle of what was approved, the operator goes on with that very plan, and does nothing twice.
#[tokio::test]
async fn b8_a_released_class_that_is_killed_goes_on_with_the_same_plan() {
    let (world, report) = held(60, 30).await;
    assert_eq!(decide(&world, "approval", report.digest, Decision::Approve).await, Answer::Applied);
    let mut interrupted = 0;
    for moment in (1..30).step_by(4) {
        let before = world.copy().await;
        let accounts: BTreeMap<_, _> = before.chat.users();
        let job = limited(&before);
        let pass = tokio::spawn(async move { job.run().await });
        while inactive(&before) < moment && !pass.is_finished() {
            tokio::task::yield_now().await;
        }
        pass.abort();
        interrupted += usize::from(pass.await.is_err());
        let after = before.copy().await;
        let effects_before = inactive(&after);
        let report = limited(&after).run().await.unwrap();
        assert_eq!((&report.end, report.failed, inactive(&after)), (&ProvisionEnd::Done, 0, 30), "{report:?}");
        assert_eq!(effects(&after.chat, EffectKind::Deactivate), 30 - effects_before, "nobody twice");
        assert_eq!(after.chat.users().len(), accounts.len());
        assert!(after.rows("removal").await.iter().all(|row| !row.contains("'ToApp'")));
        assert_eq!(decide(&after, "second", report.digest, Decision::Approve).await, Answer::AlreadyUsed);
    }
    assert!(interrupted > 0, "no kill came in time");
}
