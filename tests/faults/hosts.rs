//! AI-9: an app that moves to another host. What was linked at the former one is nobody's there until it has shown itself.

use joinery::{
    domain::report::{ImportEnd, ProvisionEnd, ProvisionReport},
    engine::Mode,
    store::Store as _,
};
use serde_json::{Value, json};

use crate::{
    support::scripted_app::{EffectKind, Fault, Options, ScriptedApp, What},
    world::{World, assert_one_account_each, edit, effects, id_of, key, requests, writes},
};

const ELSEWHERE: &str = "moved.example.com";

/// The target at another host, with these accounts.
async fn move_target(world: &mut World, accounts: impl IntoIterator<Item = Value>) {
    world.chat = ScriptedApp::start(Options::default()).await;
    accounts.into_iter().for_each(|account| drop(world.chat.put_user(account)));
}

/// The source at another host, with these records.
async fn move_source(world: &mut World, records: impl IntoIterator<Item = Value>) {
    world.hr = ScriptedApp::start(Options::default()).await;
    records.into_iter().for_each(|record| drop(world.hr.put_user(record)));
}

async fn provision_elsewhere(world: &World) -> ProvisionReport {
    let mut job = world.provision_job();
    ELSEWHERE.clone_into(&mut job.host);
    job.retry_failed = true;
    job.run().await.unwrap()
}

fn title_all(world: &World, title: &str) {
    for id in world.hr.users().keys() {
        edit(&world.hr, id, |user| user["title"] = json!(title));
    }
}

/// GETs of one account.
fn reads(app: &ScriptedApp, id: &str) -> usize {
    let path = format!("/Users/{id}");
    app.ledger().iter().filter(|entry| entry.method == "GET" && entry.path.ends_with(&path)).count()
}

fn without(mut account: Value, attribute: &str) -> Value {
    account.as_object_mut().unwrap().remove(attribute);
    account
}

fn somebody(id: &str) -> Value {
    json!({"id": id, "userName": "mallory", "title": "Owner", "active": true})
}

#[tokio::test]
async fn ai9_only_an_account_that_shows_itself_is_written_to() {
    let mut world = World::new(5).await;
    world.import().await;
    world.provision().await;
    let ids: Vec<String> = (0..5).map(|number| id_of(&world.chat, &format!("user{number}"))).collect();
    let old: Vec<Value> = ids.iter().map(|id| world.chat.user(id)).collect();
    let renamed = json!({"id": ids[0], "externalId": old[0]["externalId"], "userName": "renamed", "active": true});
    let named = without(old[1].clone(), "externalId");
    let (taken, theirs) = (somebody(&ids[2]), json!({"id": ids[4], "externalId": old[0]["externalId"], "userName": "user4"}));
    move_target(&mut world, [renamed, named, taken.clone(), theirs.clone()]).await;
    let held_plan = {
        let mut job = world.provision_job();
        (job.host, job.mode) = (ELSEWHERE.to_owned(), Mode::Plan);
        job
    };
    title_all(&world, "Boss");
    world.import().await;
    held_plan.run().await.unwrap();
    assert_eq!(writes(&world.chat), 0, "a plan writes nothing");

    let report = provision_elsewhere(&world).await;
    assert_eq!((&report.end, report.applied.update, report.applied.changes()), (&ProvisionEnd::Done, 2, 2), "{report:?}");
    assert_eq!((report.failed, report.unproven), (3, 3));
    assert_eq!((&world.chat.user(&ids[0])["title"], &world.chat.user(&ids[1])["title"]), (&json!("Boss"), &json!("Boss")));
    assert_eq!(world.chat.user(&ids[2]), without_schemas(&world, &taken), "somebody else's account");
    assert_eq!(world.chat.user(&ids[4]), without_schemas(&world, &theirs), "it says whose it is");
    assert_eq!(requests(&world.chat, "POST"), 0, "nobody gets a second account");
    for id in &ids[..2] {
        let (method_of_first, _) = first_two(&world.chat, id);
        assert_eq!(method_of_first, "GET", "read before the first write");
    }
    let mut job = world.provision_job();
    ELSEWHERE.clone_into(&mut job.host);
    let waiting = job.run().await.unwrap();
    assert_eq!((waiting.failed, waiting.unproven, writes(&world.chat)), (3, 3, 2), "said as long as it is so");

    let before = reads(&world.chat, &ids[0]);
    title_all(&world, "Chief");
    world.import().await;
    let report = provision_elsewhere(&world).await;
    assert_eq!((report.applied.update, report.unproven), (2, 3));
    assert_eq!(reads(&world.chat, &ids[0]), before, "proved once is proved");

    // The account turns up at the new host as what it was.
    edit(&world.chat, &ids[2], |user| user["userName"] = json!("user2"));
    let report = provision_elsewhere(&world).await;
    assert_eq!((report.applied.update, report.unproven), (1, 2));
    assert_eq!(world.chat.user(&ids[2])["title"], "Chief");
}

