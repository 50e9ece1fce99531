//! At rest the operator writes nothing (D1), and what does not concern it makes it ask no app (D2).

use std::{collections::BTreeMap, time::Duration};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    audit, long,
    operator::Operator,
    scripted_app::{Options, ScriptedApp, hash_of},
    support,
    world::{KINDS, NEVER, World, seen, source_of_people},
};

/// Who touches objects: neither the operator nor the user who wrote them.
const STRANGER: &str = "example.com/Stranger";
/// Without a write for so long there is rest.
const QUIET: Duration = Duration::from_secs(5);

/// Waits until the operator has had nothing to write for a while.
async fn until_quiet(world: &World) {
    support::eventually("there is rest", async || {
        let from = audit::end();
        tokio::time::sleep(QUIET).await;
        let writes = audit::writes(&world.namespace, from);
        if writes.is_empty() { Ok(()) } else { Err(format!("{} writes, such as {:#?}", writes.len(), writes[0])) }
    })
    .await;
}

/// Every object of ours, as kind and name.
async fn objects(world: &World) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for kind in KINDS {
        for object in world.list(kind).await {
            all.push((kind, object["metadata"]["name"].as_str().unwrap().to_owned()));
        }
    }
    all
}

/// Kind and name → what the operator says of every object, without what the stranger says.
async fn statuses(world: &World) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        for mut object in world.list(kind).await {
            let name = format!("{kind}/{}", object["metadata"]["name"]);
            let mut status = object["status"].take();
            if let Some(conditions) = status["conditions"].as_array_mut() {
                conditions.retain(|condition| condition["type"] != STRANGER);
            }
            all.insert(name, status);
        }
    }
    all
}

async fn annotate(world: &World, kind: &str, name: &str, text: &str) {
    world.merge(kind, name, json!({"metadata": {"annotations": {"example.com/touched": text}}})).await;
}

/// A source of its own with all that belongs to it, imported once at its creation.
async fn group(world: &World, name: &str, app: &ScriptedApp) {
    let of = json!({"name": name});
    let spec = json!({
        "connector": {"scim": {"baseURL": app.base_url()}},
        "authentication": {"bearerToken": {"secretRef": {"name": "app", "key": "token"}}},
        "mode": "Enforce",
        "rateLimit": {"requestsPerSecond": 1000, "burst": 1000, "concurrency": 8},
    });
    world.apply("AppIntegration", name, spec).await;
    world.apply("AttributeMapping", name, json!({"integrationRef": of})).await;
    world.apply("ProvisioningPolicy", name, source_of_people(name)).await;
    let schedule = json!({"integrationRef": of, "full": {"schedule": NEVER}});
    world.apply_annotated("ImportSchedule", name, json!({"joinery.dev/requested-at": "once"}), schedule).await;
}

/// Objects are looked at again all the time, as with a resync; without that, rest would be no more than sleep.
#[tokio::test]
async fn d1_at_rest_nothing_is_written() {
    const STEP: Duration = Duration::from_secs(5);
    let groups = long::scaled(12, 200);
    let steps = long::scaled(6, 120);
    let world = World::new("rest").await;
    let app = ScriptedApp::with_users(3, Options { token: "at-rest".into(), ..Options::default() }).await;
    world.secret("app", json!({"token": "at-rest"}), Some("127.0.0.1")).await;
    let names: Vec<String> = (0..groups).map(|number| format!("app-{number:03}")).collect();
    for name in &names {
        group(&world, name, &app).await;
        world.approve_nothing(name).await;
    }
    world.organise(&[]).await;
    // A namespace has one directory.
    let of = |kind: &str| if kind == "Directory" { 1 } else { groups };
    for kind in KINDS {
        support::eventually(&format!("every {kind} is ready"), async || {
            let objects = world.list(kind).await;
            // Approvals have been answered.
            let waiting = objects.iter().find(|object| kind != "ChangeApproval" && seen(object, "Ready").status != "True");
            match waiting {
                Some(object) => Err(format!("{} {}", object["metadata"]["name"], object["status"])),
                None if objects.len() < of(kind) => Err(format!("{} of {}", objects.len(), of(kind))),
                None => Ok(()),
            }
        })
        .await;
    }
    until_quiet(&world).await;

    let before = statuses(&world).await;
    assert_eq!(before.len(), KINDS.iter().map(|kind| of(kind)).sum::<usize>());
    app.clear_ledger();
    let from = audit::end();
    for (step, names) in names.chunks(groups.div_ceil(steps)).enumerate() {
        for name in names {
            // What depends on these is visited: everything else of the group.
            for kind in ["AppIntegration", "AttributeMapping", "ImportSchedule"] {
                annotate(&world, kind, name, &step.to_string()).await;
            }
        }
        tokio::time::sleep(STEP).await;
    }
    let writes = audit::writes(&world.namespace, from);
    assert!(writes.is_empty(), "{} writes at rest, such as {:#?}", writes.len(), writes[0]);
    assert_eq!(statuses(&world).await, before);
    assert_eq!(app.ledger().len(), 0, "the app is not asked either");
    Operator::assert_nothing_was_forbidden();
}

