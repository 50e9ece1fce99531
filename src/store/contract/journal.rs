//! Intents and their results.

use super::*;
use crate::{
    domain::id::IntentId,
    store::{Intent, IntentResult, StoreError},
};

fn done(link: Link) -> IntentResult {
    IntentResult::Done { link: Box::new(link) }
}

/// An organisation with Ada, and a pass of an app that she has no account in.
async fn with_ada(store: &impl Store) -> (IntegrationKey, PersonId, Claim) {
    let (hr, app) = (key("hr"), key("app"));
    import(store, &hr, 0, &[create(&hr, "1", "ada")]).await;
    (app.clone(), person(&hr, "1"), pass(store, &app).await)
}

async fn open(store: &impl Store, claim: &Claim, person: PersonId, action: ProvisionAction) -> IntentId {
    store.open_intents(claim, &[Intent { person, action, approved: false }], at(1)).await.unwrap()[0]
}

pub(crate) async fn an_intent_is_there_after_a_crash(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let intents =
        [Intent { person: ada, action: creation(), approved: false }, Intent { person: ada, action: deactivate("d"), approved: false }];
    let opened = store.open_intents(&claim, &intents, at(1)).await.unwrap();
    assert_eq!(store.unsettled_intents(&claim).await.unwrap(), [], "its own are under way");
    drop(store);

    let store = fixture.open().await;
    let claim = pass(&store, &app).await;
    let unsettled = store.unsettled_intents(&claim).await.unwrap();
    assert_eq!(unsettled, opened.iter().copied().zip(intents).collect::<Vec<_>>());
    store.close_intents(&claim, &[(opened[0], IntentResult::Void)], at(2)).await.unwrap();
    assert_eq!(store.unsettled_intents(&claim).await.unwrap().len(), 1);
    store.close_intents(&claim, &[(opened[1], done(created_link(ada, "d")))], at(2)).await.unwrap();
    assert_eq!(store.unsettled_intents(&claim).await.unwrap(), []);
    let later = open(&store, &claim, ada, creation()).await;
    assert!(later > opened[1], "ids are not used again");
}

pub(crate) async fn a_done_intent_becomes_a_link(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let revision = store.directory_revision(&app.organisation).await.unwrap();
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "a")))], at(2)).await.unwrap();
    assert_eq!(link(&store, &app, "a").await, Some(created_link(ada, "a")));
    assert_eq!(store.provision_page(&app, None, 9).await.unwrap()[0].link, Some(created_link(ada, "a")));
    // A pass must not give itself something to look at.
    assert_eq!(store.directory_revision(&app.organisation).await.unwrap(), revision);
    // The account was deleted in the app and created again.
    let intent = open(&store, &claim, ada, deactivate("a")).await;
    let gone = Link { state: LinkState::EndedByAbsence, active: false, ..created_link(ada, "a") };
    store.close_intents(&claim, &[(intent, done(gone))], at(2)).await.unwrap();
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "b")))], at(3)).await.unwrap();
    assert_eq!((link(&store, &app, "a").await, link(&store, &app, "b").await), (None, Some(created_link(ada, "b"))));
    assert_eq!(store.account_counts(&app).await.unwrap().linked, 1);
    // An import has found "b" while another account was created: what the import says stays.
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "c")))], at(4)).await.unwrap();
    assert_eq!((link(&store, &app, "b").await, link(&store, &app, "c").await), (Some(created_link(ada, "b")), None));
}

pub(crate) async fn a_deactivation_becomes_a_tombstone_that_counts(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "a")))], at(2)).await.unwrap();
    assert_eq!(store.provision_removals(&claim, at(0)).await.unwrap().removed, 0);
    let intent = open(&store, &claim, ada, deactivate("a")).await;
    let tombstone = Link { state: LinkState::EndedByRemoval, active: false, ..created_link(ada, "a") };
    let result = [(intent, done(tombstone.clone()))];
    store.close_intents(&claim, &result, at(3)).await.unwrap();
    // An answer that was lost is asked for again.
    store.close_intents(&claim, &result, at(4)).await.unwrap();
    assert_eq!(link(&store, &app, "a").await, Some(tombstone));
    let figures = store.provision_removals(&claim, at(3)).await.unwrap();
    assert_eq!((figures.removed, figures.population, figures.live), (1, 1, 0));
    assert_eq!(store.provision_removals(&claim, at(4)).await.unwrap().removed, 0);
}

