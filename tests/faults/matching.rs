//! Who a record is, and who decides: matching, confirmation, the queue of candidates and decisions about it (MT-1 to MT-8).

use joinery::{
    domain::{
        candidate::{
            Candidate, CandidateDecision, Decision, DecisionOutcome, DecisionRefusal, DecisionsReport, PendingReason, ProposalKind,
        },
        counts::ImportCounts,
        id::PersonId,
        import_decision::{Confirmation, ImportRules},
        matching::MatchingRules,
        report::{ImportEnd, ImportReport},
    },
    engine::{
        Mode,
        import::{ImportJob, decide_candidates},
    },
    store::{Decisions, Store as _},
};
use serde_json::{Value, json};

use crate::{
    bench::connect_with,
    support::scripted_app::{Fault, What},
    world::{World, edit, import_rules, key, user},
};

const NONE: ImportCounts = ImportCounts {
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

const BY_HAND: Confirmation = Confirmation { exact_automatic: false, partial_automatic: false, new_automatic: false, activate_new: true };
const BY_ITSELF: Confirmation = Confirmation { exact_automatic: true, partial_automatic: true, new_automatic: true, activate_new: true };

/// `chat` as an app that is imported too: no source, everything by hand unless said otherwise.
fn rules(matching: MatchingRules, confirmation: Confirmation) -> ImportRules {
    ImportRules { integration: key("chat"), matching, confirmation, sourcing: None, ..import_rules() }
}

fn by_user_name() -> MatchingRules {
    MatchingRules { user_name: true, case_sensitive: true, ..MatchingRules::default() }
}

fn namesakes_too() -> MatchingRules {
    MatchingRules { partial: true, ..by_user_name() }
}

fn job(world: &World, rules: &ImportRules) -> ImportJob {
    let connector = connect_with(&world.chat, |config| config.request_timeout = std::time::Duration::from_mins(1));
    ImportJob { connector, rules: rules.clone(), ..world.import_job() }
}

/// Imports `chat`; the report, and the object that stands for the import.
async fn import_as(world: &World, rules: &ImportRules) -> (ImportReport, String) {
    let job = job(world, rules);
    let object = job.object.clone();
    (job.run().await.unwrap(), object)
}

async fn import(world: &World, rules: &ImportRules) -> ImportCounts {
    import_as(world, rules).await.0.applied
}

fn account(user_name: &str, given: &str, family: &str, email: &str) -> Value {
    json!({
        "userName": user_name, "active": true, "name": {"givenName": given, "familyName": family},
        "emails": [{"type": "work", "value": email}],
    })
}

/// What waits: username of the record, kind, reason, username of the proposed person.
async fn queue(world: &World) -> Vec<(String, ProposalKind, PendingReason, Option<String>)> {
    let mut waiting = Vec::new();
    for Candidate { app_id, kind, reason, person, .. } in world.store.candidates(&key("chat"), None, 100).await.unwrap() {
        let people: Vec<PersonId> = person.into_iter().collect();
        let people = world.store.people(&key("chat").organisation, &people).await.unwrap();
        let proposed = people.first().map(|person| person.profile.user_name().unwrap().to_owned());
        waiting.push((world.chat.user(app_id.as_str())["userName"].as_str().unwrap().to_owned(), kind, reason, proposed));
    }
    waiting.sort_by(|one, other| one.0.cmp(&other.0));
    waiting
}

/// Username of each linked record and of its person.
async fn linked(world: &World) -> Vec<(String, String)> {
    let mut linked = Vec::new();
    for known in world.store.linked_accounts(&key("chat"), None, 100).await.unwrap() {
        let record = world.chat.user(known.link.app_id.as_str())["userName"].as_str().unwrap().to_owned();
        linked.push((record, known.person.profile.user_name().unwrap().to_owned()));
    }
    linked.sort();
    linked
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(record, person)| ((*record).to_owned(), (*person).to_owned())).collect()
}

