//! Enough records for ranges, chunks and groups to have several of each; prints what it took, and tests what is there.

use std::time::Instant;

use super::*;
use crate::store::{Intent, IntentResult, PersonKey};

pub(crate) async fn thousands_of_records_pass_through(fixture: &impl Fixture) {
    pass_through(fixture, 5_000).await;
}

/// A first import, the same again, and a provisioning pass that creates every account.
pub(crate) async fn pass_through(fixture: &impl Fixture, records: usize) {
    let store = fixture.open().await;
    let (hr, app) = (key("hr"), key("app"));
    source(&store, &hr, true).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(0)).await.unwrap();
    // In an order that is not theirs, as servers list.
    let app_ids: Vec<String> = (0..records).map(|number| hex::encode(hash(&number.to_string()).0)).collect();
    let listing: Vec<StagedRecord> = app_ids.iter().map(|app_id| staged(app_id, app_id)).collect();
    let clock = Instant::now();
    for page in listing.chunks(100) {
        store.stage(&claim, page).await.unwrap();
    }
    let clock = said("stage", records, clock);
    assert!(store.staged_duplicates(&claim, PersonKey::UserName).await.unwrap().is_empty());
    let clock = said("find duplicates", records, clock);
    let mut after = None;
    let mut planned = 0;
    loop {
        let page = store.staged_page(&claim, after.as_ref(), 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.staged.app_id.clone());
        let keys: Vec<String> = page.iter().map(|row| row.staged.app_id.to_string()).collect();
        store.people_by_key(&claim, PersonKey::UserName, &keys).await.unwrap();
        let actions: Vec<_> = keys.iter().map(|app_id| create(&hr, app_id, app_id)).collect();
        store.plan_import(&claim, &actions).await.unwrap();
        planned += actions.len();
    }
    assert_eq!(planned, records);
    let clock = said("sort, read, look up and plan", records, clock);
    let counts = apply_all(&store, &claim, 0, 2_000).await;
    assert_eq!(counts, ImportCounts { new: records as u64, ..Default::default() });
    let clock = said("apply", records, clock);
    store.finish_import(&claim, &import_report(counts, 1)).await.unwrap();
    let clock = said("finish", records, clock);

    let claim = store.claim(&hr, Direction::ToDirectory, "uid 2", at(2)).await.unwrap();
    let clock = said("claim and drop the old plan", records, clock);
    let known = store.known_records(&hr, rules()).await.unwrap();
    assert!(app_ids.iter().all(|app_id| known.is_unchanged(&id(app_id), hash(app_id))));
    let clock = said("known records", records, clock);
    let renames: Vec<_> = app_ids.iter().map(|app_id| rename(person(&hr, app_id), app_id, &format!("{app_id}-2"))).collect();
    store.plan_import(&claim, &renames).await.unwrap();
    let clock = said("plan changes", records, clock);
    assert_eq!(apply_all(&store, &claim, 3, 2_000).await.updated, records as u64);
    let clock = said("apply changes", records, clock);
    provision(&store, &app, records, clock).await;
}

async fn provision(store: &impl Store, app: &IntegrationKey, records: usize, clock: Instant) {
    let claim = pass(store, app).await;
    let mut people = Vec::new();
    loop {
        let page = store.provision_page(app, people.last().copied(), 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        people.extend(page.iter().map(|row| row.person.id));
    }
    assert_eq!(people.len(), records);
    let clock = said("provision pages", records, clock);
    for page in people.chunks(1_000) {
        let actions: Vec<_> = page.iter().map(|person| (*person, creation())).collect();
        store.plan_provision(&claim, &actions).await.unwrap();
    }
    let clock = said("plan creates", records, clock);
    let one = async |person: &PersonId| {
        let intent = Intent { person: *person, action: creation(), approved: false };
        let opened = store.open_intents(&claim, &[intent], at(4)).await.unwrap();
        let done = IntentResult::Done { link: Box::new(created_link(*person, &person.to_string())) };
        store.close_intents(&claim, &[(opened[0], done)], at(4)).await.unwrap();
    };
    for in_flight in people.chunks(32) {
        futures::future::join_all(in_flight.iter().map(one)).await;
    }
    let clock = said("journal, 32 at a time", records, clock);
    assert_eq!(store.account_counts(app).await.unwrap().linked, records as u64);
    let mut linked = 0;
    let mut after = None;
    loop {
        let page = store.provision_page(app, after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.person.id);
        linked += page.iter().filter(|row| row.link.is_some()).count();
    }
    assert_eq!(linked, records);
    said("provision pages with links", records, clock);
}

fn said(what: &str, records: usize, since: Instant) -> Instant {
    println!("{what}: {records} in {:.3} s", since.elapsed().as_secs_f64());
    Instant::now()
}