/// Says something in the status that is none of the operator's.
async fn remark(world: &World, kind: &str, name: &str, text: &str) {
    let condition = json!({
        "type": STRANGER, "status": "True", "reason": "Remarked", "message": text, "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let object = json!({
        "apiVersion": "joinery.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "status": {"conditions": [condition]},
    });
    let parameters = PatchParams::apply(STRANGER);
    world.api(kind).patch_status(name, &parameters, &Patch::Apply(object)).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
}

#[tokio::test]
async fn d2_touches_cause_no_app_call() {
    let touches = long::scaled(60, 1000);
    let world = World::new("touches").await;
    let hr = ScriptedApp::with_users(5, Options { token: "touched".into(), ..Options::default() }).await;
    let chat = ScriptedApp::start(Options { token: "touched".into(), ..Options::default() }).await;
    world.secret("app", json!({"token": "touched"}), Some("127.0.0.1")).await;
    world.source("hr", &hr.base_url(), "app").await;
    world.target("chat", &chat.base_url(), "app", "Enforce").await;
    world.import("hr", "first").await;
    world.approve_nothing("nothing").await;
    world.organise(&["hr"]).await;
    support::eventually("everybody has an account", async || {
        let accounts = chat.users().len();
        (accounts == 5).then_some(()).ok_or(format!("{accounts} accounts"))
    })
    .await;
    until_quiet(&world).await;

    let (all, before) = (objects(&world).await, statuses(&world).await);
    for kind in KINDS {
        assert!(all.iter().any(|(of, _)| *of == kind), "there is no {kind}");
    }
    [&hr, &chat].into_iter().for_each(ScriptedApp::clear_ledger);
    let from = audit::end();
    let variants = all.iter().flat_map(|object| [0, 1, 2].map(|touch| (object, touch))).cycle();
    for (number, ((kind, name), touch)) in variants.take(touches).enumerate() {
        let text = format!("touch-{number}");
        match touch {
            0 => world.merge(kind, name, json!({"metadata": {"labels": {"example.com/touched": text}}})).await,
            1 => annotate(&world, kind, name, &text).await,
            _ => remark(&world, kind, name, &text).await,
        }
    }
    tokio::time::sleep(QUIET).await;
    assert_no_requests(&hr, &chat, "after touches");
    let writes = audit::writes(&world.namespace, from);
    assert!(writes.is_empty(), "{} writes because of touches, such as {:#?}", writes.len(), writes[0]);
    assert_eq!(statuses(&world).await, before);

    // Nor does a status that somebody has emptied make it ask: what was done is not done again.
    for (kind, name) in &all {
        let emptied = json!({"status": {"observedGeneration": -1, "conditions": [], "lastHandledRequest": null, "applied": null}});
        let parameters = PatchParams::default();
        world.api(kind).patch_status(name, &parameters, &Patch::Merge(&emptied)).await.unwrap();
    }
    tokio::time::sleep(QUIET).await;
    assert_no_requests(&hr, &chat, "after statuses were emptied");
    assert_eq!(world.list("ImportRun").await.len(), 1, "no second import");
    Operator::assert_nothing_was_forbidden();
}

fn assert_no_requests(hr: &ScriptedApp, chat: &ScriptedApp, when: &str) {
    for (name, app) in [("hr", hr), ("chat", chat)] {
        // Another test's app may have had this port: what its integration still sends has another token.
        let with_this_token = Some(hash_of("Bearer touched"));
        let ours = app.ledger().into_iter().filter(|entry| entry.authorization.is_none() || entry.authorization == with_this_token);
        let asked: Vec<String> = ours.map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        assert!(asked.is_empty(), "{name} was asked {when}: {asked:?}");
    }
}
