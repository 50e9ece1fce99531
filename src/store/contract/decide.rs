//! What an import's decisions are made from.

use super::*;
use crate::{
    domain::{
        account::KnownRecords,
        candidate::{PendingReason, Queued},
        directory::{DirectorySettings, PeopleCounts},
        import_plan::RecordFailure,
        safeguard::RemovalFigures,
    },
    store::PersonKey,
};

pub(crate) async fn staged_records_come_back_in_order_with_what_is_known(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    source(&store, &hr, true).await;
    let wait = waits(&hr, "c", None, PendingReason::NewPersonManual);
    import(&store, &hr, 0, &[create(&hr, "b", "ada"), ImportAction { candidate: wait, ..idle("c") }]).await;
    let missed = ImportAction { account: AccountWrite::Missing { times: 2 }, ..idle("b") };
    import(&store, &hr, 1, &[missed]).await;

    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(2)).await.unwrap();
    let unreadable = StagedRecord { active: false, mapped: Err(RecordFailure::Mapping), ..staged("a", "x") };
    let records = [staged("c", "cid"), staged("b", "Ada"), unreadable];
    store.stage(&claim, &records[..2]).await.unwrap();
    store.stage(&claim, &records[2..]).await.unwrap();
    let page = store.staged_page(&claim, None, 2).await.unwrap();
    assert_eq!(page.iter().map(|row| &row.staged).collect::<Vec<_>>(), [&records[2], &records[1]]);
    assert_eq!((&page[0].known, page[0].queued), (&None, Queued::Not));
    let known = page[1].known.clone().unwrap();
    assert_eq!((known.person.id, known.effective_source, known.missing), (person(&hr, "b"), true, 2));
    assert_eq!((known.person.profile, known.person.state), (profile("ada"), PersonState::Active));
    assert_eq!((known.link.state, known.link.origin, known.link.assigned), (LinkState::Live, LinkOrigin::Import, false));
    let rest = store.staged_page(&claim, Some(&id("b")), 9).await.unwrap();
    assert_eq!((rest.len(), &rest[0].staged, rest[0].queued), (1, &records[0], Queued::Pending));
}

pub(crate) async fn records_staged_later_are_seen_too(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let claim = store.claim(&key("hr"), Direction::ToDirectory, "uid", at(0)).await.unwrap();
    for app_id in ["m", "z", "a"] {
        store.stage(&claim, &[staged(app_id, app_id)]).await.unwrap();
        store.staged_page(&claim, None, 9).await.unwrap();
    }
    let page = store.staged_page(&claim, None, 9).await.unwrap();
    assert_eq!(page.iter().map(|row| row.staged.app_id.as_str()).collect::<Vec<_>>(), ["a", "m", "z"]);
}

pub(crate) async fn duplicates_are_those_of_records_without_link(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    import(&store, &hr, 0, &[create(&hr, "1", "ada")]).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(1)).await.unwrap();
    let records = [staged("1", "ada"), staged("2", "ADA"), staged("3", "bob"), staged("4", "BOB"), staged("5", "cid")];
    store.stage(&claim, &records).await.unwrap();
    let names = store.staged_duplicates(&claim, PersonKey::UserName).await.unwrap();
    assert_eq!(names, ["bob".to_owned()].into());
    let addresses = store.staged_duplicates(&claim, PersonKey::Email).await.unwrap();
    assert_eq!(addresses, ["bob@example.org".to_owned()].into());
}

pub(crate) async fn people_are_found_by_folded_keys(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &hr, 0, &[create(&hr, "1", "Straße"), create(&hr, "2", "bob")]).await;
    let keys = ["nobody".to_owned(), "strasse".to_owned(), "bob".to_owned()];
    let hr_claim = store.claim(&hr, Direction::ToDirectory, "uid", at(1)).await.unwrap();
    let crm_claim = store.claim(&crm, Direction::ToDirectory, "uid", at(1)).await.unwrap();
    let hits = store.people_by_key(&hr_claim, PersonKey::UserName, &keys).await.unwrap();
    assert_eq!(hits.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!((hits[1][0].person.id, hits[1][0].linked_here), (person(&hr, "1"), true));
    let keys = ["bob@example.org".to_owned()];
    let hits = store.people_by_key(&crm_claim, PersonKey::Email, &keys).await.unwrap();
    // An integration that the store has not heard of yet has an organisation all the same.
    assert_eq!((hits[0][0].person.id, hits[0][0].linked_here), (person(&hr, "2"), false));
}