fn waits(
    record: &str,
    kind: ProposalKind,
    reason: PendingReason,
    person: Option<&str>,
) -> (String, ProposalKind, PendingReason, Option<String>) {
    (record.to_owned(), kind, reason, person.map(str::to_owned))
}

async fn person_named(world: &World, user_name: &str) -> PersonId {
    let page = world.store.provision_page(&key("chat"), None, 100).await.unwrap();
    let found = page.into_iter().find(|row| row.person.profile.user_name() == Some(user_name));
    found.unwrap_or_else(|| panic!("nobody is called {user_name}")).person.id
}

async fn candidate_of(world: &World, user_name: &str) -> Candidate {
    let id = crate::world::id_of(&world.chat, user_name);
    let waiting = world.store.candidates(&key("chat"), None, 100).await.unwrap();
    waiting.into_iter().find(|candidate| candidate.app_id.as_str() == id).unwrap_or_else(|| panic!("{user_name} does not wait"))
}

/// Decides on the proposals of one import.
async fn decide(world: &World, rules: &ImportRules, import: &str, decisions: &[(&str, Decision)]) -> DecisionsReport {
    let mut wanted = Vec::new();
    for (user_name, decision) in decisions {
        wanted.push(CandidateDecision { id: candidate_of(world, user_name).await.id, decision: *decision });
    }
    let object = format!("approval of {import}: {wanted:?}");
    let request = Decisions { object: &object, import, decisions: &wanted, rules };
    decide_candidates(world.store.as_ref(), request, jiff::Timestamp::UNIX_EPOCH).await.unwrap()
}

fn outcomes(report: &DecisionsReport) -> Vec<DecisionOutcome> {
    report.outcomes.iter().map(|(_, outcome)| *outcome).collect()
}

/// Acceptance test 25.
#[tokio::test]
async fn mt2_all_criteria_must_hold_for_one_and_the_same_person() {
    let world = World::new(3).await;
    world.import().await;
    world.chat.put_user(account("user0", "A", "B", "user0@example.com"));
    world.chat.put_user(account("user1", "A", "B", "user2@example.com"));
    world.chat.put_user(account("nobody", "A", "B", "user2@example.com"));
    let both = MatchingRules { email: true, ..by_user_name() };
    let exact_only = Confirmation { exact_automatic: true, ..BY_HAND };
    assert_eq!(import(&world, &rules(both, exact_only)).await, ImportCounts { matched: 1, pending: 2, ..NONE });
    assert_eq!(linked(&world).await, pairs(&[("user0", "user0")]));
    // The name is one person's and the address another's: neither of the two, and not a new one, because the name is taken.
    let expected = [
        waits("nobody", ProposalKind::Ambiguous, PendingReason::Ambiguous, None),
        waits("user1", ProposalKind::Ambiguous, PendingReason::Ambiguous, None),
    ];
    assert_eq!(queue(&world).await, expected, "two records of one address");
    edit(&world.chat, &crate::world::id_of(&world.chat, "nobody"), |user| user["emails"][0]["value"] = "nobody@example.com".into());
    import(&world, &rules(MatchingRules { email: true, ..by_user_name() }, exact_only)).await;
    let expected = [
        waits("nobody", ProposalKind::New, PendingReason::NewPersonManual, None),
        waits("user1", ProposalKind::New, PendingReason::UserNameTaken, None),
    ];
    assert_eq!(queue(&world).await, expected);
}

