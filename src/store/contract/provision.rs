//! Provisioning passes.

use super::*;
use crate::{
    domain::{account::Record, provision_plan::BlockReason, report::ActionClass, safeguard::RemovalFigures},
    store::{Intent, IntentResult},
};

pub(crate) async fn people_come_in_order_with_links_and_failures(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, app) = (key("hr"), key("app"));
    let people: Vec<_> = (0..5).map(|number| create(&hr, &number.to_string(), &format!("user{number}"))).collect();
    import(&store, &hr, 0, &people).await;
    let mut ids: Vec<_> = (0..5).map(|number| person(&hr, &number.to_string())).collect();
    ids.sort();
    import(&store, &app, 1, &[link_to(ids[1], "one")]).await;
    let claim = pass(&store, &app).await;
    store.record_failures(&claim, &[(ids[2], failure(1)), (ids[3], failure(1))]).await.unwrap();
    store.record_failures(&claim, &[(ids[2], failure(4))]).await.unwrap();
    let first = store.provision_page(&app, None, 3).await.unwrap();
    let rest = store.provision_page(&app, Some(ids[2]), 3).await.unwrap();
    let read: Vec<_> = first.iter().chain(&rest).map(|row| row.person.id).collect();
    assert_eq!(read, ids);
    assert_eq!(first[1].link.as_ref().unwrap().app_id, id("one"));
    assert_eq!((&first[0].link, &first[0].failure, first[0].source), (&None, &None, false));
    assert_eq!((first[2].failure.clone(), rest[0].failure.clone()), (Some(failure(4)), Some(failure(1))));
    assert_eq!(store.account_counts(&app).await.unwrap().failed, 2);
    assert!(store.provision_page(&app, Some(ids[4]), 3).await.unwrap().is_empty());
    assert_eq!(store.provision_page(&key("never claimed"), None, 9).await.unwrap().len(), 5);
}

pub(crate) async fn a_plan_is_replaced_by_person_and_read_by_class(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let app = key("app");
    let claim = pass(&store, &app).await;
    let mut ids: Vec<_> = (0..4).map(|number| person(&app, &number.to_string())).collect();
    ids.sort();
    let need = action(ProvisionKind::Create { resource: json!({"userName": "ada"}) });
    let update = action(ProvisionKind::Update { app_id: id("u"), changes: written() });
    let plan = [(ids[2], need.clone()), (ids[0], need), (ids[1], update.clone()), (ids[3], deactivate("d"))];
    store.plan_provision(&claim, &plan).await.unwrap();
    let named = |person| (person, "ada".to_owned());
    assert_eq!(store.new_account_names(&claim, None, 9).await.unwrap(), [named(ids[0]), named(ids[2])]);
    assert_eq!(store.new_account_names(&claim, Some(ids[0]), 9).await.unwrap(), [named(ids[2])]);
    assert_eq!(store.new_account_names(&claim, None, 1).await.unwrap(), [named(ids[0])]);
    let of = store.provision_actions_of(&claim, &[ids[3], person(&app, "nobody")]).await.unwrap();
    assert_eq!(of, [(ids[3], deactivate("d"))]);
    let blocked = action(ProvisionKind::Blocked { reason: BlockReason::SeveralAccounts });
    store.plan_provision(&claim, &[(ids[0], creation()), (ids[2], blocked.clone())]).await.unwrap();
    let read = async |class, after| store.provision_actions(&claim, class, after, 9).await.unwrap();
    assert_eq!(read(Some(ActionClass::Creates), None).await, [(ids[0], creation())]);
    assert_eq!(read(Some(ActionClass::Creates), Some(ids[0])).await, []);
    assert_eq!(read(Some(ActionClass::Updates), None).await, [(ids[1], update)]);
    assert_eq!(read(Some(ActionClass::Removals), None).await, [(ids[3], deactivate("d"))]);
    assert_eq!(read(None, None).await, [(ids[2], blocked)]);
    let texts = store.provision_texts(&claim, ActionClass::Creates, None, 9).await.unwrap();
    assert_eq!(texts, [(ids[0], serde_json::to_string(&creation()).unwrap())]);
    assert!(store.provision_texts(&claim, ActionClass::Creates, Some(ids[0]), 9).await.unwrap().is_empty());
    let counts = store.provision_counts(&claim).await.unwrap();
    assert_eq!(counts, ProvisionCounts { create: 1, update: 1, deactivate: 1, ..Default::default() });
    let next = pass(&store, &app).await;
    assert_eq!(store.provision_counts(&next).await.unwrap(), ProvisionCounts::default());
    assert!(store.provision_actions(&claim, None, None, 9).await.unwrap().is_empty());
}

