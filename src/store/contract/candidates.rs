//! The queue of candidates, decisions about it, and the keys that matching looks people up by.

use super::*;
use crate::{
    domain::{
        candidate::{Candidate, CandidateDecision, Decision, DecisionOutcome, DecisionRefusal, DecisionsReport, Queued},
        import_decision::{Confirmation, ImportRules},
        matching::{MatchingRules, TOO_MANY},
        safeguard::ImportLimits,
        sourcing::Sourcing,
    },
    store::{AccountCounts, Decisions, PersonKey},
};

use super::apply::NOTHING;
const APPLIED: DecisionOutcome = DecisionOutcome::Applied;

const fn refused(refusal: DecisionRefusal) -> DecisionOutcome {
    DecisionOutcome::Refused(refusal)
}

fn policy(integration: &IntegrationKey) -> ImportRules {
    ImportRules {
        approval_seconds: 86_400,
        integration: integration.clone(),
        matching: MatchingRules { user_name: true, ..MatchingRules::default() },
        confirmation: Confirmation { activate_new: true, ..Confirmation::default() },
        sourcing: Some(Sourcing::default()),
        push_null_values: false,
        missing_full_imports: 2,
        limits: ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: None },
        window_seconds: 86_400,
    }
}

fn candidate(integration: &IntegrationKey, app_id: &str) -> CandidateId {
    CandidateId::derive(integration, &id(app_id))
}

fn pending(integration: &IntegrationKey, app_id: &str, person: Option<PersonId>, reason: PendingReason) -> ImportAction {
    ImportAction { candidate: waits(integration, app_id, person, reason), ..idle(app_id) }
}

/// Decides on the proposals of the import at `second`; the object is new.
async fn decide(store: &impl Store, rules: &ImportRules, second: i64, decisions: &[(&str, Decision)]) -> DecisionsReport {
    let object = format!("approval {second} {decisions:?}");
    let import = format!("run-{}-{second}", rules.integration);
    let decisions: Vec<_> = decisions
        .iter()
        .map(|(app_id, decision)| CandidateDecision { id: candidate(&rules.integration, app_id), decision: *decision })
        .collect();
    let request = Decisions { object: &object, import: &import, decisions: &decisions, rules };
    store.decide_candidates(request, at(second)).await.unwrap()
}

fn outcomes(report: &DecisionsReport) -> Vec<DecisionOutcome> {
    report.outcomes.iter().map(|(_, outcome)| *outcome).collect()
}

async fn queue(store: &impl Store, integration: &IntegrationKey) -> Vec<(String, Option<PersonId>, bool)> {
    let listed = store.candidates(integration, None, 100).await.unwrap();
    listed.into_iter().map(|Candidate { app_id, person, ignored, .. }| (app_id.to_string(), person, ignored)).collect()
}

pub(crate) async fn mt8_decisions_take_effect_as_an_imports_own(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &crm, 0, &[create(&crm, "1", "ada"), create(&crm, "2", "bob")]).await;
    let (ada, bob) = (person(&crm, "1"), person(&crm, "2"));
    let waiting = [
        pending(&hr, "a", Some(ada), PendingReason::ExactMatchManual),
        pending(&hr, "b", None, PendingReason::Ambiguous),
        pending(&hr, "c", None, PendingReason::NewPersonManual),
        pending(&hr, "d", None, PendingReason::NewPersonManual),
    ];
    import(&store, &hr, 1, &waiting).await;
    let before = (store.directory_revision(&hr.organisation).await.unwrap(), store.revision(&hr).await.unwrap());
    let asked = [("a", Decision::Exact), ("b", Decision::Existing(bob)), ("c", Decision::New), ("d", Decision::Ignore)];
    let report = decide(&store, &ImportRules { sourcing: None, ..policy(&hr) }, 1, &asked).await;
    assert_eq!(outcomes(&report), [APPLIED; 4]);
    assert_eq!(report.applied, ImportCounts { new: 1, matched: 2, ..NOTHING });
    let links = [link(&store, &hr, "a").await, link(&store, &hr, "b").await, link(&store, &hr, "c").await];
    let linked = links.map(|link| link.map(|link| (link.person, link.state, link.origin, link.active)));
    let whole = |person| Some((person, LinkState::Live, LinkOrigin::Import, true));
    assert_eq!(linked, [whole(ada), whole(bob), whole(person(&hr, "c"))]);
    assert_eq!(user_names(&store, &hr).await.len(), 3);
    assert_eq!(queue(&store, &hr).await, [("d".to_owned(), None, true)]);
    assert_eq!(store.account_counts(&hr).await.unwrap(), AccountCounts { linked: 3, pending: 0, failed: 0 });
    let after = (store.directory_revision(&hr.organisation).await.unwrap(), store.revision(&hr).await.unwrap());
    assert!(after.0 > before.0 && after.1 > before.1, "passes and statuses hear of it");
    let known = store.known_records(&hr, rules()).await.unwrap();
    assert!(["a", "b", "c"].iter().all(|app_id| !known.is_unchanged(&id(app_id), hash(app_id))), "the next import looks at each of them");
}