pub(crate) async fn only_undisturbed_records_are_known(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let apps = ["fine", "missing", "ended", "again"];
    import(&store, &hr, 0, &apps.map(|app_id| create(&hr, app_id, app_id))).await;
    let known = store.known_records(&hr, rules()).await.unwrap();
    assert!(apps.iter().all(|app_id| known.is_unchanged(&id(app_id), hash(app_id))));
    let missed = ImportAction { account: AccountWrite::Missing { times: 1 }, ..idle("missing") };
    let again = ImportAction { account: AccountWrite::Seen { hash: None, active: true }, ..idle("again") };
    import(&store, &hr, 1, &[missed, end(person(&hr, "ended"), "ended"), again]).await;
    let is_known = |known: &KnownRecords| apps.map(|app_id| known.is_unchanged(&id(app_id), hash(app_id)));
    assert_eq!(is_known(&store.known_records(&hr, rules()).await.unwrap()), [true, false, false, false]);
    assert_eq!(is_known(&store.known_records(&hr, hash("other rules")).await.unwrap()), [false; 4]);
    // LS-4: seen → counter 0.
    import(&store, &hr, 2, &[ImportAction { account: seen("missing"), ..idle("missing") }]).await;
    assert_eq!(is_known(&store.known_records(&hr, rules()).await.unwrap()), [true, true, false, false]);
    let page = store.linked_accounts(&hr, Some(&id("again")), 9).await.unwrap();
    let read: Vec<_> = page.iter().map(|known| (known.link.app_id.as_str(), known.missing)).collect();
    assert_eq!(read, [("fine", 0), ("missing", 0)]);
}

pub(crate) async fn the_first_source_by_name_is_the_effective_one(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (a, b) = (key("a"), key("b"));
    import(&store, &b, 0, &[create(&b, "1", "ada")]).await;
    let ada = person(&b, "1");
    let effective = async |integration: &IntegrationKey| {
        let claim = store.claim(integration, Direction::ToDirectory, "look", at(9)).await.unwrap();
        store.stage(&claim, &[staged("1", "ada")]).await.unwrap();
        let staged = store.staged_page(&claim, None, 1).await.unwrap().remove(0).known.map(|known| known.effective_source);
        let linked = store.linked_accounts(integration, None, 1).await.unwrap().pop().map(|known| known.effective_source);
        let source = store.provision_page(integration, None, 1).await.unwrap()[0].source;
        (staged, linked, source)
    };
    assert_eq!(effective(&b).await, (Some(false), Some(false), false), "no source");
    let before = store.directory_revision(&b.organisation).await.unwrap();
    source(&store, &b, true).await;
    source(&store, &a, true).await;
    let after = store.directory_revision(&b.organisation).await.unwrap();
    assert!(after > before);
    source(&store, &a, true).await;
    assert_eq!(store.directory_revision(&b.organisation).await.unwrap(), after, "nothing changed");
    assert_eq!(effective(&b).await, (Some(true), Some(true), true), "the only source with a link");
    import(&store, &a, 1, &[link_to(ada, "1")]).await;
    assert_eq!(effective(&a).await, (Some(true), Some(true), true));
    assert_eq!(effective(&b).await, (Some(false), Some(false), false), "a has the smaller name");
    import(&store, &a, 2, &[end(ada, "1")]).await;
    assert_eq!(effective(&a).await, (Some(true), None, false), "a record that is back is judged as if it had never left");
    assert_eq!(effective(&b).await, (Some(true), Some(true), true), "an ended link makes no source");
    source(&store, &a, false).await;
    assert_eq!(effective(&a).await, (Some(false), None, false));
}

