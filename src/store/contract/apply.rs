//! Applying plans of imports.

use super::*;
use crate::{
    domain::{candidate::PendingReason, import_plan::RecordFailure},
    store::AccountCounts,
};

pub(super) const NOTHING: ImportCounts = ImportCounts {
    new: 0,
    matched: 0,
    updated: 0,
    unchanged: 0,
    deactivated: 0,
    suspended: 0,
    unassigned: 0,
    reactivated: 0,
    pending: 0,
    ignored: 0,
    failed: 0,
    protected: 0,
};

pub(crate) async fn people_and_links_are_made_and_changed(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    let failed = ImportAction { failed: Some(RecordFailure::Mapping), ..idle("3") };
    let ignored = ImportAction { ignored: true, ..idle("4") };
    let counts = import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob"), failed, ignored]).await;
    assert_eq!(counts, ImportCounts { new: 2, failed: 1, ignored: 1, ..NOTHING });
    let revision = store.directory_revision(&hr.organisation).await.unwrap();
    assert!(revision > 0);
    import(&store, &hr, 1, &[ImportAction { account: seen("1"), ..idle("1") }]).await;
    assert_eq!(store.directory_revision(&hr.organisation).await.unwrap(), revision, "no person has changed");

    let leaves = PersonWrite::Change { id: person(&hr, "2"), profile: None, state: Some(PersonState::Deactivated) };
    let inactive = AccountWrite::Seen { hash: Some(hash("2")), active: false };
    let plan = [rename(person(&hr, "1"), "1", "Ada L"), ImportAction { account: inactive, person: leaves, ..idle("2") }];
    let counts = import(&store, &hr, 2, &plan).await;
    assert_eq!(counts, ImportCounts { updated: 1, deactivated: 1, ..NOTHING });
    assert!(store.directory_revision(&hr.organisation).await.unwrap() > revision);
    let counts = import(&store, &crm, 3, &[link_to(person(&hr, "1"), "x")]).await;
    assert_eq!(counts, ImportCounts { matched: 1, ..NOTHING });

    let mut page = store.provision_page(&hr, None, 9).await.unwrap();
    page.sort_by_key(|row| row.person.profile.user_name().unwrap().to_owned());
    let read: Vec<_> = page.iter().map(|row| (row.person.profile.clone(), row.person.state, row.link.as_ref().unwrap().active)).collect();
    assert_eq!(read, [(profile("Ada L"), PersonState::Active, true), (profile("bob"), PersonState::Deactivated, false)]);
    assert_eq!(link(&store, &crm, "x").await.unwrap().person, person(&hr, "1"));
}

pub(crate) async fn a_range_may_be_applied_twice(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob"), create(&hr, "3", "cid")]).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(1)).await.unwrap();
    let wait = waits(&hr, "6", Some(person(&hr, "1")), PendingReason::Ambiguous);
    let plan = [
        rename(person(&hr, "1"), "1", "bob"),
        rename(person(&hr, "2"), "2", "ada"),
        end(person(&hr, "3"), "3"),
        create(&hr, "4", "dan"),
        create(&hr, "5", "dan"),
        ImportAction { candidate: wait, ..idle("6") },
    ];
    store.plan_import(&claim, &plan).await.unwrap();
    let first = store.apply_import(&claim, None, 9, rules(), at(1)).await.unwrap().unwrap();
    assert_eq!(first, (ImportCounts { new: 1, updated: 2, unassigned: 1, pending: 1, failed: 1, ..NOTHING }, id("6")));
    let before = (store.provision_page(&hr, None, 9).await.unwrap(), store.account_counts(&hr).await.unwrap());
    let second = store.apply_import(&claim, None, 9, rules(), at(2)).await.unwrap().unwrap();
    assert_eq!(second, first);
    assert_eq!((store.provision_page(&hr, None, 9).await.unwrap(), store.account_counts(&hr).await.unwrap()), before);
    let next = store.claim(&hr, Direction::ToDirectory, "next", at(3)).await.unwrap();
    assert_eq!(store.import_removals(&next, at(0)).await.unwrap().removed, 1);
    assert_eq!(store.apply_import(&next, None, 9, rules(), at(3)).await.unwrap(), None);
}

/// A8.
pub(crate) async fn swapped_usernames_are_applied(fixture: &impl Fixture) {
    for limit in [1, 9] {
        let store = fixture.open().await;
        let hr = IntegrationKey::new(format!("swap-{limit}"), "hr");
        import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob"), create(&hr, "3", "cid")]).await;
        let claim = store.claim(&hr, Direction::ToDirectory, &format!("uid-{limit}"), at(1)).await.unwrap();
        let turn = [("1", "bob"), ("2", "cid"), ("3", "ADA")].map(|(app_id, name)| rename(person(&hr, app_id), app_id, name));
        store.plan_import(&claim, &turn).await.unwrap();
        assert_eq!(apply_all(&store, &claim, 1, limit).await, ImportCounts { updated: 3, ..NOTHING });
        for (app_id, name) in [("1", "bob"), ("2", "cid"), ("3", "ADA")] {
            let page = store.provision_page(&hr, None, 9).await.unwrap();
            let row = page.iter().find(|row| row.person.id == person(&hr, app_id)).unwrap();
            assert_eq!(row.person.profile.user_name(), Some(name));
        }
    }
}