/// Acceptance test 25.
#[tokio::test]
async fn mt2_one_attribute_decides_instead_of_username_and_address() {
    let world = World::new(0).await;
    let numbered = |user_name: &str, number: Value| {
        let mut user = account(user_name, "A", "B", &format!("{user_name}@example.com"));
        user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = json!({"employeeNumber": number});
        user
    };
    for (user_name, number) in [("ada", json!("E-7")), ("bob", json!("")), ("cid", Value::Null), ("dan", json!("9")), ("eve", json!("9"))] {
        world.hr.put_user(numbered(user_name, number));
    }
    world.import().await;
    for (user_name, number) in
        [("dan", json!("e-7")), ("y", json!("")), ("z", Value::Null), ("u", json!("9")), ("v", json!("new")), ("w", json!("new"))]
    {
        world.chat.put_user(numbered(user_name, number));
    }
    let by_number =
        |case_sensitive| MatchingRules { attribute: Some("employeeNumber".to_owned()), case_sensitive, ..MatchingRules::default() };
    let exact_only = Confirmation { exact_automatic: true, ..BY_HAND };
    assert_eq!(import(&world, &rules(by_number(true), exact_only)).await, ImportCounts { pending: 6, ..NONE }, "MT-3: case counts");
    assert_eq!(import(&world, &rules(by_number(false), exact_only)).await, ImportCounts { matched: 1, pending: 5, ..NONE });
    assert_eq!(linked(&world).await, pairs(&[("dan", "ada")]), "by the number, whatever the username");
    let new = |record| waits(record, ProposalKind::New, PendingReason::NewPersonManual, None);
    let ambiguous = |record| waits(record, ProposalKind::Ambiguous, PendingReason::Ambiguous, None);
    assert_eq!(queue(&world).await, [ambiguous("u"), ambiguous("v"), ambiguous("w"), new("y"), new("z")]);
    // Somebody gets the number that somebody else had.
    edit(&world.hr, &crate::world::id_of(&world.hr, "dan"), |user| {
        user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["employeeNumber"] = "10".into();
    });
    world.import().await;
    assert_eq!(import(&world, &rules(by_number(false), exact_only)).await.matched, 1);
    assert_eq!(linked(&world).await, pairs(&[("dan", "ada"), ("u", "eve")]));
}

/// Acceptance test 26.
#[tokio::test]
async fn mt4_one_namesake_is_proposed_and_two_are_never_chosen_from() {
    let world = World::new(0).await;
    world.hr.put_user(account("ada", "Ada", "Byron", "ada@example.com"));
    world.hr.put_user(account("bob1", "Bob", "Ray", "bob1@example.com"));
    world.hr.put_user(account("bob2", "Bob", "Ray", "bob2@example.com"));
    world.hr.put_user(account("cid", "Cid", "Lee", "cid@example.com"));
    world.import().await;
    world.chat.put_user(account("a.byron", "Ada", "Byron", "a.byron@chat.example"));
    world.chat.put_user(account("b.ray", "Bob", "Ray", "b.ray@chat.example"));
    // The address is equal, so this is no partial match, and by username it is no exact one.
    world.chat.put_user(account("c.lee", "Cid", "Lee", "cid@example.com"));
    world.chat.put_user(account("d", "Ada", "BYRON", "d@chat.example"));
    let not_allowed = rules(by_user_name(), BY_HAND);
    assert_eq!(import(&world, &not_allowed).await, ImportCounts { pending: 4, ..NONE });
    assert!(queue(&world).await.iter().all(|(_, kind, _, _)| *kind == ProposalKind::New));
    let partial = |partial_automatic| rules(namesakes_too(), Confirmation { partial_automatic, ..BY_HAND });
    // Another record has Ada's name but for the case, which does not count when records are told apart.
    import(&world, &partial(false)).await;
    assert_eq!(queue(&world).await[0], waits("a.byron", ProposalKind::Ambiguous, PendingReason::Ambiguous, None));
    world.chat.remove_user(&crate::world::id_of(&world.chat, "d"));
    assert_eq!(import(&world, &partial(false)).await, ImportCounts { pending: 3, ..NONE });
    let bob = waits("b.ray", ProposalKind::Ambiguous, PendingReason::Ambiguous, None);
    let cid = waits("c.lee", ProposalKind::New, PendingReason::NewPersonManual, None);
    let ada = waits("a.byron", ProposalKind::Partial, PendingReason::PartialMatchManual, Some("ada"));
    assert_eq!(queue(&world).await, [ada, bob.clone(), cid.clone()], "what is gone from the app waits no longer");
    assert_eq!(import(&world, &partial(true)).await, ImportCounts { matched: 1, pending: 2, ..NONE });
    assert_eq!((linked(&world).await, queue(&world).await), (pairs(&[("a.byron", "ada")]), vec![bob, cid]));
    assert_eq!(world.query("SELECT CAST(count(*) AS TEXT) FROM person").await, ["4"]);
}

