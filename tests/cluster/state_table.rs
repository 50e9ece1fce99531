//! The table of operations.md §3: each state, as the operator makes it on a real API server.
//!
//! Not built yet, and so not in here: row 4 (`Quarantined`); `StoreReplaced` of row 3; `EndpointHostChanged` of row 2 (a
//! changed host is refused by the API server); approving and rejecting what is held (`Rejected` of row 14).

use std::time::Duration;

use kube::api::PostParams;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions};

use crate::{
    failures::{WebPage, closed_port, self_signed},
    plane::Plane,
    scim::person,
    scripted_app::{Fault, Options, ScriptedApp, What},
    support,
    world::{NEVER, Space, everybody, seen},
};

const PEOPLE: usize = 5;

/// Longer than the test looks at what is slow.
const SLOW: Duration = Duration::from_secs(300);

/// What is there only while it is true.
const ALSO: [&str; 4] = ["Reconciling", "Stalled", "SafeguardTripped", "AwaitingApproval"];

/// Row, kind, name, Ready, and what else is true.
type Row = (u8, &'static str, &'static str, &'static str, &'static [&'static str]);

const RECONCILING: &[&str] = &["Reconciling"];
const STALLED: &[&str] = &["Stalled"];
const HELD: &[&str] = &["Stalled", "SafeguardTripped"];

const ROWS: &[Row] = &[
    (7, "AppIntegration", "testing", "Unknown/Progressing", RECONCILING),
    (7, "ProvisioningPolicy", "testing", "Unknown/Progressing", RECONCILING),
    (7, "ProvisioningPolicy", "applying", "Unknown/Progressing", RECONCILING),
    (12, "ImportRun", "running", "Unknown/Progressing", RECONCILING),
    (2, "AppIntegration", "invalid", "False/InvalidSpec", STALLED),
    (2, "AppIntegration", "no-consent", "False/SecretNotConsenting", STALLED),
    (2, "AppIntegration", "not-scim", "False/NotSCIM", STALLED),
    (2, "AppIntegration", "tls", "False/TLSVerificationFailed", STALLED),
    (2, "AppIntegration", "unauthorized", "False/Unauthorized", STALLED),
    (2, "AppIntegration", "forbidden", "False/Forbidden", STALLED),
    (2, "AttributeMapping", "syntax", "False/SyntaxError", STALLED),
    (2, "AttributeMapping", "attribute", "False/UnknownAttribute", STALLED),
    (2, "AttributeMapping", "type", "False/TypeMismatch", STALLED),
    (2, "AttributeMapping", "target", "False/DuplicateTarget", STALLED),
    (2, "AttributeMapping", "test", "False/TestFailed", STALLED),
    (2, "AttributeMapping", "settled-z", "False/ConflictingMapping", STALLED),
    (2, "ProvisioningPolicy", "settled-z", "False/ConflictingPolicy", STALLED),
    (2, "ProvisioningPolicy", "invalid", "False/InvalidSpec", STALLED),
    (2, "ImportSchedule", "invalid", "False/InvalidSchedule", STALLED),
    (2, "ChangeApproval", "mismatch", "False/DigestMismatch", STALLED),
    (3, "ProvisioningPolicy", "over", "False/AwaitingApproval", HELD),
    (3, "ImportSchedule", "held", "False/RunHeld", HELD),
    (5, "ImportSchedule", "emptied", "False/EmptySource", RECONCILING),
    (5, "ImportSchedule", "failing", "False/SnapshotIncomplete", RECONCILING),
    (6, "AppIntegration", "no-secret", "False/SecretNotFound", RECONCILING),
    (6, "AppIntegration", "no-key", "False/SecretKeyMissing", RECONCILING),
    (6, "AppIntegration", "unreachable", "False/Unreachable", RECONCILING),
    (6, "AppIntegration", "rate-limited", "False/RateLimited", RECONCILING),
    (6, "ProvisioningPolicy", "nowhere", "False/DependencyNotReady", RECONCILING),
    (6, "ProvisioningPolicy", "unauthorized", "False/IntegrationNotReady", RECONCILING),
    (6, "ProvisioningPolicy", "syntax", "False/MappingNotReady", RECONCILING),
    (6, "ImportSchedule", "nowhere", "False/DependencyNotReady", RECONCILING),
    (6, "ImportRun", "nowhere", "False/DependencyNotReady", RECONCILING),
    (6, "ImportRun", "unauthorized", "False/IntegrationNotReady", RECONCILING),
    (6, "ChangeApproval", "nowhere", "False/TargetNotFound", RECONCILING),
    (6, "ChangeApproval", "running", "False/Pending", RECONCILING),
    (8, "AppIntegration", "suspended", "True/Suspended", &[]),
    (8, "ProvisioningPolicy", "suspended", "True/Suspended", &[]),
    (8, "ImportSchedule", "suspended", "True/Suspended", &[]),
    (9, "AppIntegration", "plan", "True/PlanOnly", &[]),
    (9, "ProvisioningPolicy", "plan", "True/PlanOnly", &[]),
    (10, "ProvisioningPolicy", "some-fail", "True/Succeeded", &[]),
    (10, "AppIntegration", "pending", "True/Succeeded", &[]),
    (11, "AppIntegration", "settled", "True/Succeeded", &[]),
    (11, "AttributeMapping", "settled", "True/Succeeded", &[]),
    (11, "ProvisioningPolicy", "settled", "True/Succeeded", &[]),
    (11, "ImportSchedule", "hr", "True/Succeeded", &[]),
    (13, "ImportRun", "held", "Unknown/AwaitingApproval", &["AwaitingApproval", "SafeguardTripped"]),
    (14, "ImportRun", "hr", "True/Applied", &[]),
    (14, "ImportRun", "plan", "True/PlanOnly", &[]),
    (14, "ImportRun", "emptied", "False/EmptySource", STALLED),
    (14, "ImportRun", "failing", "False/SnapshotIncomplete", STALLED),
];

/// Everything that the rows are about.
struct Stage {
    space: Space,
    apps: Vec<ScriptedApp>,
    pages: Vec<WebPage>,
}

fn user(number: usize) -> Value {
    let mut user = person(&format!("person{number}@corp.example"), "Kim", "Okafor");
    // One has no title.
    if number > 0 {
        user["title"] = json!("Clerk");
    }
    user
}

impl Stage {
    /// An app with these faults, and its AppIntegration.
    async fn app(&mut self, name: &str, people: usize, faults: Vec<Fault>) -> &ScriptedApp {
        let app = ScriptedApp::start(Options { token: self.space.namespace.clone(), ..Options::default() }).await;
        (0..people).for_each(|number| drop(app.put_user(user(number))));
        for fault in faults {
            app.inject(fault);
        }
        self.space.integration(name, &app.base_url(), "app", "Enforce").await;
        self.space.merge("AppIntegration", name, json!({"spec": {"requestTimeoutSeconds": 2 * SLOW.as_secs()}})).await;
        self.apps.push(app);
        self.apps.last().expect("an app")
    }

    /// An app that people come from, its policy and its schedule; imported once.
    async fn source(&mut self, name: &str, confirm: &str, faults: Vec<Fault>) {
        self.app(name, PEOPLE, Vec::new()).await;
        self.space.apply("ProvisioningPolicy", name, from(name, confirm)).await;
        self.space.apply("ImportSchedule", name, schedule(name)).await;
        self.space.until("ProvisioningPolicy", name, "Ready", "True", "*").await;
        // Not before: the test of the app lists too.
        let app = self.apps.last().expect("its app");
        for fault in faults {
            app.inject(fault);
        }
        self.run(name).await;
    }

    /// A run by hand, which its schedule counts as its own.
    async fn run(&self, name: &str) {
        let uid = self.space.get("ImportSchedule", name).await["metadata"]["uid"].clone();
        let owner = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": "ImportSchedule", "name": name, "uid": uid, "controller": true});
        let metadata = json!({"name": name, "labels": {"joinery.dev/schedule": name}, "ownerReferences": [owner]});
        let run = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": "ImportRun", "metadata": metadata,
            "spec": {"integrationRef": {"name": name}, "type": "Full"}});
        let run = serde_json::from_value(run).expect("an object");
        self.space.api("ImportRun").create(&PostParams::default(), &run).await.expect("a run");
    }

    /// A second import of an app from which people have gone.
    async fn again(&self, name: &str, left: usize) {
        self.space.until("ImportRun", name, "Succeeded", "True", "*").await;
        self.space.delete("ImportRun", name).await;
        let base_url = self.space.get("AppIntegration", name).await["spec"]["connector"]["scim"]["baseURL"].clone();
        let app = self.apps.iter().find(|app| app.base_url() == base_url).expect("its app");
        app.users().into_keys().skip(left).for_each(|id| app.remove_user(&id));
        self.run(name).await;
    }
}