pub(crate) async fn a_taken_username_is_refused(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob")]).await;
    // Case does not make a username another one (TD-6).
    let plan = [create(&crm, "1", "ADA"), create(&crm, "2", "cid"), create(&crm, "3", "Cid")];
    assert_eq!(import(&store, &crm, 1, &plan).await, ImportCounts { new: 1, failed: 2, ..NOTHING });
    assert_eq!((link(&store, &crm, "1").await, link(&store, &crm, "3").await), (None, None));
    assert!(link(&store, &crm, "2").await.is_some());
    let plan = [rename(person(&hr, "1"), "1", "bob"), rename(person(&hr, "2"), "2", "Bob")];
    assert_eq!(import(&store, &hr, 2, &plan).await, ImportCounts { updated: 1, failed: 1, ..NOTHING });
    let mut names = user_names(&store, &hr).await;
    names.sort();
    assert_eq!(names, ["Bob", "ada", "cid"]);
}

pub(crate) async fn one_refusal_leads_to_another(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob")]).await;
    import(&store, &crm, 0, &[create(&crm, "9", "zoe")]).await;
    // 2 cannot become zoe, so 1 cannot become bob, so a new ada cannot come.
    let plan = [rename(person(&hr, "1"), "1", "bob"), rename(person(&hr, "2"), "2", "zoe"), create(&hr, "3", "ada")];
    assert_eq!(import(&store, &hr, 1, &plan).await, ImportCounts { failed: 3, ..NOTHING });
    let mut names = user_names(&store, &hr).await;
    names.sort();
    assert_eq!(names, ["ada", "bob", "zoe"]);
}

pub(crate) async fn impossible_links_are_refused(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob")]).await;
    let (ada, bob, nobody) = (person(&hr, "1"), person(&hr, "2"), person(&hr, "404"));
    let plan = [link_to(bob, "1"), link_to(ada, "3"), link_to(nobody, "4"), rename(nobody, "5", "eve")];
    assert_eq!(import(&store, &hr, 1, &plan).await, ImportCounts { failed: 4, ..NOTHING });
    assert_eq!(link(&store, &hr, "1").await.unwrap().person, ada);
    assert_eq!(store.account_counts(&hr).await.unwrap(), AccountCounts { linked: 2, ..Default::default() });
    // Two records for one person who is linked to neither.
    let crm = key("crm");
    let counts = import(&store, &crm, 2, &[link_to(ada, "a"), link_to(ada, "b")]).await;
    assert_eq!(counts, ImportCounts { matched: 1, failed: 1, ..NOTHING });
}

pub(crate) async fn an_absent_record_ends_its_link_and_a_return_revives_it(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let ada = person(&hr, "1");
    import(&store, &hr, 0, &[create(&hr, "1", "ada")]).await;
    let counts = import(&store, &hr, 1, &[end(ada, "1")]).await;
    assert_eq!(counts, ImportCounts { unassigned: 1, ..NOTHING });
    assert_eq!(link(&store, &hr, "1").await.unwrap().state, LinkState::EndedByAbsence);
    assert_eq!(store.account_counts(&hr).await.unwrap().linked, 0);
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(2)).await.unwrap();
    store.stage(&claim, &[staged("1", "ada")]).await.unwrap();
    let row = store.staged_page(&claim, None, 1).await.unwrap().remove(0);
    assert_eq!(row.known.unwrap().link.state, LinkState::EndedByAbsence);
    let counts = import(&store, &hr, 3, &[link_to(ada, "1")]).await;
    assert_eq!(counts, ImportCounts { matched: 1, ..NOTHING });
    let account = store.linked_accounts(&hr, None, 9).await.unwrap().remove(0);
    assert_eq!((account.link.state, account.link.person, account.missing), (LinkState::Live, ada, 0));
}

pub(crate) async fn a_rehired_person_gets_the_new_account(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let ada = person(&hr, "1");
    import(&store, &hr, 0, &[create(&hr, "1", "ada"), create(&hr, "2", "bob")]).await;
    import(&store, &hr, 1, &[end(ada, "1"), end(person(&hr, "2"), "2")]).await;
    // Ada comes back with another id; the id of hers goes to Bob.
    let counts = import(&store, &hr, 2, &[link_to(ada, "7"), link_to(person(&hr, "2"), "1")]).await;
    assert_eq!(counts, ImportCounts { matched: 2, ..NOTHING });
    assert_eq!(link(&store, &hr, "7").await.unwrap().person, ada);
    assert_eq!(link(&store, &hr, "1").await.unwrap().person, person(&hr, "2"));
    assert_eq!(link(&store, &hr, "2").await, None);
    assert_eq!(store.account_counts(&hr).await.unwrap().linked, 2);
}

pub(crate) async fn candidates_come_and_go(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let put = |reason| ImportAction { candidate: waits(&hr, "1", None, reason), ..idle("1") };
    for (second, reason) in [(0, PendingReason::NewPersonManual), (1, PendingReason::Ambiguous)] {
        let counts = import(&store, &hr, second, &[put(reason)]).await;
        assert_eq!(counts, ImportCounts { pending: 1, ..NOTHING });
        assert_eq!(store.account_counts(&hr).await.unwrap().pending, 1);
    }
    let confirmed = ImportAction { candidate: CandidateWrite::Remove, ..create(&hr, "1", "ada") };
    import(&store, &hr, 2, &[confirmed]).await;
    assert_eq!(store.account_counts(&hr).await.unwrap(), AccountCounts { linked: 1, ..Default::default() });
}