pub(crate) async fn mt8_a_decision_counts_only_on_the_proposal_it_was_made_on(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &crm, 0, &[create(&crm, "1", "ada")]).await;
    let new = || pending(&hr, "a", None, PendingReason::NewPersonManual);
    import(&store, &hr, 1, &[new()]).await;
    import(&store, &hr, 2, &[new()]).await;
    let policy = policy(&hr);
    assert_eq!(outcomes(&decide(&store, &policy, 7, &[("a", Decision::New)]).await), [refused(DecisionRefusal::Stale)], "no such import");
    // The person appears: the proposal is another one.
    import(&store, &hr, 3, &[pending(&hr, "a", Some(person(&crm, "1")), PendingReason::ExactMatchManual)]).await;
    for second in [1, 2] {
        assert_eq!(outcomes(&decide(&store, &policy, second, &[("a", Decision::New)]).await), [refused(DecisionRefusal::Stale)]);
    }
    assert_eq!((link(&store, &hr, "a").await, user_names(&store, &hr).await.len()), (None, 1));
    import(&store, &hr, 4, &[pending(&hr, "a", Some(person(&crm, "1")), PendingReason::ExactMatchManual)]).await;
    // The import after the next may propose what an earlier one did; in between it was different.
    import(&store, &hr, 5, &[new()]).await;
    assert_eq!(outcomes(&decide(&store, &policy, 1, &[("a", Decision::New)]).await), [refused(DecisionRefusal::Stale)]);
    // A plan that is held has changed nothing in the queue; on its own proposals it may be decided all the same.
    for (object, held, expected) in [
        ("other", pending(&hr, "a", Some(person(&crm, "1")), PendingReason::ExactMatchManual), refused(DecisionRefusal::Stale)),
        ("same", new(), APPLIED),
    ] {
        let claim = store.claim(&hr, Direction::ToDirectory, object, at(6)).await.unwrap();
        store.plan_import(&claim, &[held]).await.unwrap();
        let decision = [CandidateDecision { id: candidate(&hr, "a"), decision: Decision::New }];
        let request = Decisions { object: &format!("on {object}"), import: object, decisions: &decision, rules: &policy };
        assert_eq!(outcomes(&store.decide_candidates(request, at(6)).await.unwrap()), [expected], "{object}");
    }
}

