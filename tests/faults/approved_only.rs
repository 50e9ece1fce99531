//! A7 at random: between a plan and its application anything may change, and nobody loses anything that was not approved.

use std::collections::BTreeSet;

use joinery::{
    domain::{
        approval::{Answer, CandidatesDecided, Decision, DecisionRecord},
        hash::{Digest, DigestBuilder, ShortHash},
        mapping::{Apply, Mapping, MappingSource, OnNull, ToAppEntry, ToDirectoryEntry},
        report::ImportEnd,
    },
    engine::{Mode, import::ImportJob, provision::ProvisionJob},
    store::{Direction, Ruling, Store as _},
};

use crate::{
    support::{long::scaled, random::Random},
    world::{World, edit, id_of, key},
};

const PEOPLE: usize = 12;
/// Twenty percent of twelve, rounded down: so many may always go, whatever is approved.
const WITHIN_LIMITS: usize = 2;
const DAY: i64 = 86_400;

type People = BTreeSet<usize>;

fn name(number: usize) -> String {
    format!("user{number}")
}

fn set_active(world: &World, number: usize, active: bool) {
    edit(&world.hr, &id_of(&world.hr, &name(number)), |user| user["active"] = active.into());
}

/// Who of the directory is not active.
async fn departed(world: &World) -> People {
    let names = world.query("SELECT profile ->> '$.userName' FROM person WHERE state <> 'Active'").await;
    names.iter().map(|name| name[4..].parse().unwrap()).collect()
}

/// Whose account is not active.
fn locked(world: &World) -> People {
    let users = world.chat.users().into_values().filter(|user| user["active"] == false);
    users.map(|user| user["userName"].as_str().unwrap()[4..].parse().unwrap()).collect()
}

/// A decision, as it is taken in this round.
struct Taken {
    answer: Answer,
    approved: bool,
}

async fn decide(world: &World, random: &mut Random, direction: Direction, object: &str, digest: Digest) -> Taken {
    let decision = if random.percent(85) { Decision::Approve } else { Decision::Reject };
    let plan_only = random.percent(5);
    let other = random.percent(15);
    let record = DecisionRecord {
        approval: format!("{}", random.number()),
        approver: None,
        object: object.to_owned(),
        digest: if other { DigestBuilder::new().finish() } else { digest },
        decision,
        plan_only,
        candidates: CandidatesDecided::None,
    };
    let integration = key(if direction == Direction::ToApp { "chat" } else { "hr" });
    let now = joinery::clock::Clock::now(world.clock.as_ref());
    let ruling = world.store.decide(&integration, direction, &record, now).await.unwrap();
    let Ruling::Answered { answer, new: true } = ruling else { panic!("{ruling:?}") };
    let void = other || plan_only && decision == Decision::Approve;
    assert!(!void || answer != Answer::Applied);
    Taken { answer, approved: answer == Answer::Applied && decision == Decision::Approve }
}

/// Something that happens between a plan and its application.
fn meanwhile(world: &World, random: &mut Random, leavers: &People) {
    for number in leavers {
        if random.percent(20) {
            set_active(world, *number, true);
        }
    }
    for number in (0..PEOPLE).filter(|number| !leavers.contains(number)) {
        if random.percent(10) {
            set_active(world, number, false);
        }
    }
    if random.percent(10) {
        world.clock.advance(DAY);
    }
}

fn another_mapping() -> Mapping {
    let (target, on_null) = ("title".to_owned(), OnNull::Omit);
    let to_app = ToAppEntry { target, expression: "user.userName".to_owned(), apply: Apply::default(), on_null };
    let to_directory = ToDirectoryEntry { target: "nickName".to_owned(), expression: "app.title".to_owned() };
    Mapping::compile(&MappingSource { to_app: vec![to_app], to_directory: vec![to_directory], ..MappingSource::default() }).unwrap()
}

/// Everybody back, on both sides, whatever the round has left behind.
async fn restore(world: &World) {
    for number in 0..PEOPLE {
        set_active(world, number, true);
    }
    world.clock.advance(2 * DAY);
    world.import().await;
    world.provision().await;
    world.provision().await;
    assert_eq!((departed(world).await, locked(world)), (People::new(), People::new()));
}

