//! Held plans and the ChangeApprovals that decide on them, as a user meets them (SG-9 to SG-11).

use std::time::{Duration, Instant};

use joinery::domain::id::{AppId, CandidateId, IntegrationKey};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    directory::{Directory, app, writes},
    plane::Plane,
    scim::person,
    scripted_app::{EffectKind, Fault, ScriptedApp, What},
    support,
    world::{Space, World, seen},
};

const PEOPLE: usize = 10;
const LEAVERS: usize = 4;

/// Limits that four of ten are over, in both directions; a record that is missing once is gone.
fn limits() -> Value {
    json!({"spec": {"safeguards": {
        "import": {"minPopulation": 0, "missingFullImports": 1},
        "provisioning": {"minPopulation": 0},
    }}})
}

/// Everybody has an account, and some have left the source.
async fn left(space: &Space, people: usize, leavers: usize) -> Directory {
    let directory = Directory::new(space, "person", people).await;
    directory.apply(space).await;
    space.import("hr", "first").await;
    directory.provisioned(space).await;
    for name in ["hr", "chat"] {
        space.merge("ProvisioningPolicy", name, limits()).await;
        space.until("ProvisioningPolicy", name, "Ready", "True", "*").await;
    }
    leave(&directory.hr, 0..leavers);
    directory.chat.clear_ledger();
    directory
}

fn leave(hr: &ScriptedApp, numbers: std::ops::Range<usize>) {
    for (id, user) in hr.users() {
        if numbers.clone().any(|number| user["userName"] == format!("person{number:03}@corp.example")) {
            hr.remove_user(&id);
        }
    }
}

/// The run of this request, once its condition has this status and reason.
async fn run_until(space: &Space, text: &str, condition: &str, status: &str, reason: &str) -> Value {
    let name = support::eventually(&format!("a run for `{text}`"), async || {
        let runs = space.list("ImportRun").await;
        let run = runs.iter().find(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text);
        run.and_then(|run| run["metadata"]["name"].as_str().map(str::to_owned)).ok_or(format!("{} others", runs.len()))
    })
    .await;
    space.until("ImportRun", &name, condition, status, reason).await
}

/// A held import of this request; gives the run's name and its digest.
async fn held(space: &Space, text: &str) -> (String, String) {
    space.ask("hr", text).await;
    let run = run_until(space, text, "AwaitingApproval", "True", "AwaitingApproval").await;
    assert_eq!(seen(&run, "Succeeded").status, "Unknown", "{run:#}");
    (run["metadata"]["name"].as_str().unwrap().to_owned(), run["status"]["plan"]["digest"].as_str().unwrap().to_owned())
}

async fn decide(space: &Space, name: &str, target: (&str, &str), digest: &str, decision: &str) {
    let (kind, target) = target;
    let spec = json!({"target": {"kind": kind, "name": target}, "planDigest": digest, "decision": decision, "reason": "CHG-4711"});
    space.apply("ChangeApproval", name, spec).await;
}

async fn answer(space: &Space, name: &str, status: &str, reason: &str) {
    space.until("ChangeApproval", name, "Accepted", status, reason).await;
}

fn deactivated(app: &ScriptedApp) -> usize {
    app.effects().iter().filter(|effect| effect.kind == EffectKind::Deactivate).count()
}

/// Reasons of the events about an object.
async fn events(space: &Space, kind: &str, name: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(space.client.clone(), &space.namespace);
    let all = api.list(&ListParams::default()).await.unwrap();
    let about = |event: &Event| {
        event.regarding.as_ref().is_some_and(|object| object.kind.as_deref() == Some(kind) && object.name.as_deref() == Some(name))
    };
    all.items.into_iter().filter(about).filter_map(|event| event.reason).collect()
}