pub(crate) async fn mt8_what_cannot_be_done_is_refused_and_waits_on(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    import(&store, &crm, 0, &[create(&crm, "1", "e"), create(&crm, "2", "bob")]).await;
    let nobody = person(&hr, "404");
    let mut namesake = pending(&hr, "h", None, PendingReason::NewPersonManual);
    if let CandidateWrite::Put(put) = &mut namesake.candidate {
        put.record.profile.set("userName", json!("F"));
    }
    let waiting = [
        create(&hr, "1", "ada"),
        pending(&hr, "a", Some(person(&hr, "1")), PendingReason::AlreadyLinked),
        pending(&hr, "b", None, PendingReason::NewPersonManual),
        pending(&hr, "c", None, PendingReason::Ambiguous),
        pending(&hr, "d", Some(person(&crm, "2")), PendingReason::ExactMatchManual),
        pending(&hr, "e", None, PendingReason::UserNameTaken),
        pending(&hr, "f", None, PendingReason::NewPersonManual),
        pending(&hr, "g", Some(person(&crm, "2")), PendingReason::ExactMatchManual),
        namesake,
    ];
    import(&store, &hr, 1, &waiting).await;
    let before = (queue(&store, &hr).await, user_names(&store, &hr).await);
    let asked = [
        ("a", Decision::Exact),
        ("b", Decision::Activate),
        ("c", Decision::Exact),
        ("d", Decision::Activate),
        ("e", Decision::New),
        ("f", Decision::Existing(nobody)),
        ("z", Decision::New),
    ];
    let report = decide(&store, &policy(&hr), 1, &asked).await;
    let expected = [
        DecisionRefusal::Impossible,
        DecisionRefusal::NotFitting,
        DecisionRefusal::NotFitting,
        DecisionRefusal::NotFitting,
        DecisionRefusal::Impossible,
        DecisionRefusal::NoSuchPerson,
        DecisionRefusal::Unknown,
    ];
    assert_eq!((outcomes(&report), report.applied, report.refused()), (expected.map(refused).to_vec(), NOTHING, 7));
    assert_eq!((queue(&store, &hr).await, user_names(&store, &hr).await), before);
    // Two records for one person, two new people of one name, and two decisions about one record.
    let rules = ImportRules { sourcing: None, ..policy(&hr) };
    let asked = ["d", "g"].map(|app_id| (app_id, Decision::Exact)).into_iter();
    let asked = asked.chain(["f", "h", "b"].map(|app_id| (app_id, Decision::New))).chain([("b", Decision::Ignore)]);
    let report = decide(&store, &rules, 1, &asked.collect::<Vec<_>>()).await;
    let impossible = refused(DecisionRefusal::Impossible);
    let expected = [impossible, impossible, impossible, impossible, APPLIED, refused(DecisionRefusal::Unknown)];
    assert_eq!((outcomes(&report), report.applied), (expected.to_vec(), ImportCounts { new: 1, ..NOTHING }));
    assert_eq!([link(&store, &hr, "d").await, link(&store, &hr, "g").await], [None, None]);
    assert_eq!(decide(&store, &rules, 1, &[("d", Decision::Exact)]).await.applied, ImportCounts { matched: 1, ..NOTHING });
    let elsewhere = IntegrationKey::new("other", "hr");
    let report = decide(&store, &policy(&elsewhere), 1, &[("c", Decision::New)]).await;
    assert_eq!(outcomes(&report), [refused(DecisionRefusal::Unknown)], "an organisation decides about its own");
}

pub(crate) async fn mt8_the_same_object_decides_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let rules = policy(&hr);
    import(&store, &hr, 1, &[pending(&hr, "a", None, PendingReason::NewPersonManual)]).await;
    let first = decide(&store, &rules, 1, &[("a", Decision::New)]).await;
    assert_eq!(outcomes(&first), [APPLIED]);
    let revision = store.directory_revision(&hr.organisation).await.unwrap();
    // The record waits again, for another reason; the decision of then says nothing of it.
    import(&store, &hr, 2, &[end(person(&hr, "a"), "a"), pending(&hr, "b", None, PendingReason::NewPersonManual)]).await;
    let again = decide(&store, &rules, 1, &[("a", Decision::New)]).await;
    assert_eq!(again, first);
    assert_eq!(link(&store, &hr, "a").await.unwrap().state, LinkState::EndedByAbsence);
    assert_eq!(store.directory_revision(&hr.organisation).await.unwrap(), revision + 1, "by the import");
}

