//! Promises A11 and C5: who deletes objects or a namespace takes nothing away from anybody, and waits for nobody.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{
    directory::Directory,
    long,
    plane::Plane,
    random::Random,
    scripted_app::{Fault, What},
    support,
    world::{Space, World},
};

const PEOPLE: usize = 6;

/// How long the operator may take to do what it must not.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// Promise C5.
const NAMESPACE_GONE: Duration = Duration::from_secs(60);

fn orders() -> usize {
    long::scaled(3, 60)
}

async fn provisioned(space: &Space) -> Directory {
    let directory = Directory::new(space, "person", PEOPLE).await;
    directory.apply(space).await;
    space.import("hr", "first").await;
    directory.provisioned(space).await;
    directory.hr.clear_ledger();
    directory.chat.clear_ledger();
    directory
}

/// Deletes every object in some order, with pauses in which a running operator can react to what is left.
async fn delete_all(space: &Space, order: &mut [(&'static str, String)], pause: Duration) {
    for (kind, name) in order {
        // A run may have gone with its schedule.
        let deleted = space.api(kind).delete(name, &kube::api::DeleteParams::default()).await;
        assert!(deleted.is_ok() || *kind == "ImportRun", "{kind} {name}: {deleted:?}");
        tokio::time::sleep(pause).await;
    }
}

async fn in_some_order(space: &Space, mut random: Random) {
    let directory = provisioned(space).await;
    let before = directory.chat.users();
    let mut order = space.everything().await;
    random.shuffle(&mut order);
    let context = format!("{order:?}");
    delete_all(space, &mut order, Duration::from_millis(200)).await;
    tokio::time::sleep(AFTERWARDS).await;
    space.delete_namespace().await;
    tokio::time::sleep(AFTERWARDS).await;
    directory.assert_no_writes(&context);
    assert_eq!(directory.chat.users(), before, "{context}");
}

#[tokio::test]
async fn a11_deleting_objects_in_any_order_and_the_namespace_deprovisions_nobody() {
    let world = World::new("delete").await;
    let mut random = Random::start("a11");
    let starts: Vec<Random> = (0..orders()).map(|_| random.fork()).collect();
    stream::iter(starts)
        .for_each_concurrent(3, |random| async {
            let space = Space::new(&world.client, "delete").await;
            in_some_order(&space, random).await;
        })
        .await;
    crate::operator::Operator::assert_nothing_was_forbidden();
}

#[tokio::test]
async fn a11_deleting_the_namespace_at_once_deprovisions_nobody() {
    let world = World::new("prune").await;
    let directory = provisioned(&world).await;
    let before = directory.chat.users();
    world.delete_namespace().await;
    tokio::time::sleep(AFTERWARDS).await;
    directory.assert_no_writes("the namespace at once");
    assert_eq!(directory.chat.users(), before);
}

#[tokio::test]
async fn a11_deleting_everything_while_the_operator_is_down_deprovisions_nobody() {
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("down").await;
    let directory = provisioned(&space).await;
    let before = directory.chat.users();
    operator.terminate();
    let mut order = space.everything().await;
    Random::start("a11").shuffle(&mut order);
    delete_all(&space, &mut order, Duration::ZERO).await;
    space.delete_namespace().await;
    let _operator = plane.operator().await;
    tokio::time::sleep(AFTERWARDS).await;
    directory.assert_no_writes(&format!("{order:?}"));
    assert_eq!(directory.chat.users(), before);
}

#[tokio::test]
async fn c5_a_namespace_goes_although_its_apps_never_answer() {
    let world = World::new("dead").await;
    let directory = provisioned(&world).await;
    let now = json!({"metadata": {"annotations": {"joinery.dev/requested-at": "now"}}});
    for app in [&directory.hr, &directory.chat] {
        app.inject(Fault::always(What::Stall));
    }
    world.ask("hr", "second").await;
    support::eventually("the import waits for an answer", async || {
        let asked = directory.hr.ledger().iter().any(|request| request.path == "/Users");
        asked.then_some(()).ok_or("nothing was asked yet".to_owned())
    })
    .await;
    world.merge("AppIntegration", "chat", now).await;
    support::eventually("the test of the credentials waits for an answer", async || {
        (!directory.chat.ledger().is_empty()).then_some(()).ok_or("nothing was asked yet".to_owned())
    })
    .await;
    let begun = Instant::now();
    world.delete_namespace().await;
    assert!(begun.elapsed() <= NAMESPACE_GONE, "gone after {:?}", begun.elapsed());
    directory.assert_no_writes("the apps are dead");
}