/// Acceptance 37 and 38: others run; the exact digest works once; another one does nothing. What the import has released is
/// held once more on its way to the app.
#[tokio::test]
async fn a7_what_is_held_is_released_by_exactly_its_digest_and_once() {
    let world = World::new("approve").await;
    let directory = left(&world, PEOPLE, LEAVERS).await;
    let (run, digest) = held(&world, "leavers").await;
    world.until("ImportSchedule", "hr", "Ready", "False", "RunHeld").await;
    // Others run meanwhile.
    let other = app(&world).await;
    other.put_user(person("other000@corp.example", "Lo", "Cal"));
    world.source("other", &other.base_url(), "app").await;
    world.import("other", "meanwhile").await;
    directory.accounts(PEOPLE + 1).await;

    let target = ("ImportRun", run.as_str());
    decide(&world, "wrong", target, &format!("sha256:{}", "0".repeat(64)), "Approve").await;
    answer(&world, "wrong", "False", "DigestMismatch").await;
    world.until("ImportRun", &run, "AwaitingApproval", "True", "AwaitingApproval").await;
    assert_eq!(deactivated(&directory.chat), 0);

    decide(&world, "right", target, &digest, "Approve").await;
    answer(&world, "right", "True", "Applied").await;
    world.until("ChangeApproval", "right", "Ready", "True", "Succeeded").await;
    let applied = world.until("ImportRun", &run, "Succeeded", "True", "Applied").await;
    assert_eq!(applied["status"]["applied"]["unassigned"], LEAVERS, "{applied:#}");
    assert_eq!((&applied["status"]["plan"]["digest"], &applied["status"]["verdict"]), (&json!(digest), &json!("Approved")));
    let rules = applied["status"]["safeguards"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["rule"] == "UnassignedPercent" && rule["verdict"] == "Approved"), "{rules:?}");
    assert_eq!(seen(&applied, "AwaitingApproval").status, "");
    decide(&world, "again", target, &digest, "Approve").await;
    answer(&world, "again", "False", "AlreadyUsed").await;
    world.delete("ChangeApproval", "right").await;

    let policy = world.until("ProvisioningPolicy", "chat", "Ready", "False", "AwaitingApproval").await;
    assert_eq!(policy["status"]["held"], json!([{"class": "Removals", "count": LEAVERS}]));
    assert!(policy["status"]["plan"]["expires"].is_string(), "{policy:#}");
    let digest = policy["status"]["plan"]["digest"].as_str().unwrap();
    decide(&world, "chat", ("ProvisioningPolicy", "chat"), digest, "Approve").await;
    answer(&world, "chat", "True", "Applied").await;
    world.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;
    support::eventually("whoever left is inactive", async || {
        let inactive = deactivated(&directory.chat);
        (inactive == LEAVERS).then_some(()).ok_or(format!("{inactive}"))
    })
    .await;
    world.until("ImportSchedule", "hr", "Ready", "True", "Succeeded").await;
    for (name, reason) in [("wrong", "DigestMismatch"), ("right", "Approved"), ("again", "AlreadyUsed"), ("chat", "Approved")] {
        assert_eq!(events(&world, "ChangeApproval", name).await, [reason], "{name}");
    }
    // Nothing more comes of any of it.
    world.import("hr", "afterwards").await;
    assert_eq!(deactivated(&directory.chat), LEAVERS);
    assert_eq!(world.get("ImportRun", &run).await["status"]["applied"]["unassigned"], LEAVERS);
}

#[tokio::test]
async fn a7_what_is_late_or_rejected_is_not_applied_and_says_so() {
    let world = World::new("refuse").await;
    let directory = left(&world, PEOPLE, LEAVERS).await;
    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"approval": {"expiresSeconds": 2}}})).await;
    let (run, digest) = held(&world, "late").await;
    world.until("ImportRun", &run, "Succeeded", "False", "ApprovalExpired").await;
    decide(&world, "late", ("ImportRun", &run), &digest, "Approve").await;
    answer(&world, "late", "False", "Expired").await;
    world.until("ImportSchedule", "hr", "Ready", "False", "ApprovalExpired").await;

    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"approval": {"expiresSeconds": 86_400}}})).await;
    let (run, digest) = held(&world, "rejected").await;
    decide(&world, "no", ("ImportRun", &run), &digest, "Reject").await;
    answer(&world, "no", "True", "Applied").await;
    world.until("ImportRun", &run, "Succeeded", "False", "Rejected").await;
    assert_eq!(events(&world, "ChangeApproval", "no").await, ["Rejected"]);
    decide(&world, "yes", ("ImportRun", &run), &digest, "Approve").await;
    answer(&world, "yes", "False", "AlreadyUsed").await;
    // The same plan is not asked for again.
    world.ask("hr", "again").await;
    let again = run_until(&world, "again", "Succeeded", "False", "Rejected").await;
    assert_eq!(again["status"]["plan"]["digest"], json!(digest));
    world.until("ImportSchedule", "hr", "Ready", "True", "Succeeded").await;
    assert!(writes(&directory.chat).is_empty(), "{:?}", writes(&directory.chat));
}

