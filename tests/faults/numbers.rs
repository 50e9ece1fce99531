//! How much is asked of an app: E2 and E5 in their numbers, C2 for one person.

use std::time::Duration;

use joinery::{
    connector::Connectors,
    domain::report::{ImportEnd, ProvisionEnd},
    engine::provision::ProvisionJob,
};
use serde_json::json;

use crate::{
    bench::{Token, config, connect_with, connectors},
    support::{
        long::scaled,
        random::Random,
        scripted_app::{EffectKind, Fault, Options, What},
    },
    world::{World, assert_one_account_each, edit, effects, id_of, requests, writes},
};

/// So many at once: a pause meets all of them together, and the test waits for fewer pauses.
const AT_ONCE: u32 = 64;

fn job(world: &World) -> ProvisionJob {
    world.provision_job_of(world.target(AT_ONCE))
}

#[tokio::test]
async fn e2_one_in_five_refused_with_429_loses_nobody_and_costs_little_more() {
    let people = scaled(500, 10_000);
    let world = World::new(people).await;
    world.import().await;
    let undisturbed = world.copy().await;
    let report = job(&undisturbed).run().await.unwrap();
    assert_eq!((report.end, report.applied.create), (ProvisionEnd::Done, people as u64));
    let ideal = undisturbed.chat.ledger().len();

    world.chat.inject(Fault::always(What::retry_after(429, "0")).share(20, Random::fixed(2026)));
    let mut passes = 0;
    loop {
        passes += 1;
        assert!(passes < 50, "it does not converge");
        let report = job(&world).run().await.unwrap();
        assert_eq!(report.failed, 0, "429 is nobody's failure: {report:?}");
        match report.end {
            ProvisionEnd::Done => break,
            // The app wanted more patience than one request has; the next pass goes on.
            ProvisionEnd::AppFailed { reason, .. } => assert_eq!(reason, "RateLimited"),
            other => panic!("{other:?}"),
        }
    }
    assert_one_account_each(&world.chat, people, "in the end");
    assert_eq!((effects(&world.chat, EffectKind::Create), world.chat.effects().len()), (people, people));
    assert_eq!(world.counts("chat").await.linked, people as u64);
    let spent = world.chat.ledger().len();
    println!("{spent} requests in {passes} passes, {ideal} without 429");
    assert!(spent * 10 <= ideal * 13, "{spent} requests, {ideal} without 429");
}

#[tokio::test]
async fn e2_an_app_that_wants_a_pause_holds_up_no_other() {
    let world = World::new(60).await;
    let shared: Connectors = connectors();
    let connect = |url: &str| shared.scim(config(url), Token::new("scripted-token")).unwrap();
    let (hr, chat) = (connect(&world.hr.base_url()), connect(&world.chat.base_url()));
    world.import().await;
    world.chat.inject(Fault::always(What::retry_after(429, "3600")));
    let report = world.provision_job_of(chat.clone()).run().await.unwrap();
    assert!(matches!(&report.end, ProvisionEnd::AppFailed { reason, .. } if reason == "RateLimited"), "{report:?}");
    assert_eq!((report.failed, world.chat.effects().len()), (0, 0));
    let asked = world.chat.ledger().len();
    let mut import = world.import_job();
    import.connector = hr;
    assert_eq!(import.run().await.unwrap().end, ImportEnd::NothingToDo);
    world.provision_job_of(chat).run().await.unwrap();
    assert_eq!(world.chat.ledger().len(), asked, "nobody asked while the pause lasted");
}

#[tokio::test]
async fn e5_among_many_people_there_are_as_many_writes_as_changes() {
    let people = scaled(500, 10_000);
    for patch in [true, false] {
        let world = World::with_target(people, Options { patch, ..Options::default() }).await;
        world.import().await;
        job(&world).run().await.unwrap();
        for changed in [1, people / 50] {
            let before = world.chat.users();
            for number in 0..changed {
                edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["title"] = format!("Chief {changed}").into());
            }
            assert_eq!(world.import().await.applied.updated, changed as u64);
            world.chat.clear_ledger();
            let report = job(&world).run().await.unwrap();
            assert_eq!((report.applied.update, report.applied.changes()), (changed as u64, changed as u64));
            let method = if patch { "PATCH" } else { "PUT" };
            assert_eq!((writes(&world.chat), requests(&world.chat, method)), (changed, changed), "patch: {patch}");
            for (id, account) in world.chat.users() {
                let mut expected = before[&id].clone();
                if account["title"] != expected["title"] {
                    expected["title"] = format!("Chief {changed}").into();
                }
                assert_eq!(account, expected, "patch: {patch}");
            }
        }
        world.import().await;
        world.chat.clear_ledger();
        job(&world).run().await.unwrap();
        assert_eq!(writes(&world.chat), 0, "patch: {patch}");
    }
}