pub(crate) async fn so1_the_directory_says_which_source_goes_first(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (a, b, c) = (key("a"), key("b"), key("c"));
    import(&store, &a, 0, &[create(&a, "1", "ada")]).await;
    let ada = person(&a, "1");
    for (second, other) in [(1, &b), (2, &c)] {
        import(&store, other, second, &[link_to(ada, "1")]).await;
    }
    for integration in [&a, &b, &c] {
        source(&store, integration, true).await;
    }
    let effective = async || {
        let mut effective = Vec::new();
        for integration in [&a, &b, &c] {
            if store.linked_accounts(integration, None, 1).await.unwrap()[0].effective_source {
                effective.push(integration.name.as_str());
            }
            let claim = store.claim(integration, Direction::ToDirectory, "look", at(9)).await.unwrap();
            let hits = store.people_by_key(&claim, PersonKey::UserName, &["ada".to_owned()]).await.unwrap();
            assert_eq!(!hits[0][0].sourced_elsewhere, effective.last() == Some(&integration.name.as_str()), "{integration}");
        }
        effective
    };
    assert_eq!(effective().await, ["a"], "by name");
    let said = |sources: &[&str]| DirectorySettings {
        profile_sources: sources.iter().map(|name| (*name).to_owned()).collect(),
        ..DirectorySettings::default()
    };
    let revision = store.directory_revision(&a.organisation).await.unwrap();
    store.set_directory(&a.organisation, &said(&["not there yet", "c", "b"])).await.unwrap();
    assert!(store.directory_revision(&a.organisation).await.unwrap() > revision, "every app has to look");
    assert_eq!(effective().await, ["c"]);
    store.set_directory(&a.organisation, &said(&["b"])).await.unwrap();
    assert_eq!(effective().await, ["b"], "named ones go first");
    store.set_directory(&key("elsewhere").organisation, &said(&["c"])).await.unwrap();
}

pub(crate) async fn what_a_directory_said_stays_and_people_are_counted(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, elsewhere) = (key("hr"), IntegrationKey::new("globex", "hr"));
    assert_eq!(store.directory(&hr.organisation).await.unwrap(), None);
    let settings = DirectorySettings { profile_sources: vec!["hr".to_owned()], protected: Some("true".to_owned()) };
    store.set_directory(&hr.organisation, &settings).await.unwrap();
    let revision = store.directory_revision(&hr.organisation).await.unwrap();
    store.set_directory(&hr.organisation, &settings).await.unwrap();
    assert_eq!(store.directory_revision(&hr.organisation).await.unwrap(), revision, "the same again is no change");
    let left = |app_id: &str| {
        let create = PersonWrite::Create { id: person(&hr, app_id), state: PersonState::Deactivated, profile: profile(app_id) };
        ImportAction { person: create, ..idle(app_id) }
    };
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob"), left("3")]).await;
    import(&store, &elsewhere, 0, &[create(&elsewhere, "1", "eve")]).await;
    let store = fixture.open().await;
    assert_eq!(store.directory(&hr.organisation).await.unwrap(), Some(settings));
    assert_eq!(store.directory(&elsewhere.organisation).await.unwrap(), None);
    let counts = store.people_counts(&hr.organisation).await.unwrap();
    assert_eq!(counts, PeopleCounts { active: 2, deactivated: 1, ..PeopleCounts::default() });
}

