//! Claims and results.

use super::*;
use crate::{
    domain::{hash::DigestBuilder, id::Organisation, report::StopCause},
    store::{AccountCounts, PersonKey, StoreError},
};

pub(crate) async fn a_store_keeps_its_id(fixture: &impl Fixture) {
    let first = fixture.open().await;
    let id = first.store_id().await.unwrap();
    first.ping().await.unwrap();
    drop(first);
    let again = fixture.open().await;
    assert_eq!(again.store_id().await.unwrap(), id);
    assert_eq!(id.len(), 36);
}

pub(crate) async fn j6_a_revision_grows_and_never_shrinks(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, chat) = (key("hr"), key("chat"));
    assert_eq!(store.revision(&hr).await.unwrap(), 0, "of an integration that the store has never heard of");
    let claim = store.claim(&hr, Direction::ToDirectory, "a", at(1)).await.unwrap();
    assert_eq!(store.revision(&hr).await.unwrap(), 0, "a run that changes nothing");
    for expected in 1..=3 {
        store.note_changes(&claim).await.unwrap();
        assert_eq!(store.revision(&hr).await.unwrap(), expected);
    }
    store.raise_revision(&hr, 2).await.unwrap();
    assert_eq!(store.revision(&hr).await.unwrap(), 3, "raised to less");
    store.raise_revision(&hr, 9).await.unwrap();
    store.raise_revision(&chat, 5).await.unwrap();
    drop(store);
    let again = fixture.open().await;
    assert_eq!((again.revision(&hr).await.unwrap(), again.revision(&chat).await.unwrap()), (9, 5));
    assert_eq!(again.revision(&IntegrationKey::new("other", "hr")).await.unwrap(), 0, "of another organisation (I5)");
}

pub(crate) async fn a_newer_claim_ends_the_right_to_write(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    import(&store, &hr, 0, &[create(&hr, "1", "ada")]).await;
    let revision = store.directory_revision(&hr.organisation).await.unwrap();
    let person = person(&hr, "1");
    let old_import = store.claim(&hr, Direction::ToDirectory, "a", at(1)).await.unwrap();
    store.plan_import(&old_import, &[rename(person, "1", "eve")]).await.unwrap();
    let old_pass = store.claim(&hr, Direction::ToApp, "b", at(1)).await.unwrap();
    let intent = crate::store::Intent { person, action: creation(), approved: false };
    let intents = store.open_intents(&old_pass, std::slice::from_ref(&intent), at(1)).await.unwrap();
    let new_import = store.claim(&hr, Direction::ToDirectory, "a", at(2)).await.unwrap();
    let new_pass = store.claim(&hr, Direction::ToApp, "b", at(2)).await.unwrap();
    assert!(new_import.epoch > old_import.epoch && new_pass.epoch > old_pass.epoch);
    assert_ne!(new_pass.run, old_pass.run);

    let counts = ImportCounts::default();
    let done = crate::store::IntentResult::Done { link: Box::new(created_link(person, "9")) };
    let refused = [
        store.note_changes(&old_import).await,
        store.note_changes(&old_pass).await,
        store.clear_staging(&old_import).await,
        store.stage(&old_import, &[staged("1", "eve")]).await,
        store.plan_import(&old_import, &[idle("1")]).await,
        store.apply_import(&old_import, None, 9, rules(), at(3)).await.map(drop),
        store.finish_import(&old_import, &import_report(counts, 3)).await,
        store.plan_provision(&old_pass, &[(person, creation())]).await,
        store.observe(&old_pass, &[]).await,
        store.confirm_unchanged(&old_pass, &[(person, hash("x"))]).await,
        store.record_failures(&old_pass, &[(person, failure(1))]).await,
        store.open_intents(&old_pass, &[intent], at(3)).await.map(drop),
        store.close_intents(&old_pass, &[(intents[0], done)], at(3)).await,
        store.finish_pass(&old_pass, &pass_report(3), hash("x")).await,
    ];
    for (position, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::LostEpoch)), "write {position}: {result:?}");
    }
    assert_eq!(user_names(&store, &hr).await, ["ada"]);
    assert_eq!(store.directory_revision(&hr.organisation).await.unwrap(), revision);
    assert_eq!(store.unsettled_intents(&new_pass).await.unwrap().len(), 1);
}

pub(crate) async fn the_two_directions_are_claimed_separately(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let import = store.claim(&key("hr"), Direction::ToDirectory, "a", at(0)).await.unwrap();
    let pass = store.claim(&key("hr"), Direction::ToApp, "b", at(0)).await.unwrap();
    let other = store.claim(&key("crm"), Direction::ToDirectory, "c", at(0)).await.unwrap();
    store.stage(&import, &[staged("1", "ada")]).await.unwrap();
    store.plan_provision(&pass, &[]).await.unwrap();
    store.stage(&other, &[staged("1", "ada")]).await.unwrap();
}

