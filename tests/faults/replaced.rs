//! J6: the store is lost, or an older copy of it takes its place. Nobody gets a second account, nobody loses one, and all are
//! found again.

use std::{path::Path, sync::Arc};

use joinery::{
    domain::{
        counts::{ImportCounts, ProvisionCounts},
        report::{ImportEnd, ProvisionEnd},
        store_mark::{Standing, StoreMark, standing},
    },
    engine::Mode,
    store::{Store as _, sqlite::SqliteStore},
};

use crate::{
    support::{long::scaled, scripted_app::EffectKind},
    world::{World, assert_one_account_each, edit, effects, id_of, key, requests, user, writes},
};

/// The promise speaks of 5 000; each run tries a twentieth.
fn people() -> usize {
    scaled(250, 5_000)
}

async fn mark(store: &SqliteStore, integration: &str) -> StoreMark {
    StoreMark { id: store.store_id().await.unwrap(), revision: store.revision(&key(integration)).await.unwrap() }
}

/// What statuses say of both integrations.
async fn marks(world: &World) -> [StoreMark; 2] {
    [mark(&world.store, "hr").await, mark(&world.store, "chat").await]
}

async fn assert_replaced(remembered: &[StoreMark; 2], store: &SqliteStore) {
    for (remembered, integration) in remembered.iter().zip(["hr", "chat"]) {
        let found = standing(Some(remembered), &mark(store, integration).await, None);
        assert!(matches!(found, Standing::Replaced(_)), "{integration}: {found:?}");
    }
}

/// What the store holds, but for the numbers that every claim touches.
async fn people_and_accounts(world: &World) -> Vec<String> {
    world.dump().await.into_iter().filter(|row| !row.starts_with("organisation: ")).collect()
}

/// What an import and a pass come to while nobody has taken the store up: plans.
async fn held(world: &World) -> (ImportCounts, ProvisionCounts) {
    let directory = people_and_accounts(world).await;
    let (mut import, mut pass) = (world.import_job(), world.provision_job());
    (import.mode, pass.mode) = (Mode::Hold, Mode::Hold);
    let (import, pass) = (import.run().await.unwrap(), pass.run().await.unwrap());
    assert_eq!((&import.end, import.applied), (&ImportEnd::StoreReplaced, ImportCounts::default()));
    assert_eq!((&pass.end, pass.applied.changes()), (&ProvisionEnd::StoreReplaced, 0));
    assert_eq!(people_and_accounts(world).await, directory, "a held plan changes nothing in the store either");
    (import.plan, pass.plan)
}

#[tokio::test]
async fn j6_sg12_a_lost_store_creates_and_removes_nobody_and_finds_all_accounts_again() {
    let all = people();
    let expected = u64::try_from(all).unwrap();
    let mut world = World::new(all).await;
    world.import().await;
    world.provision().await;
    let (remembered, accounts) = (marks(&world).await, world.chat.users());
    world.chat.clear_ledger();

    let folder = tempfile::tempdir().unwrap();
    world.replace_store(&folder.path().join("empty.sqlite")).await;
    assert_replaced(&remembered, &world.store).await;
    let (import, pass) = held(&world).await;
    assert_eq!((import.new, import.changes(), pass.changes()), (expected, expected, 0));
    assert_eq!((world.counts("hr").await.linked, world.counts("chat").await.linked), (0, 0));

    // The source is taken up first: the plan of the target then says what would become of it.
    assert_eq!(world.import().await.applied.new, expected);
    let mut pass = world.provision_job();
    pass.mode = Mode::Hold;
    let plan = pass.run().await.unwrap().plan;
    assert_eq!(plan, ProvisionCounts { adopt: expected, ..ProvisionCounts::default() });
    assert_eq!((world.counts("chat").await.linked, writes(&world.chat)), (0, 0), "a held plan writes nothing");

    assert_eq!(world.provision().await.applied.adopt, expected);
    assert_eq!((requests(&world.chat, "POST"), writes(&world.chat)), (0, 0), "accounts that are as they should be are only linked");
    assert_eq!(world.chat.users(), accounts);
    assert_eq!(world.counts("chat").await.linked, expected);
    assert_one_account_each(&world.chat, all, "found again");
    assert_eq!(world.provision().await.applied.unchanged, expected, "and all is as before");
}

#[tokio::test]
async fn j6_sg12_an_older_copy_of_the_store_undoes_nothing_that_was_done_since() {
    let all = people();
    let mut world = World::new(all).await;
    world.import().await;
    world.provision().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.sqlite");
    world.query(&format!("VACUUM INTO '{}'", backup.display())).await;

    // What happens after the backup: a tenth joins, a few leave, one is renamed.
    let (joiners, leavers) = (all / 10, all / 50);
    (all..all + joiners).for_each(|number| drop(world.hr.put_user(user(number))));
    for number in 0..leavers {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = false.into());
    }
    edit(&world.hr, &id_of(&world.hr, &format!("user{leavers}")), |user| user["userName"] = "renamed".into());
    world.import().await;
    world.provision().await;
    let (remembered, accounts) = (marks(&world).await, world.chat.users());
    assert_eq!(effects(&world.chat, EffectKind::Deactivate), leavers);
    world.chat.clear_ledger();

    world.replace_store(&backup).await;
    assert_replaced(&remembered, &world.store).await;
    let (import, _) = held(&world).await;
    assert_eq!((import.new, import.deactivated), (u64::try_from(joiners).unwrap(), u64::try_from(leavers).unwrap()));
    assert_eq!((writes(&world.chat), world.chat.users()), (0, accounts.clone()));

    world.import().await;
    let plan = world.provision().await.applied;
    assert_eq!((plan.create, plan.adopt), (0, u64::try_from(joiners).unwrap()));
    assert_eq!(requests(&world.chat, "POST"), 0);
    assert_eq!(world.chat.users(), accounts, "who has an account, and who has none any more, stays so");
    assert_one_account_each(&world.chat, all + joiners, "found again");
}

#[tokio::test]
async fn j6_who_is_removed_by_a_replaced_store_is_removed_by_nobody() {
    // The worst copy: it knows everybody, and that nobody works here any more.
    let all = people();
    let world = World::new(all).await;
    world.import().await;
    world.provision().await;
    for id in world.hr.users().into_keys() {
        edit(&world.hr, &id, |user| user["active"] = false.into());
    }
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    import.run().await.unwrap();
    world.chat.clear_ledger();
    let mut pass = world.provision_job();
    pass.mode = Mode::Hold;
    let report = pass.run().await.unwrap();
    assert_eq!((report.plan.deactivate, &report.end), (u64::try_from(all).unwrap(), &ProvisionEnd::StoreReplaced));
    assert_eq!((writes(&world.chat), effects(&world.chat, EffectKind::Deactivate)), (0, 0));
}

impl World {
    /// The same apps, seen from another store.
    async fn replace_store(&mut self, path: &Path) {
        self.store = Arc::new(SqliteStore::open(path).await.unwrap());
        path.clone_into(&mut self.path);
    }
}
