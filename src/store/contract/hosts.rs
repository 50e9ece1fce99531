//! An app that moves to another host (AI-9).

use super::*;
use crate::{
    domain::account::Record,
    store::{AccountCounts, PersonKey, StoreError},
};

fn account(app_id: &str, resource: Value) -> Record {
    Record { id: id(app_id), resource }
}

async fn state(store: &impl Store, integration: &IntegrationKey, app_id: &str) -> LinkState {
    link(store, integration, app_id).await.unwrap().state
}

/// An integration at `old.example` with a live link `1` (ada), a tombstone by absence `2` (bob) and a candidate.
async fn settled_at_the_old_host(store: &impl Store, hr: &IntegrationKey) {
    import(store, hr, 0, &[create(hr, "1", "ada"), create(hr, "2", "bob")]).await;
    let wait = waits(hr, "9", None, PendingReason::Ambiguous);
    import(store, hr, 1, &[end(person(hr, "2"), "2"), ImportAction { candidate: wait, ..idle("9") }]).await;
    let claim = store.claim(hr, Direction::ToDirectory, "first", at(2)).await.unwrap();
    assert_eq!(store.meet_host(&claim, "old.example").await.unwrap(), None, "what was linked before hosts were noted stays linked");
    assert_eq!(store.meet_host(&claim, "old.example").await.unwrap(), None);
    assert_eq!(state(store, hr, "1").await, LinkState::Live);
}

pub(crate) async fn ai9_at_another_host_no_link_is_proved(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    settled_at_the_old_host(&store, &hr).await;
    let other = key("crm");
    import(&store, &other, 3, &[create(&other, "1", "eve")]).await;
    let pass = pass(&store, &hr).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "second", at(4)).await.unwrap();
    assert_eq!(store.account_counts(&hr).await.unwrap().pending, 1);

    assert_eq!(store.meet_host(&claim, "new.example").await.unwrap(), Some(2));
    assert_eq!((state(&store, &hr, "1").await, state(&store, &hr, "2").await), (LinkState::UnprovenLive, LinkState::UnprovenAbsence));
    assert_eq!(state(&store, &other, "1").await, LinkState::Live, "another integration");
    assert_eq!(store.account_counts(&hr).await.unwrap(), AccountCounts { linked: 1, ..Default::default() }, "no candidate is left");
    assert!(store.linked_accounts(&hr, None, 9).await.unwrap().is_empty(), "nobody can be missing");
    assert!(!store.known_records(&hr, rules()).await.unwrap().is_unchanged(&id("1"), hash("1")), "every record is read");
    assert!(matches!(store.note_changes(&pass).await, Err(StoreError::LostEpoch)), "begun at the former host");
    store.note_changes(&claim).await.expect("the run that has met the host goes on");
    assert_eq!(store.import_removals(&claim, at(0)).await.unwrap().live, 1, "it still has people to lose (SG-7)");
    assert_eq!(store.meet_host(&claim, "new.example").await.unwrap(), None, "known by now");
    assert_eq!(store.meet_host(&claim, "old.example").await.unwrap(), Some(2), "back again, and nothing is proved there any more");
}

pub(crate) async fn ai9_a_proved_link_is_what_it_was(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    settled_at_the_old_host(&store, &hr).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "second", at(4)).await.unwrap();
    store.meet_host(&claim, "new.example").await.unwrap();
    let unproven = store.unproven_accounts(&hr, None, 9).await.unwrap();
    assert_eq!(unproven.iter().map(|known| known.link.app_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(store.unproven_accounts(&hr, Some(&id("1")), 9).await.unwrap().len(), 1);

    store.prove_links(&claim, &[account("1", json!({"userName": "ada"})), account("7", json!({}))]).await.unwrap();
    assert_eq!((state(&store, &hr, "1").await, state(&store, &hr, "2").await), (LinkState::Live, LinkState::UnprovenAbsence));
    assert_eq!(link(&store, &hr, "1").await.unwrap().resource, None, "what was not kept is not kept now");
    store.prove_links(&claim, &[account("2", json!({}))]).await.unwrap();
    assert_eq!(state(&store, &hr, "2").await, LinkState::EndedByAbsence);
    assert!(store.unproven_accounts(&hr, None, 9).await.unwrap().is_empty());
    let newer = store.claim(&hr, Direction::ToDirectory, "third", at(5)).await.unwrap();
    assert!(matches!(store.prove_links(&claim, &[]).await, Err(StoreError::LostEpoch)));
    assert!(matches!(store.meet_host(&claim, "old.example").await, Err(StoreError::LostEpoch)));
    store.prove_links(&newer, &[]).await.unwrap();
}

pub(crate) async fn ai9_the_account_of_the_former_host_is_forgotten_when_its_link_is_proved(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let app = key("app");
    import(&store, &key("hr"), 0, &[create(&key("hr"), "1", "ada")]).await;
    let ada = person(&key("hr"), "1");
    let claim = pass(&store, &app).await;
    store.meet_host(&claim, "old.example").await.unwrap();
    let intent = crate::store::Intent { person: ada, action: creation(), approved: false };
    let intents = store.open_intents(&claim, &[intent], at(1)).await.unwrap();
    let done = crate::store::IntentResult::Done { link: Box::new(created_link(ada, "a")) };
    store.close_intents(&claim, &[(intents[0], done)], at(1)).await.unwrap();
    let before = link(&store, &app, "a").await.unwrap();

    store.meet_host(&claim, "new.example").await.unwrap();
    let row = &store.provision_page(&app, None, 9).await.unwrap()[0];
    assert_eq!(row.link.as_ref().unwrap().state, LinkState::UnprovenLive);
    store.confirm_unchanged(&claim, &[(ada, hash("other"))]).await.unwrap();
    assert_eq!(link(&store, &app, "a").await.unwrap().inputs, before.inputs, "not before it is proved");
    let resource = json!({"id": "a", "userName": "ada", "size": 1.5});
    store.prove_links(&claim, &[account("a", resource.clone())]).await.unwrap();
    assert_eq!(link(&store, &app, "a").await.unwrap(), Link { resource: Some(resource), ..before });
}

pub(crate) async fn ai9_an_unproven_link_keeps_nobody_from_an_account(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    settled_at_the_old_host(&store, &hr).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "second", at(4)).await.unwrap();
    store.meet_host(&claim, "new.example").await.unwrap();
    store.stage(&claim, &[staged("1", "bob"), staged("3", "ada")]).await.unwrap();
    let hits = store.people_by_key(&claim, PersonKey::UserName, &["ada".to_owned()]).await.unwrap();
    assert!(!hits[0][0].linked_here);
    let (ada, bob) = (person(&hr, "1"), person(&hr, "2"));
    store.plan_import(&claim, &[link_to(bob, "1"), link_to(ada, "3")]).await.unwrap();
    assert_eq!(apply_all(&store, &claim, 5, 9).await, ImportCounts { matched: 2, ..Default::default() });
    let links = store.links_of(&hr, &[id("1"), id("2"), id("3")]).await.unwrap();
    let links: Vec<_> = links.iter().map(|link| (link.app_id.as_str(), link.person, link.state)).collect();
    assert_eq!(links, [("1", bob, LinkState::Live), ("3", ada, LinkState::Live)], "the ids were dealt anew");
}
