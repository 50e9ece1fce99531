//! Promises I5 and H5: a namespace is one organisation, and no reference leaves it.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    audit,
    directory::{Directory, app, writes},
    operator::USER,
    scripted_app::{EffectKind, hash_of},
    support,
    world::{NEVER, Space, World, everybody, seen},
};

#[tokio::test]
async fn i5_one_app_id_in_two_namespaces_is_two_unrelated_accounts() {
    let world = World::new("tenant").await;
    let other = Space::new(&world.client, "tenant").await;
    let (first, second) = (Directory::new(&world, "ada", 3).await, Directory::new(&other, "bob", 3).await);
    for (space, directory) in [(&*world, &first), (&other, &second)] {
        directory.apply(space).await;
        space.import("hr", "first").await;
        directory.provisioned(space).await;
    }
    let ids = |directory: &Directory| [&directory.hr, &directory.chat].map(|app| app.users().into_keys().collect::<Vec<_>>());
    assert_eq!(ids(&first), ids(&second), "the same ids in both organisations");
    second.chat.clear_ledger();
    let before = second.chat.users();

    let leaver = first.hr.users().into_keys().next().expect("somebody");
    first.hr.remove_user(&leaver);
    for text in ["second", "third"] {
        world.import("hr", text).await;
    }
    support::eventually("the leaver's account is deactivated", async || {
        let effects = first.chat.effects();
        effects.iter().any(|effect| effect.kind == EffectKind::Deactivate).then_some(()).ok_or(format!("{} effects", effects.len()))
    })
    .await;
    other.import("hr", "second").await;
    assert_eq!(writes(&second.chat), [], "nobody else's account is touched");
    assert_eq!(second.chat.users(), before);
}

/// Ways to write the name of something in another namespace.
fn foreign_names(namespace: &str, name: &str) -> Vec<String> {
    vec![
        format!("{namespace}/{name}"),
        format!("{namespace}.{name}"),
        format!("{name}.{namespace}"),
        format!("{namespace}:{name}"),
        format!("../{namespace}/{name}"),
        format!("../../{namespace}/secrets/{name}"),
        format!("{namespace}%2F{name}"),
        format!("{name}?namespace={namespace}"),
        format!("/api/v1/namespaces/{namespace}/secrets/{name}"),
        // What exists in the other namespace only.
        name.to_owned(),
    ]
}

/// Objects that refer by one field to a Secret or to an AppIntegration: kind, field, spec.
fn references(secret: &str, name: &str, own_secret: &str, base_url: &str) -> Vec<(&'static str, &'static str, Value)> {
    let integration = |secret: &str, ca: Value| {
        let mut spec = json!({
            "connector": {"scim": {"baseURL": base_url}},
            "authentication": {"bearerToken": {"secretRef": {"name": secret, "key": "token"}}},
            "mode": "Enforce",
        });
        if !ca.is_null() {
            spec["tls"] = json!({"caSecretRef": ca});
        }
        spec
    };
    let of = json!({"name": name});
    vec![
        ("AppIntegration", "secretref", integration(secret, Value::Null)),
        ("AppIntegration", "casecretref", integration(own_secret, json!({"name": secret, "key": "token"}))),
        ("AttributeMapping", "mapping", json!({"integrationRef": of})),
        ("ProvisioningPolicy", "policy", everybody(name)),
        ("ImportSchedule", "schedule", json!({"integrationRef": of, "full": {"schedule": NEVER}})),
        ("ImportRun", "run", json!({"integrationRef": of, "type": "Full"})),
    ]
}

/// Is the name a reference at all, by what the API server lets in?
async fn accepted(space: &Space, kind: &str, name: &str, spec: &Value) -> bool {
    let object = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    match space.api(kind).patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(&object)).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 422 => false,
        Err(error) => panic!("{kind} {name}: {error}"),
    }
}

#[tokio::test]
async fn h5_no_reference_leaves_the_namespace() {
    let world = World::new("inside").await;
    let other = Space::new(&world.client, "outside").await;
    let (foreign, own) = (app(&other).await, app(&world).await);
    other.secret("shared", json!({"token": other.namespace}), Some("127.0.0.1")).await;
    // In use by nobody: whoever reads it was led there.
    other.secret("sealed", json!({"token": other.namespace}), Some("127.0.0.1")).await;
    other.integration("shared", &foreign.base_url(), "shared", "Enforce").await;
    other.until("AppIntegration", "shared", "Ready", "True", "Succeeded").await;
    world.secret("own", json!({"token": world.namespace}), Some("127.0.0.1")).await;
    let (begun, base_url) = (audit::end(), own.base_url());

    let mut waiting = Vec::new();
    let names = foreign_names(&other.namespace, "sealed").into_iter().zip(foreign_names(&other.namespace, "shared"));
    for (number, (secret, foreign_name)) in names.enumerate() {
        for (kind, field, spec) in references(&secret, &foreign_name, "own", &base_url) {
            let name = format!("{field}-{number}");
            if accepted(&world, kind, &name, &spec).await {
                waiting.push((kind, name, foreign_name.clone()));
            }
        }
    }
    assert!(waiting.len() >= 6, "what is a valid name reaches the operator: {waiting:?}");
    for (kind, name, foreign_name) in &waiting {
        let (reason, status) = match *kind {
            "AppIntegration" => ("SecretNotFound", "False"),
            // A mapping is compiled whether or not its integration is there.
            "AttributeMapping" => ("Succeeded", "True"),
            _ => ("DependencyNotReady", "False"),
        };
        let object = world.until(kind, name, "Ready", status, "*").await;
        assert_eq!(seen(&object, "Ready").reason, reason, "{kind} {name} names {foreign_name}: {}", object["status"]);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked: Vec<_> = foreign.ledger().into_iter().filter(|request| request.method != "GET").collect();
    assert!(asked.is_empty(), "{asked:?}");
    // Another test's app may have had this port: what its integration still sends has another token.
    let tokens = [&other.namespace, &world.namespace].map(|token| hash_of(&format!("Bearer {token}")));
    let sent: Vec<_> =
        own.ledger().into_iter().filter(|request| request.authorization.as_ref().is_none_or(|hash| tokens.contains(hash))).collect();
    assert!(sent.is_empty(), "nothing was sent, with the foreign Secret or without it: {sent:?}");
    let read = |entry: &Value| {
        let object = &entry["objectRef"];
        object["resource"] == "secrets" && object["namespace"] == *other.namespace && object["name"] != "shared"
    };
    let read: Vec<Value> = audit::of(USER, begun).into_iter().filter(read).collect();
    assert!(read.is_empty(), "{read:#?}");
    crate::operator::Operator::assert_nothing_was_forbidden();
}