pub(crate) async fn mt8_ignored_records_stay_so_until_taken_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let rules = policy(&hr);
    let waiting = |reason| [pending(&hr, "a", None, reason), pending(&hr, "b", None, reason)];
    import(&store, &hr, 1, &waiting(PendingReason::NewPersonManual)).await;
    decide(&store, &rules, 1, &[("a", Decision::Ignore)]).await;
    import(&store, &hr, 2, &waiting(PendingReason::Ambiguous)).await;
    assert_eq!(queue(&store, &hr).await, [("a".to_owned(), None, true), ("b".to_owned(), None, false)]);
    assert_eq!(store.account_counts(&hr).await.unwrap().pending, 1);
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(3)).await.unwrap();
    store.stage(&claim, &[staged("a", "a"), staged("b", "b")]).await.unwrap();
    let queued: Vec<_> = store.staged_page(&claim, None, 9).await.unwrap().iter().map(|row| row.queued).collect();
    assert_eq!(queued, [Queued::Ignored, Queued::Pending]);
    assert_eq!(outcomes(&decide(&store, &rules, 2, &[("a", Decision::Unignore)]).await), [APPLIED]);
    assert_eq!(store.account_counts(&hr).await.unwrap().pending, 2);
    let page = store.candidates(&hr, Some(&id("a")), 1).await.unwrap();
    assert_eq!((page.len(), &page[0].app_id, page[0].id), (1, &id("b"), candidate(&hr, "b")));
}

pub(crate) async fn mt8_an_import_under_way_undoes_no_decision(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    let waiting = ["a", "b"].map(|app_id| pending(&hr, app_id, None, PendingReason::NewPersonManual));
    import(&store, &hr, 1, &waiting).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "uid", at(2)).await.unwrap();
    let existing = ImportAction { candidate: CandidateWrite::Remove, ..create(&hr, "b", "b") };
    store.plan_import(&claim, &[waiting[0].clone(), existing]).await.unwrap();
    let report = decide(&store, &policy(&hr), 1, &[("a", Decision::New), ("b", Decision::New)]).await;
    assert_eq!(outcomes(&report), [APPLIED; 2]);
    apply_all(&store, &claim, 2, 100).await;
    assert_eq!(queue(&store, &hr).await, [], "who is linked by now does not wait");
    let people = [link(&store, &hr, "a").await, link(&store, &hr, "b").await].map(|link| link.unwrap().person);
    assert_eq!((people, user_names(&store, &hr).await.len()), ([person(&hr, "a"), person(&hr, "b")], 2));
}

pub(crate) async fn mt8_staged_and_departed_people_are_activated(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let hr = key("hr");
    store.set_source(&hr, true).await.unwrap();
    let created = |app_id: &str, state| {
        let create = PersonWrite::Create { id: person(&hr, app_id), state, profile: profile(app_id) };
        ImportAction { person: create, ..create_of(&hr, app_id) }
    };
    import(&store, &hr, 0, &[created("a", PersonState::Staged), created("b", PersonState::Deactivated)]).await;
    let wait = |app_id: &str, reason| ImportAction {
        account: AccountWrite::Seen { hash: None, active: reason == PendingReason::Staged },
        ..pending(&hr, app_id, Some(person(&hr, app_id)), reason)
    };
    let mut departed = wait("b", PendingReason::Reactivation);
    if let CandidateWrite::Put(put) = &mut departed.candidate {
        put.record.profile.set("title", json!("boss"));
    }
    import(&store, &hr, 1, &[wait("a", PendingReason::Staged), departed]).await;
    let report = decide(&store, &policy(&hr), 1, &[("a", Decision::Activate), ("b", Decision::Exact)]).await;
    assert_eq!(outcomes(&report), [APPLIED; 2]);
    assert_eq!(report.applied, ImportCounts { updated: 1, reactivated: 2, ..NOTHING });
    let mut page = store.provision_page(&hr, None, 9).await.unwrap();
    page.sort_by_key(|row| row.person.profile.user_name().unwrap().to_owned());
    let read: Vec<_> =
        page.iter().map(|row| (row.person.state, row.person.profile.text("title").unwrap(), row.link.as_ref().unwrap().active)).collect();
    assert_eq!(read, [(PersonState::Active, "Ingénieur", true), (PersonState::Active, "boss", true)]);
    assert_eq!(queue(&store, &hr).await, []);
}

fn create_of(integration: &IntegrationKey, app_id: &str) -> ImportAction {
    create(integration, app_id, app_id)
}