/// MT-5: whatever `confirmation` says, and in whatever order the ids are.
#[tokio::test]
async fn mt5_several_records_for_one_person_wait_all() {
    for exact_first in [false, true] {
        let world = World::new(0).await;
        world.hr.put_user(account("ada", "Ada", "Byron", "ada@example.com"));
        world.import().await;
        // One has the username, the other the names.
        let exact = account("ada", "A.", "B.", "x@chat.example");
        let partial = account("a.byron", "Ada", "Byron", "y@chat.example");
        let (first, second) = if exact_first { (exact, partial) } else { (partial, exact) };
        world.chat.put_user(first);
        world.chat.put_user(second);
        let all = rules(namesakes_too(), BY_ITSELF);
        let applied = import(&world, &all).await;
        assert_eq!(applied, ImportCounts { matched: 1, pending: 1, ..NONE }, "the order of ids tells nothing");
        assert_eq!(linked(&world).await, pairs(&[("ada", "ada")]));
        assert_eq!(queue(&world).await, [waits("a.byron", ProposalKind::Ambiguous, PendingReason::Ambiguous, None)]);
        assert_eq!(import(&world, &all).await, ImportCounts { unchanged: 1, pending: 1, ..NONE });
        let already = waits("a.byron", ProposalKind::Partial, PendingReason::AlreadyLinked, Some("ada"));
        assert_eq!(queue(&world).await, [already], "she is linked by now");
        assert_eq!(world.query("SELECT CAST(count(*) AS TEXT) FROM person").await, ["1"]);
    }
}

/// Acceptance test 27.
#[tokio::test]
async fn mt6_what_waits_is_matched_again_though_its_record_is_unchanged() {
    let world = World::new(2).await;
    (0..4).for_each(|number| drop(world.chat.put_user(user(number))));
    let manual = rules(by_user_name(), BY_HAND);
    let before = world.rows("person").await;
    assert_eq!(import(&world, &manual).await, ImportCounts { pending: 4, ..NONE });
    let all_new = ["user0", "user1", "user2", "user3"].map(|name| waits(name, ProposalKind::New, PendingReason::NewPersonManual, None));
    assert_eq!((queue(&world).await, world.rows("person").await), (all_new.to_vec(), before), "the directory is untouched");
    world.import().await;
    assert_eq!(import(&world, &manual).await, ImportCounts { pending: 4, ..NONE });
    let exact = |name| waits(name, ProposalKind::Exact, PendingReason::ExactMatchManual, Some(name));
    let expected = [exact("user0"), exact("user1"), all_new[2].clone(), all_new[3].clone()];
    assert_eq!((queue(&world).await, world.counts("chat").await.pending), (expected.to_vec(), 4));
    // Nobody has decided anything: the switch does.
    let exact_only = rules(by_user_name(), Confirmation { exact_automatic: true, ..BY_HAND });
    assert_eq!(import(&world, &exact_only).await, ImportCounts { matched: 2, pending: 2, ..NONE });
    assert_eq!(linked(&world).await, pairs(&[("user0", "user0"), ("user1", "user1")]));
    // An app that lists nobody says nothing about who waits.
    world.chat.inject(Fault::listing(What::json(
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}"#,
    )));
    assert_eq!(import_as(&world, &exact_only).await.0.end, ImportEnd::EmptySource);
    assert_eq!(world.counts("chat").await.pending, 2);
}