fn schedule(name: &str) -> Value {
    json!({"integrationRef": {"name": name}, "full": {"schedule": NEVER}})
}

fn from(name: &str, confirm: &str) -> Value {
    json!({"integrationRef": {"name": name}, "toDirectory": {
        "usernameFormat": "app.userName",
        "confirmation": {"exactMatches": confirm, "newUsers": confirm, "activateNewUsers": true},
        "sourcing": {"enabled": true},
    }, "safeguards": {"import": {"minPopulation": 0, "missingFullImports": 1}}})
}

async fn integrations(stage: &mut Stage) {
    let stalls = |path, what| vec![Fault::on("GET", path, what)];
    let always = |what| vec![Fault::always(what)];
    stage.app("testing", 0, stalls("/ServiceProviderConfig", What::Delay(SLOW))).await;
    stage.app("forbidden", 0, always(What::status(403))).await;
    stage.app("rate-limited", 0, always(What::retry_after(429, "600"))).await;
    stage.app("plan", PEOPLE, Vec::new()).await;
    for name in ["suspended", "some-fail", "over", "syntax", "invalid-policy"] {
        stage.app(name, 0, Vec::new()).await;
    }
    stage.app("applying", 0, vec![Fault::on("POST", "/Users", What::Delay(SLOW))]).await;
    let settled = stage.app("settled", 0, Vec::new()).await.base_url();
    let space = &stage.space;
    space.merge("AppIntegration", "plan", json!({"spec": {"mode": "Plan"}})).await;
    space.merge("AppIntegration", "suspended", json!({"spec": {"suspend": true}})).await;

    let local = |port: u16| format!("http://127.0.0.1:{port}/v2");
    let page = WebPage::start("<html>Log in</html>".to_owned(), None).await;
    let tls = WebPage::start(String::new(), Some(self_signed())).await;
    for (name, base_url, secret) in [
        ("invalid", "http://192.0.2.1/v2".to_owned(), "app"),
        ("no-consent", settled.clone(), "no-consent"),
        ("not-scim", local(page.port), "app"),
        ("tls", format!("https://127.0.0.1:{}/v2", tls.port), "app"),
        ("unauthorized", settled.clone(), "wrong"),
        ("no-secret", settled.clone(), "missing"),
        ("no-key", settled, "no-key"),
        ("unreachable", local(closed_port().await), "app"),
    ] {
        space.integration(name, &base_url, secret, "Enforce").await;
    }
    stage.pages.extend([page, tls]);
}

