//! Promises J1, J2, J4 and C6: the operator is installed, restarted, stopped and removed.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    directory::Directory,
    long,
    plane::{Plane, repository},
    random::Random,
    scripted_app::{Fault, What},
    support,
    world::{KINDS, seen},
};

/// Promise J1.
const READY: Duration = Duration::from_secs(30);

/// Promise C6.
const STOPPED: Duration = Duration::from_secs(25);

#[tokio::test]
async fn j1_ready_within_30_seconds_of_an_install() {
    let plane = Plane::new().await;
    // Whatever another test has left.
    plane.kubectl(&["delete", "--ignore-not-found", "--wait", "-k", &repository("deploy")]);
    let begun = Instant::now();
    plane.install();
    let operator = plane.start_operator(false).await;
    operator.ready(READY).await.expect("it gets ready");
    assert!(begun.elapsed() <= READY, "ready after {:?}", begun.elapsed());
}

#[tokio::test]
async fn j4_uninstalling_leaves_everything_and_nothing_stuck() {
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("uninstall").await;
    let directory = Directory::new(&space, "person", 5).await;
    directory.apply(&space).await;
    space.import("hr", "first").await;
    directory.provisioned(&space).await;
    directory.hr.clear_ledger();
    directory.chat.clear_ledger();
    let (objects, accounts) = (space.everything().await, directory.chat.users());

    operator.terminate();
    plane.kubectl(&["delete", "--wait", "-f", &repository("deploy/rbac.yaml")]);
    assert_eq!(space.everything().await, objects, "definitions and objects stay");
    for kind in KINDS {
        for object in space.list(kind).await {
            assert_eq!(object["metadata"].get("finalizers"), None, "{kind} {} waits for nobody", object["metadata"]["name"]);
        }
    }
    assert!(plane.store().metadata().expect("the store stays").len() > 0);

    for kind in KINDS {
        plane.kubectl(&["delete", "--all", "--wait", "--timeout=60s", "-n", &space.namespace, &kind.to_lowercase()]);
    }
    assert_eq!(space.everything().await, []);
    space.delete_namespace().await;
    directory.assert_no_writes("uninstalled");
    assert_eq!(directory.chat.users(), accounts);
}

/// Waits until the source has been asked for so many pages since its ledger was cleared.
async fn pages(directory: &Directory, wanted: usize) {
    let deadline = Instant::now() + support::LONG;
    while directory.hr.ledger().iter().filter(|request| request.path == "/Users").count() < wanted {
        assert!(Instant::now() < deadline, "the import does not go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn j2_a_restart_during_a_run_resumes_it_and_repeats_nothing() {
    const PEOPLE: usize = 40;
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("restart").await;
    let directory = Directory::new(&space, "person", PEOPLE).await;
    directory.apply(&space).await;
    directory.hr.inject(Fault::listing(What::ShortPages(5)));
    directory.hr.inject(Fault::listing(What::Delay(Duration::from_millis(100))));
    directory.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(50))));

    directory.hr.clear_ledger();
    space.ask("hr", "first").await;
    for kill in [false, true] {
        pages(&directory, 3).await;
        if kill {
            operator.kill();
        } else {
            operator.terminate();
        }
        directory.hr.clear_ledger();
        operator = plane.operator().await;
    }
    for (kill, accounts) in [(false, PEOPLE / 4), (true, PEOPLE / 2)] {
        directory.accounts(accounts).await;
        if kill {
            operator.kill();
        } else {
            operator.terminate();
        }
        assert!(directory.chat.users().len() < PEOPLE, "it was stopped in the middle");
        operator = plane.operator().await;
    }
    directory.provisioned(&space).await;
    directory.assert_each_effect_once();
    let runs = space.list("ImportRun").await;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!((seen(&runs[0], "Succeeded").reason.as_str(), &runs[0]["status"]["applied"]["new"]), ("Applied", &json!(PEOPLE)));
}

#[tokio::test]
async fn b8_a_crash_around_a_request_leaves_exactly_one_run_of_it() {
    let mut random = Random::start("b8");
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("crash").await;
    let directory = Directory::new(&space, "person", 3).await;
    directory.apply(&space).await;
    for number in 0..long::scaled(8, 160) {
        let text = format!("request-{number}");
        space.ask("hr", &text).await;
        tokio::time::sleep(Duration::from_millis(u64::try_from(random.below(150)).unwrap())).await;
        operator.kill();
        operator = plane.operator().await;
        space.import("hr", &text).await;
        let runs = space.list("ImportRun").await;
        let of_it = runs.iter().filter(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text.as_str());
        assert_eq!(of_it.count(), 1, "{text}");
    }
    directory.provisioned(&space).await;
    directory.assert_each_effect_once();
}

/// How many calls were begun and are not known to have ended.
async fn open_intents(plane: &Plane) -> i64 {
    let options = SqliteConnectOptions::new().filename(plane.store()).read_only(true);
    let mut store = SqliteConnection::connect_with(&options).await.expect("a store");
    let open = sqlx::query_scalar("SELECT count(*) FROM intent").fetch_one(&mut store).await.expect("a number");
    store.close().await.expect("an end");
    open
}

#[tokio::test]
async fn c6_sigterm_at_random_moments_finishes_and_records_what_is_under_way() {
    let (people, stops) = long::scaled((150, 4), (1000, 40));
    let mut random = Random::start("c6");
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("stop").await;
    let directory = Directory::new(&space, "person", people).await;
    directory.apply(&space).await;
    directory.chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(50))));
    space.ask("hr", "first").await;
    let mut in_the_middle = 0;
    for stop in 0..stops {
        directory.accounts(stop * people / stops + random.below(people / stops)).await;
        tokio::time::sleep(Duration::from_millis(u64::try_from(random.below(50)).unwrap())).await;
        let begun = Instant::now();
        let status = operator.terminate();
        assert!(status.success() && begun.elapsed() <= STOPPED, "{status} after {:?}", begun.elapsed());
        let accounts = directory.chat.users().len();
        in_the_middle += usize::from(accounts < people);
        assert_eq!(crate::directory::writes(&directory.chat).len(), accounts, "every call was finished");
        assert_eq!(open_intents(&plane).await, 0, "every call was recorded");
        operator = plane.operator().await;
    }
    assert!(in_the_middle > 0, "not one stop met the pass");
    directory.provisioned(&space).await;
    directory.assert_each_effect_once();
    assert_eq!(crate::directory::writes(&directory.chat).len(), people, "nothing was even tried twice");
}

#[tokio::test]
async fn c6_sigterm_ends_it_in_time_although_an_app_never_answers() {
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("hang").await;
    let directory = Directory::new(&space, "person", 10).await;
    directory.apply(&space).await;
    // The account is made, and nobody hears of it.
    directory.chat.inject(Fault::on("POST", "/Users", What::StallReply).from(4));
    space.ask("hr", "first").await;
    directory.accounts(5).await;
    let begun = Instant::now();
    let status = operator.terminate();
    assert!(status.success() && begun.elapsed() <= STOPPED, "{status} after {:?}", begun.elapsed());
    directory.chat.clear_faults();
    let _operator = plane.operator().await;
    directory.provisioned(&space).await;
    directory.assert_each_effect_once();
}