/// MT-7: `newUsers: Automatic` makes nobody new who is there already.
#[tokio::test]
async fn mt7_whoever_matches_is_never_new_and_a_new_person_may_be_staged() {
    let world = World::new(1).await;
    world.import().await;
    world.chat.put_user(user(0));
    world.chat.put_user(user(1));
    let staging = rules(by_user_name(), Confirmation { new_automatic: true, activate_new: false, ..BY_HAND });
    for _ in 0..2 {
        assert_eq!(import(&world, &staging).await.pending, 2);
        let expected = [
            waits("user0", ProposalKind::Exact, PendingReason::ExactMatchManual, Some("user0")),
            waits("user1", ProposalKind::Activation, PendingReason::Staged, Some("user1")),
        ];
        assert_eq!(queue(&world).await, expected);
        assert_eq!(world.query("SELECT state FROM person ORDER BY user_name_key").await, ["Active", "Staged"]);
    }
    world.provision().await;
    assert!(world.chat.users().values().all(|user| user["userName"] != "user1" || user.get("externalId").is_none()), "Staged: nothing");
    let (_, object) = import_as(&world, &staging).await;
    let report = decide(&world, &staging, &object, &[("user1", Decision::Activate)]).await;
    assert_eq!((outcomes(&report), report.applied.reactivated), (vec![DecisionOutcome::Applied], 1));
    assert_eq!(world.query("SELECT state FROM person ORDER BY user_name_key").await, ["Active", "Active"]);
}

/// Acceptance test 28.
#[tokio::test]
async fn mt8_each_decision_does_what_it_says() {
    let world = World::new(2).await;
    world.import().await;
    for name in ["user0", "x", "y", "z"] {
        let mut record = user(0);
        (record["userName"], record["emails"][0]["value"]) = (name.into(), format!("{name}@chat.example").into());
        world.chat.put_user(record);
    }
    let manual = rules(by_user_name(), BY_HAND);
    let (_, object) = import_as(&world, &manual).await;
    let user1 = person_named(&world, "user1").await;
    let asked = [("user0", Decision::Exact), ("x", Decision::Existing(user1)), ("y", Decision::New), ("z", Decision::Ignore)];
    let report = decide(&world, &manual, &object, &asked).await;
    assert_eq!((outcomes(&report), report.applied), (vec![DecisionOutcome::Applied; 4], ImportCounts { new: 1, matched: 2, ..NONE }));
    let expected = pairs(&[("user0", "user0"), ("x", "user1"), ("y", "y")]);
    assert_eq!((linked(&world).await, world.counts("chat").await.pending), (expected.clone(), 0));
    // The next imports, all automatic, find it decided: nothing more becomes of it, and z stays ignored.
    let automatic = rules(by_user_name(), BY_ITSELF);
    for _ in 0..2 {
        assert_eq!(import(&world, &automatic).await, ImportCounts { unchanged: 3, ignored: 1, ..NONE });
        assert_eq!(linked(&world).await, expected);
    }
    let (_, object) = import_as(&world, &automatic).await;
    let report = decide(&world, &automatic, &object, &[("z", Decision::Unignore)]).await;
    assert_eq!((outcomes(&report), world.counts("chat").await.pending), (vec![DecisionOutcome::Applied], 1));
    assert_eq!(import(&world, &automatic).await, ImportCounts { new: 1, unchanged: 3, ..NONE });
}

