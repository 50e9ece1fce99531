//! D8: one field manager writes for the operator, by server-side apply, and owns statuses and the runs it made: nothing else.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    scim::Scim,
    support,
    world::{KINDS, NEVER, World, everybody, source_of_people},
};

/// Under which name this test writes everything it writes.
const USER: &str = "tests";
const OPERATOR: &str = "joinery";

/// The paths of a set of owned fields, such as `metadata.labels`, as far as the second level.
fn owned(fields: &Value) -> BTreeSet<String> {
    let name = |key: &String| key.strip_prefix("f:").map(str::to_owned);
    let mut paths = BTreeSet::new();
    for (key, inner) in fields.as_object().unwrap() {
        let Some(first) = name(key) else { continue };
        let second: Vec<String> = inner.as_object().unwrap().keys().filter_map(name).collect();
        match first.as_str() {
            "metadata" => paths.extend(second.into_iter().map(|second| format!("metadata.{second}"))),
            _ => drop(paths.insert(first)),
        }
    }
    paths
}

/// What is wrong about who owns what of this object.
fn wrong(object: &Value, is_child: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for entry in object["metadata"]["managedFields"].as_array().unwrap() {
        let (manager, operation) = (entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
        let (part, fields) = (entry["subresource"].as_str().unwrap_or("main"), owned(&entry["fieldsV1"]));
        let says = format!("{manager} ({operation}, {part}) owns {fields:?}");
        let fine = match (manager, part) {
            (OPERATOR, "status") => operation == "Apply" && fields == BTreeSet::from(["status".to_owned()]),
            // Children are created, which is no apply: a second try must not change what is there (B8).
            (OPERATOR, "main") => {
                let own = ["metadata.annotations", "metadata.labels", "metadata.ownerReferences", "spec"];
                is_child && operation == "Update" && fields.iter().all(|field| own.contains(&field.as_str()))
            }
            (USER, "main") => !is_child && !fields.contains("status"),
            _ => false,
        };
        if !fine {
            wrong.push(says);
        }
    }
    wrong
}

#[tokio::test]
async fn d8_the_operator_owns_statuses_and_its_runs_and_nothing_else() {
    let world = World::new("owners").await;
    let hr = Scim::with_users("token", 3).await;
    let chat = Scim::with_users("token", 0).await;
    world.secret("app", json!({"token": "token"}), Some("127.0.0.1")).await;
    for (name, app, policy) in [("hr", &hr, source_of_people("hr")), ("chat", &chat, everybody("chat"))] {
        world.integration(name, &app.base_url, "app", "Enforce").await;
        world.apply("AttributeMapping", name, json!({"integrationRef": {"name": name}})).await;
        world.apply("ProvisioningPolicy", name, policy).await;
    }
    let schedule = json!({"integrationRef": {"name": "hr"}, "full": {"schedule": NEVER}});
    world.apply_annotated("ImportSchedule", "hr", json!({"joinery.dev/requested-at": "once"}), schedule.clone()).await;
    world.approve_nothing("nothing").await;
    world.organise(&["hr"]).await;
    support::eventually("everybody has an account", async || {
        let names = chat.names().await;
        (names == hr.names().await).then_some(()).ok_or(format!("{} accounts", names.len()))
    })
    .await;
    // What was applied once is applied again, and a run is pruned, so that every way to write has been taken.
    let pruning = json!({"integrationRef": {"name": "hr"}, "full": {"schedule": NEVER}, "successfulRunsHistoryLimit": 1});
    world.apply_annotated("ImportSchedule", "hr", json!({"joinery.dev/requested-at": "twice"}), pruning).await;
    support::eventually("the first run is pruned", async || {
        let schedule = world.get("ImportSchedule", "hr").await;
        let runs = world.list("ImportRun").await;
        let done =
            schedule["status"]["lastHandledRequest"] == "twice" && runs.len() == 1 && runs[0]["status"]["completionTime"].is_string();
        done.then_some(()).ok_or(format!("{} runs, {}", runs.len(), schedule["status"]))
    })
    .await;

    let mut problems = Vec::new();
    for kind in KINDS {
        let objects = world.list(kind).await;
        assert!(!objects.is_empty(), "there is no {kind}");
        for object in objects {
            let managers = object["metadata"]["managedFields"].as_array().unwrap();
            assert!(managers.iter().any(|entry| entry["manager"] == OPERATOR), "the operator has written to every {kind}");
            problems.extend(wrong(&object, kind == "ImportRun").into_iter().map(|wrong| format!("{kind}: {wrong}")));
            assert_eq!(object["metadata"]["finalizers"], Value::Null, "with deletionPolicy Orphan there is no finalizer");
        }
    }
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let secret = secrets.get("app").await.unwrap();
    let managers: Vec<_> = secret.metadata.managed_fields.unwrap_or_default().into_iter().filter_map(|entry| entry.manager).collect();
    assert_eq!(managers, ["joinery-tests"], "the Secret is the user's alone");
    assert!(problems.is_empty(), "{problems:#?}");
}