pub(crate) async fn mt2_people_are_found_by_keys_that_are_kept_up_to_date(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let (hr, crm) = (key("hr"), key("crm"));
    let numbered = |app_id: &str, number: &str| {
        let mut action = create(&hr, app_id, app_id);
        if let PersonWrite::Create { profile, .. } = &mut action.person {
            profile.set("employeeNumber", json!(number));
            profile.set("givenName", json!("Zoë"));
            profile.set("familyName", json!("Lee"));
        }
        action
    };
    import(&store, &hr, 0, &[numbered("1", "Nr-7"), numbered("2", ""), create(&hr, "3", "3")]).await;
    let claim = store.claim(&crm, Direction::ToDirectory, "uid", at(1)).await.unwrap();
    let find = async |key: PersonKey<'_>, value: &str| -> Vec<PersonId> {
        let hits = store.people_by_key(&claim, key, &["none".to_owned(), value.to_owned()]).await.unwrap();
        assert_eq!((hits.len(), hits[0].len()), (2, 0));
        hits[1].iter().map(|hit| hit.person.id).collect()
    };
    let number = PersonKey::Attribute("employeeNumber");
    assert_eq!(find(number, "nr-7").await, [person(&hr, "1")]);
    assert_eq!(find(number, "").await, [], "an empty text is no key");
    let names = "zo\u{eb}\u{1f}lee";
    assert_eq!(find(PersonKey::Names, names).await.len(), 2);
    // Somebody else has the number, and somebody new.
    let changed = |app_id: &str, number: &str| {
        let PersonWrite::Create { id, mut profile, .. } = numbered(app_id, number).person else { unreachable!() };
        profile.set("familyName", json!("Ray"));
        let change = PersonWrite::Change { id, profile: Some(profile), state: None };
        ImportAction { account: seen(app_id), person: change, ..idle(app_id) }
    };
    import(&store, &hr, 2, &[changed("1", "8"), changed("2", "NR-7"), numbered("4", "9")]).await;
    assert_eq!(find(number, "nr-7").await, [person(&hr, "2")]);
    assert_eq!((find(number, "8").await, find(number, "9").await), (vec![person(&hr, "1")], vec![person(&hr, "4")]));
    assert_eq!(find(PersonKey::Names, names).await, [person(&hr, "4")]);
    // Whoever is under a key with too many others is not told from them.
    let crowd: Vec<_> = (10..10 + 2 * TOO_MANY).map(|number| numbered(&number.to_string(), "crowd")).collect();
    import(&store, &hr, 3, &crowd).await;
    assert_eq!(find(number, "crowd").await.len(), TOO_MANY);
    let other = store.claim(&IntegrationKey::new("other", "crm"), Direction::ToDirectory, "uid 2", at(4)).await.unwrap();
    let hits = store.people_by_key(&other, number, &["nr-7".to_owned()]).await.unwrap();
    assert_eq!(hits, [Vec::new()], "another organisation");
    // What records have in common is told by the keys that they were staged with.
    let with = |app_id: &str, key: &str| {
        let keys = MatchKeys { attribute: Some(key.to_owned()), names: Some("same".to_owned()) };
        StagedRecord { keys, ..staged(app_id, app_id) }
    };
    store.stage(&claim, &[with("a", "x"), with("b", "x"), with("c", "y")]).await.unwrap();
    assert_eq!(store.staged_duplicates(&claim, number).await.unwrap(), ["x".to_owned()].into());
    assert_eq!(store.staged_duplicates(&claim, PersonKey::Names).await.unwrap(), ["same".to_owned()].into());
    assert_eq!(store.staged_page(&claim, None, 1).await.unwrap()[0].staged, with("a", "x"));
}

/// Not of an empty database: the record `a` of `hr` waits, and was proposed before there were ids.
pub(crate) async fn a_queue_without_ids_is_decided_after_the_next_import(store: &impl Store) {
    let hr = key("hr");
    assert_eq!(store.account_counts(&hr).await.unwrap().pending, 2);
    let report = decide(store, &policy(&hr), 1, &[("a", Decision::New)]).await;
    assert_eq!(outcomes(&report), [refused(DecisionRefusal::Unknown)]);
    import(store, &hr, 2, &[pending(&hr, "a", None, PendingReason::NewPersonManual)]).await;
    let report = decide(store, &policy(&hr), 2, &[("a", Decision::New)]).await;
    assert_eq!(outcomes(&report), [APPLIED]);
}
