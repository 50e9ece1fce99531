//! A4: a source that changes while it is walked over. Deletions move everybody behind them to an earlier place, so that
//! pages miss people who are there, and each insertion hides a deletion from the total.

use std::{collections::BTreeSet, time::Duration};

use joinery::domain::report::{ImportEnd, ImportReport};

use crate::{
    support::{
        long::scaled,
        random::Random,
        scripted_app::{Fault, What},
    },
    world::{World, requests, user},
};

const CHANGES: usize = 50;

/// Runs an import while people come and go; how many of both is up to the number of pages. Returns who was there all along.
async fn import_while_moving(world: &World, random: &mut Random, next: &mut usize) -> (ImportReport, BTreeSet<String>) {
    let mut stayed: BTreeSet<String> = world.hr.users().into_keys().collect();
    let mut there: Vec<String> = stayed.iter().cloned().collect();
    world.hr.clear_ledger();
    let mut job = world.import_job();
    job.rules.limits.max_unassigned_percent = 100;
    let run = tokio::spawn(async move { job.run().await });
    let (mut changed, mut seen) = (0, 0);
    while !run.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let requests = requests(&world.hr, "GET");
        // After each page some, so that all fall into the walk.
        if requests > seen && changed < CHANGES {
            seen = requests;
            for _ in 0..=(CHANGES - changed) / 4 {
                let gone = there.swap_remove(random.below(there.len()));
                world.hr.remove_user(&gone);
                stayed.remove(&gone);
                there.push(world.hr.put_user(user(*next)));
                *next += 1;
                changed += 1;
            }
        }
    }
    assert!(changed >= 10, "only {changed} changes fell into the walk");
    (run.await.unwrap().unwrap(), stayed)
}

async fn linked(world: &World) -> BTreeSet<String> {
    world.query("SELECT app_id FROM account WHERE state = 'Live' ORDER BY app_id").await.into_iter().collect()
}

#[tokio::test]
async fn a4_a_source_that_changes_while_it_is_read_loses_nobody_who_is_there() {
    let users = scaled(1000, 20_000);
    let mut random = Random::start("a4");
    let world = World::new(users).await;
    world.import().await;
    let mut next = users;
    // Each page takes a moment in which something can happen.
    world.hr.inject(Fault::listing(What::Delay(Duration::from_millis(5))));
    let (mut complete, mut incomplete) = (0, 0);
    for _ in 0..scaled(12, 30) {
        let known = linked(&world).await;
        let (report, stayed) = import_while_moving(&world, &mut random, &mut next).await;
        match report.end {
            ImportEnd::SnapshotIncomplete { .. } => incomplete += 1,
            ImportEnd::Applied | ImportEnd::NothingToDo => complete += 1,
            other => panic!("{other:?}"),
        }
        let still = linked(&world).await;
        let lost: Vec<_> = known.intersection(&stayed).filter(|id| !still.contains(*id)).collect();
        assert!(lost.is_empty(), "{lost:?} were there all the time");
    }
    println!("{complete} walks passed for complete, {incomplete} did not");
    world.hr.clear_faults();
    for _ in 0..2 {
        let mut job = world.import_job();
        job.rules.limits.max_unassigned_percent = 100;
        job.run().await.unwrap();
    }
    let there: BTreeSet<String> = world.hr.users().into_keys().collect();
    assert!(linked(&world).await == there, "whoever is there is linked, and nobody else");
}