pub(crate) async fn an_unfinished_import_is_taken_up_again_empty(fixture: &impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.import_run("uid").await.unwrap(), None);
    let first = store.claim(&key("hr"), Direction::ToDirectory, "uid", at(5)).await.unwrap();
    store.stage(&first, &[staged("1", "ada"), staged("2", "bob")]).await.unwrap();
    assert_eq!(store.staged_page(&first, None, 9).await.unwrap().len(), 2);
    store.plan_import(&first, &[idle("1")]).await.unwrap();
    drop(store);

    let store = fixture.open().await;
    let again = store.claim(&key("hr"), Direction::ToDirectory, "uid", at(9)).await.unwrap();
    assert_eq!(again.run, first.run);
    assert!(again.epoch > first.epoch);
    assert!(store.staged_page(&again, None, 9).await.unwrap().is_empty());
    assert!(store.import_actions(&again, None, 9).await.unwrap().is_empty());
    store.stage(&again, &[staged("2", "bob")]).await.unwrap();
    assert_eq!(store.staged_page(&again, None, 9).await.unwrap().len(), 1);
    store.clear_staging(&again).await.unwrap();
    assert!(store.staged_page(&again, None, 9).await.unwrap().is_empty());
    let stored = store.import_run("uid").await.unwrap().unwrap();
    assert_eq!((stored.run, stored.started, stored.report), (first.run, at(5), None));
    let other = store.claim(&key("hr"), Direction::ToDirectory, "other", at(9)).await.unwrap();
    assert_ne!(other.run, first.run);
}

pub(crate) async fn a_finished_import_is_found_and_its_plan_stays(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let claim = store.claim(&key("hr"), Direction::ToDirectory, "uid", at(0)).await.unwrap();
    store.stage(&claim, &[staged("1", "ada")]).await.unwrap();
    store.plan_import(&claim, &[idle("b"), idle("a")]).await.unwrap();
    let report = import_report(ImportCounts { new: 3, ..Default::default() }, 4);
    store.finish_import(&claim, &report).await.unwrap();
    assert_eq!(store.import_run("uid").await.unwrap().unwrap().report, Some(report));
    assert_eq!(store.import_actions(&claim, None, 9).await.unwrap(), [idle("a"), idle("b")]);
    assert_eq!(store.import_actions(&claim, Some(&id("a")), 9).await.unwrap(), [idle("b")]);
    assert!(store.staged_page(&claim, None, 9).await.unwrap().is_empty());
    let next = store.claim(&key("hr"), Direction::ToDirectory, "uid", at(5)).await.unwrap();
    assert_ne!(next.run, claim.run, "a finished run is not taken up again");
    assert!(store.import_actions(&claim, None, 9).await.unwrap().is_empty());
}

pub(crate) async fn an_import_that_will_not_run_ends_without_a_claim(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let interrupted = store.claim(&hr, Direction::ToDirectory, "interrupted", at(1)).await.unwrap();
    let under_way = store.claim(&hr, Direction::ToDirectory, "under-way", at(2)).await.unwrap();
    let replaced = ImportReport::replaced(at(3));
    for object in ["interrupted", "never-began"] {
        store.end_import(&hr, object, &replaced).await.unwrap();
        assert_eq!(store.import_run(object).await.unwrap().unwrap().report, Some(replaced.clone()), "{object}");
    }
    assert_eq!(store.import_run("interrupted").await.unwrap().unwrap().run, interrupted.run);
    let report = import_report(ImportCounts::default(), 4);
    store.finish_import(&under_way, &report).await.expect("the other run has kept its claim");
    assert_eq!(store.import_run("under-way").await.unwrap().unwrap().report, Some(report));
}

pub(crate) async fn imports_are_forgotten_with_their_objects(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    for (integration, object) in [(&hr, "gone"), (&hr, "kept"), (&crm, "gone-too"), (&hr, "under-way")] {
        let claim = store.claim(integration, Direction::ToDirectory, object, at(1)).await.unwrap();
        store.stage(&claim, &[staged("1", "ada")]).await.unwrap();
        store.staged_page(&claim, None, 1).await.unwrap();
        store.plan_import(&claim, &[create(integration, "1", "ada")]).await.unwrap();
        if object != "under-way" {
            store.finish_import(&claim, &import_report(ImportCounts::default(), 2)).await.unwrap();
        }
    }
    let claim = pass(&store, &hr).await;
    store.finish_pass(&claim, &pass_report(3), hash("x")).await.unwrap();
    let known = async || {
        let mut objects = store.import_objects().await.unwrap();
        objects.sort();
        objects
    };
    assert_eq!(known().await, ["gone", "gone-too", "kept", "under-way"]);
    store.forget_imports(&["gone".to_owned(), "gone-too".to_owned(), "never-was".to_owned(), "policy".to_owned()]).await.unwrap();
    assert_eq!(known().await, ["kept", "under-way"]);
    assert_eq!(store.import_run("gone").await.unwrap(), None);
    assert!(store.import_run("kept").await.unwrap().unwrap().report.is_some());
    assert!(store.last_pass(&hr, "policy").await.unwrap().is_some(), "passes are no imports");
    let again = store.claim(&hr, Direction::ToDirectory, "under-way", at(4)).await.unwrap();
    store.stage(&again, &[staged("1", "ada")]).await.unwrap();
    assert_eq!(store.staged_page(&again, None, 9).await.unwrap().len(), 1, "who is under way goes on");
}