/// The import of a round: gives how many were taken away by approval.
async fn import(world: &World, random: &mut Random, leavers: &People) -> usize {
    let job = world.import_job();
    let held = job.run().await.unwrap();
    assert!(matches!(held.end, ImportEnd::Held | ImportEnd::Rejected), "{:?}", held.end);
    assert_eq!(departed(world).await, People::new());
    meanwhile(world, random, leavers);
    let taken = decide(world, random, Direction::ToDirectory, &job.object, held.digest.unwrap()).await;
    let mut changed = ImportJob { object: job.object.clone(), ..world.import_job() };
    if random.percent(15) {
        changed.mapping = another_mapping();
    }
    if random.percent(10) {
        changed.rules.sourcing = None;
    }
    changed.run_released().await.unwrap();
    let gone = departed(world).await;
    assert!(gone.is_subset(leavers), "{gone:?} of {leavers:?}");
    let back = leavers.iter().filter(|number| world.hr.user(&id_of(&world.hr, &name(**number)))["active"] == true);
    assert!(back.into_iter().all(|number| !gone.contains(number)), "who is back in the app stays");
    assert!(taken.approved || gone.is_empty(), "{:?}: {gone:?}", taken.answer);
    gone.len()
}

/// The pass of a round, on whoever has left the directory by then.
async fn pass(world: &World, random: &mut Random) -> usize {
    let mut unlimited = world.import_job();
    unlimited.rules.limits.max_unassigned_percent = 100;
    unlimited.run().await.unwrap();
    let leavers = departed(world).await;
    let limited = || {
        let mut job = world.provision_job();
        job.rules.limits.max_deactivated_percent = 20;
        job
    };
    let held = limited().run().await.unwrap();
    if held.held.is_empty() {
        return 0;
    }
    assert_eq!(locked(world), People::new());
    meanwhile(world, random, &leavers);
    unlimited.object = "meanwhile".to_owned() + &random.number().to_string();
    unlimited.run().await.unwrap();
    let taken = decide(world, random, Direction::ToApp, "policy", held.digest.unwrap()).await;
    let mut changed = limited();
    if random.percent(15) {
        changed.rules.mapping = Some(another_mapping());
    }
    if random.percent(15) {
        changed.rules.digest = ShortHash::of(&random.number().to_be_bytes());
    }
    let plan_only = random.percent(10);
    let changed = ProvisionJob { mode: if plan_only { Mode::Plan } else { Mode::Enforce }, ..changed };
    changed.run().await.unwrap();
    let gone = locked(world);
    assert!(gone.is_subset(&departed(world).await), "nobody who should have an account loses it");
    let unapproved = gone.iter().filter(|number| !taken.approved || !leavers.contains(number)).count();
    assert!(unapproved <= WITHIN_LIMITS, "{:?}: {gone:?} of {leavers:?}", taken.answer);
    assert!(!plan_only || gone.is_empty(), "nothing is written in mode Plan");
    gone.len()
}

#[tokio::test]
async fn a7_whatever_changes_in_between_nobody_loses_what_was_not_approved() {
    let mut random = Random::start("a7");
    let (mut by_import, mut by_pass) = (0, 0);
    let rounds: usize = scaled(60, 1200);
    for _ in 0..rounds.div_ceil(20) {
        let world = World::new(PEOPLE).await;
        world.import().await;
        world.provision().await;
        for _ in 0..20 {
            let mut people: Vec<usize> = (0..PEOPLE).collect();
            random.shuffle(&mut people);
            let leavers: People = people.into_iter().take(4 + random.below(5)).collect();
            for number in &leavers {
                set_active(&world, *number, false);
            }
            by_import += import(&world, &mut random, &leavers).await;
            by_pass += pass(&world, &mut random).await;
            restore(&world).await;
        }
    }
    println!("{rounds} rounds: {by_import} people left by approved imports, {by_pass} accounts were locked");
    assert!(by_import > rounds && by_pass > rounds, "{by_import} and {by_pass} of {rounds} rounds");
}