/// The same for a policy; and what an approval never lifts (acceptance 6).
#[tokio::test]
async fn a7_an_approval_lifts_neither_suspend_nor_plan_mode_and_a_policy_says_that_it_was_rejected() {
    let world = World::new("never").await;
    let directory = left(&world, PEOPLE, LEAVERS).await;
    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"safeguards": {"import": {"maxUnassignedPercent": 100}}}})).await;
    world.import("hr", "leavers").await;
    let held = world.until("ProvisioningPolicy", "chat", "Ready", "False", "AwaitingApproval").await;
    let digest = held["status"]["plan"]["digest"].as_str().unwrap().to_owned();
    let target = ("ProvisioningPolicy", "chat");

    decide(&world, "nowhere", ("ProvisioningPolicy", "nowhere"), &digest, "Approve").await;
    answer(&world, "nowhere", "False", "TargetNotFound").await;
    world.merge("AppIntegration", "chat", json!({"spec": {"mode": "Plan"}})).await;
    world.until("ProvisioningPolicy", "chat", "Provisioned", "False", "PlanOnly").await;
    decide(&world, "plan", target, &digest, "Approve").await;
    answer(&world, "plan", "False", "PlanOnly").await;
    assert!(writes(&directory.chat).is_empty(), "{:?}", writes(&directory.chat));
    world.merge("AppIntegration", "chat", json!({"spec": {"mode": "Enforce"}})).await;
    world.until("ProvisioningPolicy", "chat", "Provisioned", "False", "AwaitingApproval").await;
    assert!(writes(&directory.chat).is_empty(), "it is held again: {:?}", writes(&directory.chat));

    let again = world.get("ProvisioningPolicy", "chat").await["status"]["plan"]["digest"].clone();
    assert_eq!(again, json!(digest), "the same plan has the same digest");
    decide(&world, "no", target, &digest, "Reject").await;
    answer(&world, "no", "True", "Applied").await;
    let rejected = world.until("ProvisioningPolicy", "chat", "Ready", "False", "Rejected").await;
    assert_eq!(seen(&rejected, "SafeguardTripped").reason, "DeactivationLimitExceeded");

    // Another one leaves, which makes another plan.
    leave(&directory.hr, LEAVERS..LEAVERS + 1);
    world.import("hr", "another").await;
    let held = world.until("ProvisioningPolicy", "chat", "Ready", "False", "AwaitingApproval").await;
    world.merge("AppIntegration", "chat", json!({"spec": {"suspend": true}})).await;
    let digest = held["status"]["plan"]["digest"].as_str().unwrap().to_owned();
    decide(&world, "suspended", target, &digest, "Approve").await;
    answer(&world, "suspended", "Unknown", "Suspended").await;
    assert!(writes(&directory.chat).is_empty(), "{:?}", writes(&directory.chat));
    world.merge("AppIntegration", "chat", json!({"spec": {"suspend": false}})).await;
    answer(&world, "suspended", "True", "Applied").await;
    world.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;
    assert_eq!(deactivated(&directory.chat), LEAVERS + 1);
}