/// What an app may keep on an account that Joinery knows nothing of, as it stands on the wire.
const FOREIGN: [&str; 7] = [
    r#""urn:example:numbers":{"big":9007199254740993,"bigger":18446744073709551615,"negative":-9223372036854775808}"#,
    r#""urn:example:fraction":0.1"#,
    r#""urn:example:huge":12345678901234567890123"#,
    r#""urn:example:exact":1.10"#,
    r#""urn:example:empty":{"list":[],"map":{},"null":null,"text":""}"#,
    r#""urn:example:texts":["ü","日本","\u0001","a\\b\"c"]"#,
    r#""urn:example:deep":[[[{"a":[1,[2,[3]]]}]]]"#,
];

#[tokio::test]
async fn e5_a_put_keeps_foreign_attributes_to_the_byte() {
    let world = World::with_target(3, Options { patch: false, ..Options::default() }).await;
    world.import().await;
    world.provision().await;
    let id = id_of(&world.chat, "user1");
    let account = world.chat.user(&id).to_string();
    let account = format!("{},{}}}", account.strip_suffix('}').unwrap(), FOREIGN.join(","));
    world.chat.inject(Fault::on("GET", format!("/Users/{id}").leak(), What::json(&account)));
    edit(&world.hr, &id_of(&world.hr, "user1"), |user| user["title"] = "Chief".into());
    world.import().await;
    world.chat.clear_ledger();
    world.provision().await;
    let ledger = world.chat.ledger();
    let put = ledger.iter().find(|entry| entry.method == "PUT").expect("a PUT");
    let sent = std::str::from_utf8(&put.raw_body).unwrap();
    for foreign in FOREIGN {
        assert!(sent.contains(foreign), "{foreign} is missing in {sent}");
    }
    assert_eq!(put.body.as_ref().unwrap()["title"], json!("Chief"));
    assert_eq!(writes(&world.chat), 1);
}

#[tokio::test]
async fn c2_a_person_whose_app_fails_is_tried_again_within_a_day_however_long_it_fails() {
    const DAY: i64 = 24 * 3600;
    for minutes in [1, 60, 24 * 60, 40 * 24 * 60] {
        let world = World::new(3).await;
        world.import().await;
        world.provision().await;
        edit(&world.hr, &id_of(&world.hr, "user1"), |user| user["title"] = "Chief".into());
        world.import().await;
        let account = id_of(&world.chat, "user1");
        world.chat.inject(Fault::on("PATCH", format!("/Users/{account}").leak(), What::error(500, None)));
        let (mut spent, outage, mut attempts) = (0, minutes * 60, 0);
        loop {
            let connector = connect_with(&world.chat, |config| config.request_timeout = Duration::from_secs(30));
            let report = world.provision_job_of(connector).run().await.unwrap();
            attempts += 1;
            let Some(next) = report.next_attempt else { break };
            let wait = next.duration_since(report.finished).as_secs();
            assert!((1..=DAY).contains(&wait), "{minutes}: the next attempt is {wait} s away");
            assert_eq!(report.failed, 1, "{minutes}: it is counted");
            spent += wait;
            assert!(spent <= outage + DAY, "{minutes}: it was not tried again within a day of the outage's end");
            world.clock.advance(wait);
            if spent >= outage {
                world.chat.clear_faults();
            }
        }
        assert_eq!(world.chat.user(&account)["title"], "Chief", "{minutes}");
        assert!(attempts <= 12 + minutes / (24 * 60), "{minutes}: {attempts} attempts are more than the pauses allow");
    }
}