pub(crate) async fn only_the_last_finished_pass_is_remembered(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let app = key("app");
    assert_eq!(store.last_pass(&app, "policy").await.unwrap(), None);
    for second in [1, 2] {
        let claim = pass(&store, &app).await;
        store.finish_pass(&claim, &pass_report(second), hash(&second.to_string())).await.unwrap();
    }
    pass(&store, &app).await;
    assert_eq!(store.last_pass(&app, "policy").await.unwrap(), Some((pass_report(2), hash("2"))));
    assert_eq!(store.last_pass(&app, "other").await.unwrap(), None);
    assert_eq!(store.last_pass(&key("crm"), "policy").await.unwrap(), None);
}

pub(crate) async fn an_organisation_sees_nothing_of_another(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (ours, theirs) = (IntegrationKey::new("ours", "hr"), IntegrationKey::new("theirs", "hr"));
    import(&store, &ours, 0, &[create(&ours, "1", "ada"), create(&ours, "2", "bob")]).await;
    assert_eq!(store.directory_revision(&Organisation::new("theirs")).await.unwrap(), 0);
    assert!(store.provision_page(&theirs, None, 9).await.unwrap().is_empty());
    // The same app id and the same username are another person there.
    let counts = import(&store, &theirs, 0, &[create(&theirs, "1", "ada")]).await;
    assert_eq!(counts, ImportCounts { new: 1, ..Default::default() });
    assert_ne!(link(&store, &ours, "1").await.unwrap().person, link(&store, &theirs, "1").await.unwrap().person);
    assert_eq!(link(&store, &theirs, "2").await, None);
    assert_eq!(store.account_counts(&theirs).await.unwrap(), AccountCounts { linked: 1, ..Default::default() });
    let keys = ["bob".to_owned()];
    let claim = store.claim(&theirs, Direction::ToDirectory, "look", at(1)).await.unwrap();
    assert!(store.people_by_key(&claim, PersonKey::UserName, &keys).await.unwrap()[0].is_empty());
    // Not even a plan that names a person of the other organisation reaches them.
    let stranger = person(&ours, "2");
    let counts = import(&store, &theirs, 1, &[rename(stranger, "1", "eve"), link_to(stranger, "3")]).await;
    assert_eq!(counts, ImportCounts { failed: 2, ..Default::default() });
    let claim = pass(&store, &theirs).await;
    store.record_failures(&claim, &[(stranger, failure(1))]).await.unwrap();
    assert_eq!(store.account_counts(&ours).await.unwrap(), AccountCounts { linked: 2, ..Default::default() });
    assert_eq!(user_names(&store, &theirs).await, ["ada"]);
}

pub(crate) async fn sg9_a_newer_plan_supersedes_those_that_are_held(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let report = |end, planned: bool| ImportReport {
        end,
        digest: planned.then(|| DigestBuilder::new().finish()),
        ..import_report(ImportCounts::default(), 1)
    };
    let end_of = async |object: &str| store.import_run(object).await.unwrap().unwrap().report.unwrap().end;
    for (object, end, planned) in
        [("replaced", ImportEnd::StoreReplaced, true), ("held", ImportEnd::Held, true), ("incomplete", ImportEnd::EmptySource, false)]
    {
        let claim = store.claim(&hr, Direction::ToDirectory, object, at(1)).await.unwrap();
        store.finish_import(&claim, &report(end, planned)).await.unwrap();
    }
    assert_eq!(end_of("replaced").await, ImportEnd::Stopped { by: StopCause::Superseded }, "by the plan of `held`");
    assert_eq!(end_of("held").await, ImportEnd::Held, "a run without a plan replaces none");
    let claim = store.claim(&hr, Direction::ToDirectory, "newer", at(2)).await.unwrap();
    store.finish_import(&claim, &report(ImportEnd::NothingToDo, true)).await.unwrap();
    assert_eq!(end_of("held").await, ImportEnd::Stopped { by: StopCause::Superseded });
    assert_eq!(end_of("incomplete").await, ImportEnd::EmptySource);
}