/// Acceptance test 28.
#[tokio::test]
async fn mt8_a_decision_on_a_proposal_that_has_changed_changes_nothing() {
    let world = World::new(0).await;
    world.chat.put_user(user(0));
    world.chat.put_user(user(1));
    let manual = rules(by_user_name(), BY_HAND);
    let (_, first) = import_as(&world, &manual).await;
    let (_, second) = import_as(&world, &manual).await;
    world.hr.put_user(user(0));
    world.import().await;
    let (_, third) = import_as(&world, &manual).await;
    let before = world.dump().await;
    for stale in [&first, &second, &"no such run".to_owned()] {
        let report = decide(&world, &manual, stale, &[("user0", Decision::New)]).await;
        assert_eq!(outcomes(&report), [DecisionOutcome::Refused(DecisionRefusal::Stale)], "{stale}");
    }
    assert_eq!(world.dump().await, before);
    // Nothing has changed about the other one: any of these imports has proposed what stands.
    let report = decide(&world, &manual, &first, &[("user1", Decision::New)]).await;
    assert_eq!(outcomes(&report), [DecisionOutcome::Applied]);
    let report = decide(&world, &manual, &third, &[("user0", Decision::Exact)]).await;
    assert_eq!(outcomes(&report), [DecisionOutcome::Applied]);
    assert_eq!(linked(&world).await, pairs(&[("user0", "user0"), ("user1", "user1")]));
    // Another name is another person's, perhaps: what is accepted is what the record said.
    world.chat.put_user(user(7));
    let (_, fourth) = import_as(&world, &manual).await;
    edit(&world.chat, &crate::world::id_of(&world.chat, "user7"), |user| user["name"]["familyName"] = "Other".into());
    let (_, fifth) = import_as(&world, &manual).await;
    let refused = decide(&world, &manual, &fourth, &[("user7", Decision::New)]).await;
    assert_eq!(outcomes(&refused), [DecisionOutcome::Refused(DecisionRefusal::Stale)]);
    assert_eq!(outcomes(&decide(&world, &manual, &fifth, &[("user7", Decision::New)]).await), [DecisionOutcome::Applied]);
}

/// A run that only plans proposes nothing that could be decided.
#[tokio::test]
async fn mt8_a_plan_puts_nobody_into_the_queue() {
    let world = World::new(0).await;
    world.chat.put_user(user(0));
    let mut job = job(&world, &rules(by_user_name(), BY_HAND));
    job.mode = Mode::Plan;
    let report = job.run().await.unwrap();
    assert_eq!((report.end, report.plan.pending, report.applied), (ImportEnd::PlanOnly, 1, NONE));
    assert_eq!((queue(&world).await, world.counts("chat").await.pending), (vec![], 0));
}

#[tokio::test]
async fn candidates_are_listed_beside_a_store_in_use_and_without_names() {
    let world = World::new(1).await;
    world.import().await;
    world.chat.put_user(user(0));
    world.chat.put_user(user(1));
    let manual = rules(by_user_name(), BY_HAND);
    let (_, object) = import_as(&world, &manual).await;
    decide(&world, &manual, &object, &[("user1", Decision::Ignore)]).await;
    let before = world.dump().await;
    let run = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_joinery"))
            .args(["candidates", "--store", world.path.to_str().unwrap()])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&[]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let (first, second) = (candidate_of(&world, "user0").await, candidate_of(&world, "user1").await);
    let (first_id, second_id) = (first.id.to_string(), second.id.to_string());
    let person = first.person.unwrap().to_string();
    let mut expected = [
        vec!["acme", "chat", &first_id, "Exact", "ExactMatchManual", &person, "no"],
        vec!["acme", "chat", &second_id, "New", "NewPersonManual", "-", "yes"],
    ];
    if second.app_id < first.app_id {
        expected.reverse();
    }
    assert_eq!(lines[1..], expected);
    assert!(!text.contains("user0") && !text.contains("user1"), "{text}");
    assert!(run(&["--show-names"]).contains("user1"));
    let json: Value = serde_json::from_str(&run(&["-o", "json", "-n", "acme", "-i", "chat"])).unwrap();
    let items = json["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["importRunUID"], &items[0]["namespace"]), (2, &json!(object), &json!("acme")));
    assert!(!json.to_string().contains("user0"));
    assert_eq!(run(&["-n", "other"]).lines().count(), 1);
    assert_eq!(world.dump().await, before);
    let missing = std::process::Command::new(env!("CARGO_BIN_EXE_joinery")).args(["candidates", "--store", "/nowhere/store.db"]).output();
    let missing = missing.unwrap();
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("/nowhere/store.db"), "{missing:?}");
}