pub(crate) async fn a_failure_is_remembered_until_it_is_over(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let remembered = async || store.provision_page(&app, None, 1).await.unwrap().remove(0).failure;
    for attempts in [1, 2] {
        let intent = open(&store, &claim, ada, creation()).await;
        store.close_intents(&claim, &[(intent, IntentResult::Failed(failure(attempts)))], at(2)).await.unwrap();
        assert_eq!(remembered().await, Some(failure(attempts)));
    }
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, IntentResult::Void)], at(2)).await.unwrap();
    assert_eq!(remembered().await, Some(failure(2)));
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "a")))], at(3)).await.unwrap();
    assert_eq!(remembered().await, None);
}

pub(crate) async fn results_without_the_epoch_are_refused(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, old) = with_ada(&store).await;
    let intent = open(&store, &old, ada, creation()).await;
    let new = pass(&store, &app).await;
    let late = store.close_intents(&old, &[(intent, done(created_link(ada, "a")))], at(2)).await;
    assert!(matches!(late, Err(StoreError::LostEpoch)));
    assert_eq!(link(&store, &app, "a").await, None);
    assert_eq!(store.unsettled_intents(&new).await.unwrap().len(), 1);
}

/// H5.
pub(crate) async fn an_intent_is_settled_by_its_own_integration_only(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let intent = open(&store, &claim, ada, creation()).await;
    let stranger = pass(&store, &IntegrationKey::new("other", "app")).await;
    store.close_intents(&stranger, &[(intent, done(created_link(ada, "a")))], at(2)).await.unwrap();
    assert_eq!(link(&store, &app, "a").await, None);
    assert_eq!(link(&store, &stranger.integration, "a").await, None);
    assert_eq!(store.unsettled_intents(&stranger).await.unwrap(), []);
    let next = pass(&store, &app).await;
    assert_eq!(store.unsettled_intents(&next).await.unwrap().len(), 1);
}

pub(crate) async fn many_requests_at_once_each_get_their_answer(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, _, old) = with_ada(&store).await;
    let crm = key("crm");
    let people: Vec<_> = (0..60).map(|number| create(&crm, &format!("p{number}"), &format!("user{number}"))).collect();
    import(&store, &crm, 1, &people).await;
    let claim = pass(&store, &app).await;
    let claims = [&old, &claim];
    let one = async |number: usize| {
        let person = person(&crm, &format!("p{number}"));
        let claim = claims[usize::from(!number.is_multiple_of(6))];
        let opened = store.open_intents(claim, &[Intent { person, action: creation(), approved: false }], at(2)).await;
        let Ok(opened) = opened else { return (number, None) };
        let link = created_link(person, &format!("a{number}"));
        store.close_intents(claim, &[(opened[0], done(link))], at(2)).await.unwrap();
        (number, Some(opened[0]))
    };
    let answers = futures::future::join_all((0..60).map(one)).await;
    let refused: Vec<_> = answers.iter().filter(|(_, opened)| opened.is_none()).map(|(number, _)| number % 6).collect();
    assert_eq!(refused, [0; 10], "those that have lost their epoch, and nobody else");
    let ids: std::collections::HashSet<_> = answers.iter().filter_map(|(_, opened)| *opened).collect();
    assert_eq!(ids.len(), 50);
    assert_eq!(store.account_counts(&app).await.unwrap().linked, 50);
    let next = pass(&store, &app).await;
    assert_eq!(store.unsettled_intents(&next).await.unwrap(), []);
}

pub(crate) async fn an_import_keeps_the_origin_of_a_created_account(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (app, ada, claim) = with_ada(&store).await;
    let intent = open(&store, &claim, ada, creation()).await;
    store.close_intents(&claim, &[(intent, done(created_link(ada, "a")))], at(2)).await.unwrap();
    import(&store, &app, 3, &[ImportAction { account: AccountWrite::Seen { hash: None, active: false }, ..idle("a") }]).await;
    assert_eq!(link(&store, &app, "a").await, Some(Link { active: false, ..created_link(ada, "a") }));
    import(&store, &app, 4, &[end(ada, "a")]).await;
    import(&store, &app, 5, &[link_to(ada, "a")]).await;
    assert_eq!(link(&store, &app, "a").await, Some(created_link(ada, "a")));
}