async fn mappings(space: &Space) {
    let of = |name: &str| json!({"name": name});
    let to_app = |target: &str, expression: &str| json!([{"target": target, "expression": expression}]);
    for (name, entries) in [
        ("settled", to_app("nickName", "user.displayName")),
        ("syntax", to_app("nickName", "user.displayName +")),
        ("attribute", to_app("nickName", "user.nonsense")),
        ("type", to_app("nickName", "user.employeeNumber + 1")),
        ("target", to_app("userName", "user.userName")),
    ] {
        space.apply("AttributeMapping", name, json!({"integrationRef": of(name), "toApp": entries})).await;
    }
    let test = json!([{"name": "never", "direction": "ToApp", "given": {"user": {"displayName": "Kim"}}, "expect": {"nickName": "Lee"}}]);
    let failing = json!({"integrationRef": of("test"), "toApp": to_app("nickName", "user.displayName"), "tests": test});
    space.apply("AttributeMapping", "test", failing).await;
    space.apply("AttributeMapping", "settled-z", json!({"integrationRef": of("settled")})).await;
}

async fn policies(space: &Space) {
    for name in ["settled", "plan", "suspended", "testing", "applying", "syntax", "unauthorized", "nowhere"] {
        space.apply("ProvisioningPolicy", name, everybody(name)).await;
    }
    space.apply("ProvisioningPolicy", "settled-z", everybody("settled")).await;
    let with = |integration: &str, field: &str, value: Value| {
        let mut policy = everybody(integration);
        policy["toApp"][field] = value;
        policy
    };
    space.apply("ProvisioningPolicy", "invalid", with("invalid-policy", "usernameFormat", json!("user.nonsense"))).await;
    space.apply("ProvisioningPolicy", "some-fail", with("some-fail", "usernameFormat", json!("user.title + user.userName"))).await;
    let mut over = everybody("over");
    over["safeguards"] = json!({"provisioning": {"maxCreated": 1}});
    space.apply("ProvisioningPolicy", "over", over).await;
}

