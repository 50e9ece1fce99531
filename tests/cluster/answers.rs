//! C7: whatever a user does is answered on an object: requests by annotation, suspending and resuming.

use serde_json::json;

use crate::{
    operator::Operator,
    scripted_app::{Fault, Options, ScriptedApp, What},
    support,
    world::{World, seen},
};

/// The kinds that take `joinery.dev/requested-at`, and the object that is asked.
const ASKED: [(&str, &str); 3] = [("AppIntegration", "hr"), ("ProvisioningPolicy", "chat"), ("ImportSchedule", "hr")];
/// The longest text that is mirrored.
const MIRRORED: usize = 256;
const PEOPLE: usize = 3;

struct Organisation {
    world: World,
    hr: ScriptedApp,
    chat: ScriptedApp,
}

impl Organisation {
    /// A source and a target, both settled, with everybody imported once.
    async fn new(prefix: &str) -> Self {
        let options = || Options { token: prefix.into(), ..Options::default() };
        let world = World::new(prefix).await;
        let (hr, chat) = (ScriptedApp::with_users(PEOPLE, options()).await, ScriptedApp::start(options()).await);
        world.secret("app", json!({"token": prefix}), Some("127.0.0.1")).await;
        world.source("hr", &hr.base_url(), "app").await;
        world.target("chat", &chat.base_url(), "app", "Enforce").await;
        world.import("hr", "first").await;
        world.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;
        Self { world, hr, chat }
    }

    async fn ask(&self, kind: &str, name: &str, text: &str) {
        self.world.merge(kind, name, json!({"metadata": {"annotations": {"joinery.dev/requested-at": text}}})).await;
    }

    async fn until_handled(&self, kind: &str, name: &str, text: &str) {
        support::eventually(&format!("{kind} {name} says that `{text}` is done"), async || {
            let status = self.world.get(kind, name).await["status"].take();
            (status["lastHandledRequest"] == text).then_some(()).ok_or(status.to_string())
        })
        .await;
    }

    /// How many imports there are for each text.
    async fn imports(&self, text: &str) -> usize {
        let runs = self.world.list("ImportRun").await;
        runs.iter().filter(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text).count()
    }

    /// Something that is seen by every controller and asks for nothing.
    async fn nudge(&self) {
        for (kind, name) in ASKED {
            self.world.merge(kind, name, json!({"metadata": {"labels": {"example.com/nudged": "true"}}})).await;
        }
        tokio::time::sleep(4 * support::TICK).await;
    }
}

#[tokio::test]
async fn c7_a_request_is_done_once_and_mirrored() {
    let organisation = Organisation::new("asked").await;
    let Organisation { world, hr, chat } = &organisation;
    [hr, chat].into_iter().for_each(ScriptedApp::clear_ledger);
    organisation.ask("AppIntegration", "hr", "test").await;
    organisation.until_handled("AppIntegration", "hr", "test").await;
    let tests = hr.ledger().len();
    assert!(tests > 0, "the credentials were tested");
    assert!(hr.ledger().iter().all(|entry| entry.method == "GET"), "by reading alone");

    // Somebody new, whom the target refuses for a reason that time does not mend.
    let refused = What::Reply { status: 400, headers: Vec::new(), body: "{}".to_owned() };
    chat.inject(Fault::on("POST", "/Users", refused));
    hr.put_user(json!({"userName": "newcomer", "active": true, "name": {"givenName": "New", "familyName": "Comer"}}));
    world.import("hr", "import").await;
    organisation.until_handled("ImportSchedule", "hr", "import").await;
    world.until("ProvisioningPolicy", "chat", "Provisioned", "False", "AccountsFailed").await;
    chat.clear_faults();
    organisation.nudge().await;
    assert_eq!(chat.users().len(), PEOPLE, "it is not tried again before its time");
    organisation.ask("ProvisioningPolicy", "chat", "apply").await;
    organisation.until_handled("ProvisioningPolicy", "chat", "apply").await;
    assert_eq!(chat.users().len(), PEOPLE + 1, "what was asked for is done once it says so");
    world.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;

    // The same texts again: nothing is done a second time.
    let (asked_hr, asked_chat) = (hr.ledger().len(), chat.ledger().len());
    for ((kind, name), text) in ASKED.into_iter().zip(["test", "apply", "import"]) {
        organisation.ask(kind, name, "").await;
        organisation.ask(kind, name, text).await;
    }
    organisation.nudge().await;
    assert_eq!(organisation.imports("import").await, 1, "one import per text");
    assert_eq!((hr.ledger().len(), chat.ledger().len()), (asked_hr, asked_chat), "a text acts once");

    // A text longer than a status takes is mirrored as far as it goes.
    let (long, mirrored) = ("ü".repeat(5_000), "ü".repeat(MIRRORED));
    for (kind, name) in ASKED {
        organisation.ask(kind, name, &long).await;
        organisation.until_handled(kind, name, &mirrored).await;
    }
    Operator::assert_nothing_was_forbidden();
}