pub(crate) async fn so1_a_plan_makes_no_source_for_anybody_but_itself(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (a, b) = (key("a"), key("b"));
    import(&store, &b, 0, &[create(&b, "1", "ada")]).await;
    source(&store, &b, true).await;
    import(&store, &a, 1, &[link_to(person(&b, "1"), "1")]).await;
    let revision = store.directory_revision(&a.organisation).await.unwrap();
    let effective = async |integration: &IntegrationKey| store.linked_accounts(integration, None, 1).await.unwrap()[0].effective_source;

    let plan = store.claim(&a, Direction::ToDirectory, "plan", at(2)).await.unwrap();
    store.set_source(&plan, true, false).await.unwrap();
    assert!(effective(&a).await, "the plan shows what would be");
    assert!(effective(&b).await, "and b is the source as before");
    assert!(!store.provision_page(&a, None, 1).await.unwrap()[0].source, "for provisioning, too");
    assert_eq!(store.directory_revision(&a.organisation).await.unwrap(), revision);
    assert_eq!(store.sources().await.unwrap(), std::slice::from_ref(&b));
    store.set_source(&plan, true, true).await.unwrap();
    assert!(effective(&a).await && !effective(&b).await);

    store.claim(&a, Direction::ToDirectory, "newer", at(3)).await.unwrap();
    assert!(matches!(store.set_source(&plan, false, true).await, Err(crate::store::StoreError::LostEpoch)));
    assert!(effective(&a).await && !effective(&b).await);
}

pub(crate) async fn so1_a_source_that_nothing_says_is_one_is_none(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (a, b, elsewhere) = (key("a"), key("b"), IntegrationKey::new("elsewhere", "a"));
    import(&store, &b, 0, &[create(&b, "1", "ada")]).await;
    import(&store, &a, 1, &[link_to(person(&b, "1"), "1")]).await;
    for integration in [&a, &b, &elsewhere] {
        source(&store, integration, true).await;
    }
    let mut sources = store.sources().await.unwrap();
    sources.sort();
    assert_eq!(sources, [a.clone(), b.clone(), elsewhere.clone()]);
    let revision = store.directory_revision(&a.organisation).await.unwrap();
    store.clear_source(&a).await.unwrap();
    assert!(store.directory_revision(&a.organisation).await.unwrap() > revision, "its people are looked at again");
    assert!(store.linked_accounts(&b, None, 1).await.unwrap()[0].effective_source, "the next one is effective now");
    assert!(!store.linked_accounts(&a, None, 1).await.unwrap()[0].effective_source);
    let revision = store.directory_revision(&a.organisation).await.unwrap();
    store.clear_source(&a).await.unwrap();
    store.clear_source(&key("never-heard-of")).await.unwrap();
    assert_eq!(store.directory_revision(&a.organisation).await.unwrap(), revision);
    let mut sources = store.sources().await.unwrap();
    sources.sort();
    assert_eq!(sources, [b, elsewhere]);
}

pub(crate) async fn removals_are_counted_as_sets(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let all: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let people: Vec<_> = all.iter().map(|app_id| create(&hr, app_id, app_id)).collect();
    import(&store, &hr, 0, &people).await;
    let gone = |numbers: std::ops::Range<usize>| all[numbers].iter().map(|app_id| end(person(&hr, app_id), app_id)).collect::<Vec<_>>();
    import(&store, &hr, 10, &gone(0..1)).await;
    import(&store, &hr, 100, &gone(1..4)).await;
    // Turned inactive: removes, but the link stays.
    let inactive = ImportAction { account: AccountWrite::Seen { hash: None, active: false }, removes: true, ..idle("4") };
    import(&store, &hr, 110, &[inactive]).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(120)).await.unwrap();
    let figures = store.import_removals(&claim, at(50)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 0, removed: 4, population: 9, live: 6 });
    let mut plan = gone(4..6);
    plan.push(idle("9"));
    store.plan_import(&claim, &plan).await.unwrap();
    // S = {4, 5}, W = {1, 2, 3, 4}, L = {4, …, 9}.
    let figures = store.import_removals(&claim, at(50)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 2, removed: 5, population: 9, live: 6 });
    let figures = store.import_removals(&claim, at(0)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 2, removed: 6, population: 10, live: 6 });
    let figures = store.import_removals(&claim, at(115)).await.unwrap();
    assert_eq!(figures, RemovalFigures { planned: 2, removed: 2, population: 6, live: 6 });
}