async fn imports(stage: &mut Stage) {
    stage.source("held", "Automatic", Vec::new()).await;
    stage.source("emptied", "Automatic", Vec::new()).await;
    stage.source("pending", "Manual", Vec::new()).await;
    stage.source("running", "Automatic", vec![Fault::listing(What::Delay(SLOW))]).await;
    stage.source("failing", "Automatic", vec![Fault::listing(What::status(500))]).await;
    let space = &stage.space;
    space.apply("ImportSchedule", "invalid", json!({"integrationRef": {"name": "hr"}, "full": {"schedule": "61 2 * * *"}})).await;
    space.apply("ImportSchedule", "nowhere", schedule("nowhere")).await;
    let mut suspended = schedule("hr");
    suspended["suspend"] = json!(true);
    space.apply("ImportSchedule", "suspended", suspended).await;
    for name in ["nowhere", "unauthorized", "plan"] {
        space.apply("ImportRun", name, json!({"integrationRef": {"name": name}, "type": "Full"})).await;
    }
    let mut both = everybody("plan");
    both["toDirectory"] = from("plan", "Automatic")["toDirectory"].clone();
    space.apply("ProvisioningPolicy", "plan", both).await;
    for (name, run) in [("mismatch", "hr"), ("nowhere", "no-such-run"), ("running", "running")] {
        let digest = format!("sha256:{}", "0".repeat(64));
        let spec = json!({"target": {"kind": "ImportRun", "name": run}, "planDigest": digest, "decision": "Approve"});
        space.apply("ChangeApproval", name, spec).await;
    }
    stage.again("held", PEOPLE - 2).await;
    stage.again("emptied", 0).await;
}

/// Waits until every row has been seen; says of each that never was what was seen instead.
async fn check(space: &Space, rows: &[Row]) {
    let mut unseen: Vec<&Row> = rows.iter().collect();
    support::eventually("every row holds", async || {
        let (mut still, mut instead) = (Vec::new(), Vec::new());
        for row in std::mem::take(&mut unseen) {
            let object = space.get(row.1, row.2).await;
            if !holds(&object, row) {
                still.push(row);
                instead.push(format!("{row:?}: {}", object["status"]));
            }
        }
        unseen = still;
        unseen.is_empty().then_some(()).ok_or(instead.join("\n"))
    })
    .await;
}