pub(crate) async fn deactivations_are_counted_as_sets(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, app) = (key("hr"), key("app"));
    let all: Vec<String> = (0..4).map(|number| number.to_string()).collect();
    import(&store, &hr, 0, &all.iter().map(|app_id| create(&hr, app_id, app_id)).collect::<Vec<_>>()).await;
    import(&store, &app, 0, &all.iter().map(|app_id| link_to(person(&hr, app_id), app_id)).collect::<Vec<_>>()).await;
    let claim = pass(&store, &app).await;
    for (number, second) in [(0, 10), (1, 20)] {
        let (app_id, person) = (&all[number], person(&hr, &all[number]));
        let intents = [Intent { person, action: deactivate(app_id) }];
        let opened = store.open_intents(&claim, &intents, at(second)).await.unwrap();
        let link = Link { state: LinkState::EndedByRemoval, active: false, ..created_link(person, app_id) };
        store.close_intents(&claim, &[(opened[0], IntentResult::Done { link: Box::new(link) })], at(second)).await.unwrap();
    }
    let claim = pass(&store, &app).await;
    let plan = [(person(&hr, "2"), deactivate("2")), (person(&hr, "1"), deactivate("1")), (person(&hr, "3"), creation())];
    store.plan_provision(&claim, &plan).await.unwrap();
    // S = {1, 2}, W = {0, 1}, L = {2, 3}.
    let figures = store.provision_removals(&claim, at(5)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 2, removed: 3, population: 4, live: 2 });
    let figures = store.provision_removals(&claim, at(15)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 2, removed: 2, population: 3, live: 2 });
    // What provisioning removes is not what imports have removed.
    let claim = store.claim(&app, Direction::ToDirectory, "uid", at(30)).await.unwrap();
    assert_eq!(store.import_removals(&claim, at(0)).await.unwrap().removed, 0);
}

pub(crate) async fn accounts_of_a_listing_are_found_by_both_keys(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let app = key("app");
    let claim = pass(&store, &app).await;
    let (ada, bob, cid) = (person(&app, "1"), person(&app, "2"), person(&app, "3"));
    let record = |app_id: &str, resource: Value| Record { id: id(app_id), resource };
    let ours = record("b", json!({"id": "b", "externalId": ada.to_string(), "userName": "ADA"}));
    let same_name = record("a", json!({"id": "a", "userName": "Ada"}));
    let bobs = record("c", json!({"id": "c", "externalId": bob.to_string(), "n": 1.0}));
    store.observe(&claim, &[ours.clone(), bobs.clone()]).await.unwrap();
    store.observe(&claim, std::slice::from_ref(&same_name)).await.unwrap();
    let keys = [(ada, "ada".to_owned()), (cid, "nobody".to_owned()), (bob, "bob".to_owned())];
    let found = store.observed(&claim, &keys).await.unwrap();
    assert_eq!(found, [vec![same_name, ours], vec![], vec![bobs]]);
    store.finish_pass(&claim, &pass_report(1), hash("x")).await.unwrap();
    assert_eq!(store.observed(&claim, &keys[..1]).await.unwrap(), [vec![]]);
}

pub(crate) async fn confirmed_accounts_are_remembered_and_forgiven(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, app) = (key("hr"), key("app"));
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob")]).await;
    let (ada, bob) = (person(&hr, "1"), person(&hr, "2"));
    import(&store, &app, 1, &[link_to(ada, "a"), link_to(bob, "b")]).await;
    import(&store, &app, 2, &[end(bob, "b")]).await;
    let claim = pass(&store, &app).await;
    store.record_failures(&claim, &[(ada, failure(1))]).await.unwrap();
    store.confirm_unchanged(&claim, &[(ada, hash("now")), (bob, hash("now"))]).await.unwrap();
    assert_eq!(link(&store, &app, "a").await.unwrap().inputs, Some(hash("now")));
    assert_eq!(link(&store, &app, "b").await.unwrap().inputs, None, "an ended link is not confirmed");
    assert_eq!(link(&store, &hr, "1").await.unwrap().inputs, None, "nor is one of another app");
    assert_eq!(store.account_counts(&app).await.unwrap().failed, 0);
}