/// The scripted app adds `schemas` to what is put there.
fn without_schemas(world: &World, account: &Value) -> Value {
    let mut account = account.clone();
    account["schemas"] = world.chat.user(account["id"].as_str().unwrap())["schemas"].clone();
    account
}

/// The methods of the first two requests that name an account.
fn first_two(app: &ScriptedApp, id: &str) -> (String, String) {
    let path = format!("/Users/{id}");
    let methods: Vec<String> =
        app.ledger().iter().filter(|entry| entry.path.ends_with(&path)).map(|entry| entry.method.clone()).take(2).collect();
    (methods[0].clone(), methods[1].clone())
}

#[tokio::test]
async fn ai9_nobody_is_deactivated_or_reactivated_by_an_id_of_another_host() {
    let mut world = World::new(4).await;
    world.import().await;
    world.provision().await;
    let ids: Vec<String> = (0..4).map(|number| id_of(&world.chat, &format!("user{number}"))).collect();
    // The first two leave before the move, the others after it.
    let sources: Vec<String> = (0..4).map(|number| id_of(&world.hr, &format!("user{number}"))).collect();
    let set = |world: &World, number: usize, active: bool| edit(&world.hr, &sources[number], |user| user["active"] = json!(active));
    let job = |world: &World| {
        let mut import = world.import_job();
        import.rules.limits.max_unassigned_percent = 100;
        import
    };
    (0..2).for_each(|number| set(&world, number, false));
    job(&world).run().await.unwrap();
    assert_eq!(world.provision().await.applied.deactivate, 2);
    let shown = [world.chat.user(&ids[0]), world.chat.user(&ids[2])];
    let taken = |id: &str, active: bool| json!({"id": id, "userName": format!("mallory-{id}"), "active": active});
    let others = [taken(&ids[1], false), taken(&ids[3], true)];
    move_target(&mut world, shown.into_iter().chain(others.clone())).await;

    (0..2).for_each(|number| set(&world, number, true));
    (2..4).for_each(|number| set(&world, number, false));
    job(&world).run().await.unwrap();
    let report = provision_elsewhere(&world).await;
    assert_eq!((report.applied.reactivate, report.applied.deactivate, report.unproven), (1, 1, 2), "{report:?}");
    assert_eq!((&world.chat.user(&ids[0])["active"], &world.chat.user(&ids[2])["active"]), (&json!(true), &json!(false)));
    for other in &others {
        assert_eq!(world.chat.user(other["id"].as_str().unwrap())["active"], other["active"], "{other}");
    }
    assert_eq!(requests(&world.chat, "POST"), 0);
}

#[tokio::test]
async fn ai9_what_was_sent_to_the_former_host_is_not_settled_by_somebody_elses_account() {
    let world = World::new(1).await;
    world.import().await;
    world.provision().await;
    let id = id_of(&world.chat, "user0");
    title_all(&world, "Owner");
    world.import().await;
    world.chat.inject(Fault::on("PATCH", "/Users", What::StallReply));
    let mut world = world.killed_once(|world| requests(&world.chat, "PATCH") > 0).await;
    assert_eq!(world.store.intents_open().await.unwrap(), 1);
    move_target(&mut world, [somebody(&id)]).await;
    let report = provision_elsewhere(&world).await;
    assert_eq!((report.unproven, writes(&world.chat)), (1, 0), "{report:?}");
    assert_eq!(world.store.intents_open().await.unwrap(), 0);
    assert_eq!(world.query("SELECT state FROM account WHERE app_id LIKE 'u%' AND origin = 'Created'").await, ["UnprovenLive"]);
}

/// Who everybody is: username and state by person.
async fn directory(world: &World) -> Vec<String> {
    world.query("SELECT hex(id) || ' ' || user_name_key || ' ' || state FROM person ORDER BY 1").await
}

async fn import_elsewhere(world: &World) -> joinery::domain::report::ImportReport {
    let mut job = world.import_job();
    ELSEWHERE.clone_into(&mut job.host);
    job.run().await.unwrap()
}