fn holds(object: &Value, (_, _, _, word, also): &Row) -> bool {
    let ready = seen(object, "Ready");
    let there = ALSO.into_iter().filter(|condition| seen(object, condition).status == "True");
    let expected = ALSO.into_iter().filter(|condition| also.contains(condition));
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && format!("{}/{}", ready.status, ready.reason) == *word
        && there.eq(expected)
}

/// Row 1: what the API server shows before the operator has looked, at first and after a change.
async fn check_unseen(space: &Space) {
    let fresh = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": "AttributeMapping", "metadata": {"name": "fresh"},
        "spec": {"integrationRef": {"name": "fresh"}}});
    let fresh = space.api("AttributeMapping").create(&PostParams::default(), &serde_json::from_value(fresh).unwrap()).await.unwrap();
    let fresh = serde_json::to_value(fresh).unwrap();
    assert_eq!(fresh["status"], json!({"observedGeneration": -1}), "row 1: unseen, and not taken for current");
    space.until("AttributeMapping", "fresh", "Ready", "True", "Succeeded").await;
    let patch = kube::api::Patch::Merge(json!({"spec": {"preset": "None"}}));
    let changed = space.api("AttributeMapping").patch("fresh", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let changed = serde_json::to_value(changed).unwrap();
    assert_eq!((&changed["metadata"]["generation"], &changed["status"]["observedGeneration"]), (&json!(2), &json!(1)), "row 1");
    assert_eq!(seen(&changed, "Ready").status, "True", "row 1: the old word stands");
    space.until("AttributeMapping", "fresh", "Ready", "True", "Succeeded").await;
}

/// Row 6, `StoreUnavailable`: a table is missing for a while.
async fn check_store(plane: &Plane, space: &Space) {
    let mut store = SqliteConnectOptions::new().filename(plane.store()).connect().await.unwrap();
    store.execute("ALTER TABLE account RENAME TO hidden").await.unwrap();
    let now = json!({"metadata": {"annotations": {"joinery.dev/requested-at": "now"}}});
    space.merge("AppIntegration", "settled", now).await;
    check(space, &[(6, "AppIntegration", "settled", "False/StoreUnavailable", RECONCILING)]).await;
    store.execute("ALTER TABLE hidden RENAME TO account").await.unwrap();
    store.close().await.unwrap();
    check(space, &[(11, "AppIntegration", "settled", "True/Succeeded", &[])]).await;
}

#[tokio::test]
async fn the_state_table_holds_on_the_api_server() {
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let mut stage = Stage { space: plane.space("states").await, apps: Vec::new(), pages: Vec::new() };
    let space = &stage.space;
    let token = json!({"token": space.namespace});
    space.secret("app", token.clone(), Some("127.0.0.1, 192.0.2.1")).await;
    space.secret("no-consent", token, None).await;
    space.secret("wrong", json!({"token": "wrong"}), Some("127.0.0.1")).await;
    space.secret("no-key", json!({"other": "one"}), Some("127.0.0.1")).await;
    check_unseen(space).await;

    stage.source("hr", "Automatic", Vec::new()).await;
    stage.space.until("ImportRun", "hr", "Succeeded", "True", "*").await;
    integrations(&mut stage).await;
    mappings(&stage.space).await;
    policies(&stage.space).await;
    imports(&mut stage).await;
    check(&stage.space, ROWS).await;
    let some_fail = stage.space.get("ProvisioningPolicy", "some-fail").await;
    assert_eq!(seen(&some_fail, "Provisioned").reason, "AccountsFailed", "row 10: {}", some_fail["status"]);
    let pending = stage.space.get("AppIntegration", "pending").await;
    assert_eq!(pending["status"]["accounts"]["pending"], PEOPLE, "row 10: {}", pending["status"]);
    check_store(&plane, &stage.space).await;
    // There is no need to wait for what is slow.
    operator.kill();
}