/// MT-8: records that wait are decided on by their ids, on a run that is not held, and only with its digest.
#[tokio::test]
async fn mt8_candidates_are_decided_on_by_an_approval() {
    let world = World::new("confirm").await;
    let directory = Directory::new(&world, "person", 3).await;
    directory.apply(&world).await;
    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"toDirectory": {"confirmation": {"newUsers": "Manual"}}}})).await;
    let run = world.import("hr", "first").await;
    let digest = world.get("ImportRun", &run).await["status"]["plan"]["digest"].as_str().unwrap().to_owned();
    let hr = IntegrationKey::new(world.namespace.clone(), "hr");
    let ids: Vec<String> = directory.hr.users().keys().map(|id| CandidateId::derive(&hr, &AppId::new(id)).to_string()).collect();
    let decide = async |name: &str, digest: &str, candidates: Value| {
        let spec =
            json!({"target": {"kind": "ImportRun", "name": run}, "planDigest": digest, "decision": "Approve", "candidates": candidates});
        world.apply("ChangeApproval", name, spec).await;
    };
    let two = json!([{"id": ids[0], "decision": "New"}, {"id": ids[1], "decision": "Ignore"}]);
    decide("other", &format!("sha256:{}", "0".repeat(64)), two.clone()).await;
    answer(&world, "other", "False", "DigestMismatch").await;
    let pending = async |wanted: u64| {
        support::eventually(&format!("{wanted} wait"), async || {
            let hr = world.get("AppIntegration", "hr").await;
            (hr["status"]["accounts"]["pending"] == wanted).then_some(()).ok_or(hr["status"].to_string())
        })
        .await;
    };
    pending(3).await;
    decide("two", &digest, two).await;
    answer(&world, "two", "True", "Applied").await;
    pending(1).await;
    directory.accounts(1).await;
    let nobody = json!([{"id": "c-00000000", "decision": "New"}, {"id": ids[2], "decision": "New"}]);
    decide("nobody", &digest, nobody).await;
    answer(&world, "nobody", "False", "UnknownCandidate").await;
    decide("gone", &digest, json!([{"id": ids[0], "decision": "New"}])).await;
    answer(&world, "gone", "False", "UnknownCandidate").await;
    pending(1).await;
    world.import("hr", "second").await;
    pending(1).await;
    assert_eq!(directory.chat.users().len(), 1, "nobody else was confirmed");
}

/// Waits until so many are deactivated; looks so often that a moment can be met.
async fn until_deactivated(app: &ScriptedApp, wanted: usize) {
    let deadline = Instant::now() + support::LONG;
    while deactivated(app) < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} are deactivated", deactivated(app));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// B8, both directions: the operator is killed while it applies what was approved. The next one goes on with that very plan,
/// and a limit that it would be over once more holds nothing back.
#[tokio::test]
async fn b8_a_killed_operator_goes_on_with_what_was_approved() {
    let plane = Plane::new().await;
    plane.install();
    let mut operator = plane.operator().await;
    let space = plane.space("kill").await;
    let (people, leavers) = (60, 30);
    let directory = left(&space, people, leavers).await;
    let (run, digest) = held(&space, "leavers").await;
    // Whether everybody is still gone is asked of the app: slowly enough to be met on the way.
    directory.hr.inject(Fault::on("GET", "/Users/*", What::Delay(Duration::from_millis(40))));
    directory.hr.clear_ledger();
    decide(&space, "import", ("ImportRun", &run), &digest, "Approve").await;
    support::eventually("the application has begun", async || {
        let asked = directory.hr.ledger().len();
        (asked > 5).then_some(()).ok_or(format!("{asked} requests"))
    })
    .await;
    operator.kill();
    directory.hr.clear_faults();
    let mut operator = plane.operator().await;
    let applied = space.until("ImportRun", &run, "Succeeded", "True", "Applied").await;
    assert_eq!(applied["status"]["applied"]["unassigned"], leavers, "{applied:#}");

    let policy = space.until("ProvisioningPolicy", "chat", "Ready", "False", "AwaitingApproval").await;
    let digest = policy["status"]["plan"]["digest"].as_str().unwrap();
    directory.chat.inject(Fault::on("PATCH", "/Users/*", What::Delay(Duration::from_millis(60))));
    decide(&space, "pass", ("ProvisioningPolicy", "chat"), digest, "Approve").await;
    for moment in [3, 10, 20] {
        until_deactivated(&directory.chat, moment).await;
        operator.kill();
        operator = plane.operator().await;
    }
    space.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;
    answer(&space, "pass", "True", "Applied").await;
    assert_eq!(deactivated(&directory.chat), leavers, "each of them once, and nobody else");
    let active = directory.chat.users().values().filter(|user| user["active"] == true).count();
    assert_eq!(active, people - leavers);
    operator.terminate();
}