#[tokio::test]
async fn ai9_an_import_from_another_host_proves_who_is_there_and_unassigns_nobody() {
    let mut world = World::new(10).await;
    world.import().await;
    let people = directory(&world).await;
    let records: Vec<Value> = world.hr.users().into_values().collect();
    // Six are there as they were; four ids are not there at all.
    move_source(&mut world, records[..6].iter().cloned()).await;
    for _ in 0..4 {
        let report = import_elsewhere(&world).await;
        assert_eq!((report.end, report.plan.changes(), report.plan.failed), (ImportEnd::NothingToDo, 0, 0));
        assert_eq!(directory(&world).await, people, "whoever is not seen there is not gone");
    }
    assert_eq!(world.counts("hr").await.linked, 10);
    assert_eq!(world.query("SELECT state || ' ' || count(*) FROM account GROUP BY state ORDER BY 1").await, ["Live 6", "UnprovenLive 4"]);

    // Who was proved there can be missing there.
    world.hr.remove_user(records[0]["id"].as_str().unwrap());
    import_elsewhere(&world).await;
    let report = import_elsewhere(&world).await;
    assert_eq!((report.applied.unassigned, report.applied.deactivated), (1, 1), "{report:?}");

    // A host without anybody is no host without links (SG-7).
    move_source(&mut world, []).await;
    let mut job = world.import_job();
    job.host = "third.example.com".to_owned();
    assert_eq!(job.run().await.unwrap().end, ImportEnd::EmptySource);
}

#[tokio::test]
async fn ai9_ids_that_another_host_has_dealt_anew_rename_nobody() {
    let mut world = World::new(6).await;
    world.import().await;
    let people = directory(&world).await;
    let records: Vec<Value> = world.hr.users().into_values().collect();
    // The ids of the first three have gone round, the others have new ones; one stranger has come under an id that was used.
    let dealt = |number: usize, id: &str| {
        let mut record = records[number].clone();
        record["id"] = json!(id);
        record
    };
    let id = |number: usize| records[number]["id"].as_str().unwrap();
    let mut stranger = dealt(0, id(3));
    (stranger["userName"], stranger["active"]) = (json!("stranger"), json!(true));
    let moved = [dealt(0, id(1)), dealt(1, id(2)), dealt(2, id(0)), dealt(3, "n3"), dealt(4, "n4"), dealt(5, "n5"), stranger];
    move_source(&mut world, moved).await;
    let report = import_elsewhere(&world).await;
    assert_eq!((report.applied.matched, report.applied.new, report.applied.updated), (6, 0, 0), "{report:?}");
    assert_eq!(report.applied.pending, 1, "the stranger has the id that created somebody else");
    assert_eq!(directory(&world).await, people);
    let report = import_elsewhere(&world).await;
    assert_eq!((report.applied.changes(), report.applied.unchanged, report.applied.failed), (0, 6, 1), "{report:?}");
    assert_eq!(directory(&world).await, people);
}

#[tokio::test]
async fn ai9_an_account_made_at_the_new_host_is_its_persons_whatever_its_id_was_before() {
    let mut world = World::new(2).await;
    world.import().await;
    world.provision().await;
    let id = id_of(&world.chat, "user1");
    // At the new host nobody is there yet; the next id that it gives is one that was somebody's at the former one.
    move_target(&mut world, []).await;
    let newcomer = world.hr.put_user(crate::world::user(7));
    world.import().await;
    let before: Vec<String> = world.chat.users().into_keys().collect();
    assert!(before.is_empty());
    let report = provision_elsewhere(&world).await;
    assert_eq!((report.applied.create, effects(&world.chat, EffectKind::Create)), (1, 1), "{report:?}");
    let created = id_of(&world.chat, "user7");
    assert!(created <= id, "the test needs an id that was used: {created}");
    provision_elsewhere(&world).await;
    // Whose id it was is known to have no account here, and gets one like anybody.
    assert_eq!((effects(&world.chat, EffectKind::Create), writes(&world.chat)), (2, 2));
    assert_one_account_each(&world.chat, 2, "at the new host");
    let person = joinery::domain::id::PersonId::derive(&key("hr"), &joinery::domain::id::AppId::new(newcomer));
    let links = world.store.links_of(&key("chat"), &[joinery::domain::id::AppId::new(created)]).await.unwrap();
    assert_eq!(links.iter().map(|link| link.person).collect::<Vec<_>>(), [person]);
}
