//! C8: the store cannot be written. Nothing leaves without its entry in the journal, and all is done once it works again.

use std::{collections::BTreeSet, time::Duration};

use joinery::{engine::RunError, store::Store as _};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    support::scripted_app::{EffectKind, Fault, What},
    world::{World, assert_one_account_each, effects, requests, writes},
};

const PEOPLE: usize = 60;

/// Another process that has the file open.
async fn intruder(world: &World) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&world.path).busy_timeout(Duration::from_secs(30));
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

/// Everybody who has an account has a link, or an entry of the journal that says what was sent.
async fn assert_nothing_left_unrecorded(world: &World, context: &str) {
    let recorded: BTreeSet<String> = world
        .query(
            "SELECT lower(hex(person)) FROM intent
             UNION SELECT lower(hex(p.id)) FROM account a JOIN person p ON p.pk = a.person JOIN integration i ON i.id = a.integration
             WHERE i.name = 'chat'",
        )
        .await
        .into_iter()
        .collect();
    for account in world.chat.users().into_values() {
        let owner = account["externalId"].as_str().unwrap().trim_start_matches("p-").replace('-', "");
        assert!(recorded.contains(&owner), "{context}: {account}");
    }
}

#[tokio::test]
async fn c8_what_cannot_be_recorded_is_not_sent() {
    // At every place where a pass writes, the commit is refused.
    for (refused, sends) in
        [("UPDATE ON lease", false), ("INSERT ON provision_action", false), ("INSERT ON intent", false), ("DELETE ON intent", true)]
    {
        let world = World::new(PEOPLE).await;
        world.import().await;
        // So that there is a lease to be refused.
        let mut first = world.provision_job();
        first.rules.assignments.clear();
        first.run().await.unwrap();
        world.chat.clear_ledger();
        // Not everything is sent before the first refusal can be known.
        world.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(20))));
        let mut intruder = intruder(&world).await;
        let trigger = format!("CREATE TRIGGER refusal BEFORE {refused} BEGIN SELECT RAISE(ABORT, 'no space left'); END");
        execute(&mut intruder, &trigger).await;
        for attempt in 1..=3 {
            let ended = world.provision_job().run().await;
            assert!(matches!(ended, Err(RunError::Store(_))), "{refused}: {ended:?}");
            if !sends {
                assert_eq!(writes(&world.chat), 0, "{refused}, attempt {attempt}");
            }
            assert_nothing_left_unrecorded(&world, refused).await;
        }
        assert!(effects(&world.chat, EffectKind::Create) < PEOPLE, "{refused}: it stops");
        execute(&mut intruder, "DROP TRIGGER refusal").await;
        world.provision().await;
        assert_one_account_each(&world.chat, PEOPLE, refused);
        assert_eq!(requests(&world.chat, "POST"), PEOPLE, "{refused}: what was sent before is found by looking");
    }
}

/// At a concurrency of 1: four entries that are being worked off, and four behind them.
const OPENED_AHEAD: usize = 8;

#[tokio::test]
async fn c8_while_another_process_locks_the_store_nothing_is_sent() {
    let world = World::new(PEOPLE).await;
    world.import().await;
    world.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(20))));
    let job = world.provision_job_of(world.target(1));
    let pass = tokio::spawn(async move { job.run().await });
    while requests(&world.chat, "POST") < 8 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut intruder = intruder(&world).await;
    execute(&mut intruder, "BEGIN IMMEDIATE").await;
    let when_locked = requests(&world.chat, "POST");
    let ended = pass.await.unwrap();
    assert!(matches!(ended, Err(RunError::Store(_))), "{ended:?}");
    // Those that had their entries already, and no others.
    assert!(requests(&world.chat, "POST") <= when_locked + OPENED_AHEAD, "{when_locked} {}", requests(&world.chat, "POST"));
    assert_nothing_left_unrecorded(&world, "locked").await;
    assert!(world.store.ping().await.is_err());
    let asked = world.chat.ledger().len();
    assert!(matches!(world.provision_job().run().await, Err(RunError::Store(_))), "a pass that cannot claim");
    assert_eq!(world.chat.ledger().len(), asked, "does not even ask the app");

    execute(&mut intruder, "ROLLBACK").await;
    world.store.ping().await.unwrap();
    world.chat.clear_faults();
    world.provision().await;
    assert_one_account_each(&world.chat, PEOPLE, "after the lock");
    assert_eq!(requests(&world.chat, "POST"), PEOPLE);
}