#[tokio::test]
async fn c7_a_request_that_cannot_be_done_is_answered_with_what_hinders_it() {
    let organisation = Organisation::new("hindered").await;
    let world = &organisation.world;
    world.secret("app", json!({"token": "another"}), Some("127.0.0.1")).await;
    organisation.ask("AppIntegration", "hr", "test").await;
    organisation.ask("AppIntegration", "chat", "test").await;
    organisation.until_handled("AppIntegration", "hr", "test").await;
    world.until("AppIntegration", "hr", "Ready", "False", "Unauthorized").await;
    world.until("AppIntegration", "chat", "Ready", "False", "Unauthorized").await;
    for (kind, text) in [("ProvisioningPolicy", "apply"), ("ImportSchedule", "import")] {
        let name = ASKED.iter().find(|(asked, _)| *asked == kind).unwrap().1;
        organisation.ask(kind, name, text).await;
    }
    world.until("ProvisioningPolicy", "chat", "Ready", "False", "IntegrationNotReady").await;
    organisation.until_handled("ImportSchedule", "hr", "import").await;
    let run = support::eventually("the run that waits", async || {
        let runs = world.list("ImportRun").await;
        let run = runs.into_iter().find(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == "import").ok_or("no run")?;
        (seen(&run, "Ready").status == "False").then_some(run.clone()).ok_or(run["status"].to_string())
    })
    .await;
    assert_eq!(seen(&run, "Ready").reason, "IntegrationNotReady");
    let schedule = world.until("ImportSchedule", "hr", "Scheduled", "True", "RunActive").await;
    assert_eq!(schedule["status"]["active"][0]["name"], run["metadata"]["name"], "it names the run that waits");

    // With what hindered them gone, all of them are done.
    world.secret("app", json!({"token": "hindered"}), Some("127.0.0.1")).await;
    organisation.ask("AppIntegration", "hr", "again").await;
    organisation.ask("AppIntegration", "chat", "again").await;
    let name = run["metadata"]["name"].as_str().unwrap();
    world.until("ImportRun", name, "Succeeded", "True", "*").await;
    organisation.until_handled("ProvisioningPolicy", "chat", "apply").await;
    world.until("ProvisioningPolicy", "chat", "Ready", "True", "Succeeded").await;
    assert_eq!(organisation.imports("import").await, 1);
    Operator::assert_nothing_was_forbidden();
}

#[tokio::test]
async fn c7_suspending_and_resuming_are_answered() {
    let organisation = Organisation::new("paused").await;
    let Organisation { world, chat, .. } = &organisation;
    let suspend = |value: bool| json!({"spec": {"suspend": value}});

    // An integration: itself, its policy and its schedule say so.
    for name in ["hr", "chat"] {
        world.merge("AppIntegration", name, suspend(true)).await;
        world.until("AppIntegration", name, "Ready", "True", "Suspended").await;
    }
    world.until("ProvisioningPolicy", "chat", "Ready", "True", "Suspended").await;
    world.until("ImportSchedule", "hr", "Scheduled", "False", "Suspended").await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Suspended").await;
    chat.clear_ledger();
    for (kind, name) in ASKED {
        organisation.ask(kind, name, "while suspended").await;
    }
    // Tests and planning go on (AI-7), imports do not start.
    organisation.until_handled("AppIntegration", "hr", "while suspended").await;
    organisation.until_handled("ProvisioningPolicy", "chat", "while suspended").await;
    organisation.nudge().await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Suspended").await;
    assert_eq!(organisation.imports("while suspended").await, 0);
    for name in ["hr", "chat"] {
        world.merge("AppIntegration", name, suspend(false)).await;
        world.until("AppIntegration", name, "Ready", "True", "Succeeded").await;
    }
    world.until("ProvisioningPolicy", "chat", "Ready", "True", "Succeeded").await;
    organisation.until_handled("ImportSchedule", "hr", "while suspended").await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Succeeded").await;

    // A schedule: itself alone.
    world.merge("ImportSchedule", "hr", suspend(true)).await;
    world.until("ImportSchedule", "hr", "Scheduled", "False", "Suspended").await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Suspended").await;
    world.until("AppIntegration", "hr", "Ready", "True", "Succeeded").await;
    organisation.ask("ImportSchedule", "hr", "still suspended").await;
    organisation.nudge().await;
    assert_eq!(organisation.imports("still suspended").await, 0, "nothing starts while it is suspended");
    world.merge("ImportSchedule", "hr", suspend(false)).await;
    organisation.until_handled("ImportSchedule", "hr", "still suspended").await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Succeeded").await;
    assert!(chat.effects().is_empty(), "nobody's account has changed");
    Operator::assert_nothing_was_forbidden();
}
