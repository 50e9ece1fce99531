//! A namespace is one organisation, and one that is made anew under a name is another.

use super::*;
use crate::{
    domain::id::Organisation,
    store::{AccountCounts, StoreError},
};

fn acme() -> Organisation {
    Organisation::new("acme")
}

/// An organisation with a person, a link, a candidate, a plan, a listing, a failure and an open intent.
async fn lived_in(store: &impl Store) {
    let (hr, chat) = (key("hr"), key("chat"));
    let wait = waits(&hr, "9", None, PendingReason::Ambiguous);
    import(store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob"), ImportAction { candidate: wait, ..idle("9") }]).await;
    import(store, &hr, 1, &[end(person(&hr, "2"), "2")]).await;
    let import = store.claim(&hr, Direction::ToDirectory, "under-way", at(2)).await.unwrap();
    store.stage(&import, &[staged("1", "ada")]).await.unwrap();
    store.staged_page(&import, None, 1).await.unwrap();
    let (ada, bob) = (person(&hr, "1"), person(&hr, "2"));
    let pass = pass(store, &chat).await;
    store.record_failures(&pass, &[(bob, failure(1))]).await.unwrap();
    let intent = crate::store::Intent { person: ada, action: creation(), approved: false };
    let intents = store.open_intents(&pass, &[intent.clone(), intent], at(2)).await.unwrap();
    let done = crate::store::IntentResult::Done { link: Box::new(created_link(ada, "a")) };
    store.close_intents(&pass, &[(intents[0], done)], at(2)).await.unwrap();
    store.observe(&pass, &[crate::domain::account::Record { id: id("a"), resource: json!({"userName": "ada"}) }]).await.unwrap();
    store.plan_provision(&pass, &[(ada, creation())]).await.unwrap();
}

pub(crate) async fn i5_a_namespace_made_anew_has_none_of_the_former_ones_people(fixture: &impl Fixture) {
    let store = fixture.open().await;
    lived_in(&store).await;
    let hr = key("hr");
    // A store of an earlier version: whoever is met first keeps everybody.
    store.meet_namespace(&acme(), "uid-1", at(3)).await.unwrap();
    store.meet_namespace(&acme(), "uid-1", at(4)).await.unwrap();
    assert_eq!(user_names(&store, &hr).await.len(), 2);
    let old = store.claim(&hr, Direction::ToDirectory, "old", at(4)).await.unwrap();
    store.plan_import(&old, &[create(&hr, "3", "eve")]).await.unwrap();

    store.meet_namespace(&acme(), "uid-2", at(5)).await.unwrap();
    assert!(user_names(&store, &hr).await.is_empty());
    assert_eq!(store.account_counts(&hr).await.unwrap(), AccountCounts::default());
    assert_eq!((store.revision(&hr).await.unwrap(), store.directory_revision(&acme()).await.unwrap()), (0, 0));
    assert_eq!(store.organisations().await.unwrap(), [(acme(), Some("uid-2".to_owned()))]);
    store.orphan(&acme(), Some("uid-1"), at(5)).await.unwrap();
    assert_eq!(store.organisations().await.unwrap().len(), 1, "the one that is there is not gone");
    for _ in 0..9 {
        let refused = store.apply_import(&old, None, 9, rules(), at(6)).await;
        assert!(matches!(refused, Err(StoreError::LostEpoch)), "a run of the former namespace: {refused:?}");
        store.claim(&hr, Direction::ToDirectory, "new", at(6)).await.unwrap();
    }
    import(&store, &hr, 7, &[create(&hr, "1", "ada")]).await;
    assert_eq!(user_names(&store, &hr).await, ["ada"], "the same id in the same app, and nobody else");

    // A cluster that was restored: the former namespace is there again.
    store.meet_namespace(&acme(), "uid-1", at(8)).await.unwrap();
    assert_eq!(user_names(&store, &hr).await.len(), 2);
    drop(store);
    let again = fixture.open().await;
    assert_eq!(user_names(&again, &hr).await.len(), 2);
    again.meet_namespace(&acme(), "uid-2", at(9)).await.unwrap();
    assert_eq!(user_names(&again, &hr).await, ["ada"]);
}

pub(crate) async fn an_organisation_without_a_namespace_is_dropped_after_its_time(fixture: &impl Fixture) {
    let store = fixture.open().await;
    lived_in(&store).await;
    let elsewhere = IntegrationKey::new("elsewhere", "hr");
    import(&store, &elsewhere, 0, &[create(&elsewhere, "1", "zoe")]).await;
    store.meet_namespace(&acme(), "uid-1", at(3)).await.unwrap();
    let theirs = (elsewhere.organisation.clone(), None);
    assert_eq!(store.organisations().await.unwrap(), [(acme(), Some("uid-1".to_owned())), theirs.clone()]);
    store.orphan(&acme(), Some("uid-1"), at(10)).await.unwrap();
    store.orphan(&Organisation::new("never-heard-of"), None, at(10)).await.unwrap();
    assert_eq!(store.organisations().await.unwrap(), [theirs]);
    assert!(user_names(&store, &key("hr")).await.is_empty());

    assert_eq!(store.purge_orphans(at(10)).await.unwrap(), 0, "not before its time");
    store.meet_namespace(&acme(), "uid-1", at(11)).await.unwrap();
    assert_eq!(user_names(&store, &key("hr")).await.len(), 2, "until then it can come back");
    assert_eq!(store.purge_orphans(at(99)).await.unwrap(), 0, "it is no orphan any more");

    store.orphan(&acme(), Some("uid-1"), at(20)).await.unwrap();
    assert_eq!((store.intents_open().await.unwrap(), store.purge_orphans(at(21)).await.unwrap()), (1, 1));
    store.meet_namespace(&acme(), "uid-1", at(22)).await.unwrap();
    assert!(user_names(&store, &key("hr")).await.is_empty());
    assert_eq!((store.intents_open().await.unwrap(), store.import_run("under-way").await.unwrap()), (0, None));
    assert_eq!(user_names(&store, &elsewhere).await, ["zoe"], "nobody else's");
}
