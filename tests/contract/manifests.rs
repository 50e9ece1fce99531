//! Samples and permissions.

use std::{collections::BTreeSet, fs, path::Path};

use joinery::api::{
    names,
    yaml::{self, Manifest},
};
use serde_json::{Value, json};

use crate::samples;

fn manifests() -> Vec<Manifest> {
    samples::files().iter().flat_map(|(file, text)| yaml::manifests(text).unwrap_or_else(|error| panic!("{file}: {error}"))).collect()
}

#[test]
fn samples_hold_no_field_that_the_types_do_not_know() {
    let typed = |manifest: &Manifest| match manifest {
        Manifest::AppIntegration(object) => serde_json::to_value(object),
        Manifest::AttributeMapping(object) => serde_json::to_value(object),
        Manifest::ChangeApproval(object) => serde_json::to_value(object),
        Manifest::Directory(object) => serde_json::to_value(object),
        Manifest::ImportRun(object) => serde_json::to_value(object),
        Manifest::ImportSchedule(object) => serde_json::to_value(object),
        Manifest::ProvisioningPolicy(object) => serde_json::to_value(object),
        Manifest::Secret(object) => serde_json::to_value(object),
        Manifest::Namespace(object) => serde_json::to_value(object),
        Manifest::Other { api_version, kind } => panic!("a sample of {api_version} {kind}"),
    };
    for (file, text) in samples::files() {
        let written = yaml::documents(&text).unwrap();
        for (written, manifest) in written.iter().zip(yaml::manifests(&text).unwrap()) {
            assert_known(&typed(&manifest).unwrap(), written, &file);
        }
    }
}

fn assert_known(typed: &Value, written: &Value, field: &str) {
    match (typed, written) {
        (Value::Object(typed), Value::Object(written)) => {
            for (key, value) in written {
                let field = format!("{field}.{key}");
                assert_known(typed.get(key).unwrap_or_else(|| panic!("{field} is unknown")), value, &field);
            }
        }
        (Value::Array(typed), Value::Array(written)) => {
            assert_eq!(typed.len(), written.len(), "{field}");
            typed.iter().zip(written).for_each(|(typed, written)| assert_known(typed, written, field));
        }
        _ => assert_eq!(typed, written, "{field}"),
    }
}

#[test]
fn samples_are_one_organisation_whose_references_and_consents_hold() {
    let manifests = manifests();
    let (mut integrations, mut secrets, mut referred) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for manifest in &manifests {
        let metadata = match manifest {
            Manifest::AppIntegration(object) => {
                integrations.insert(object.metadata.name.clone().unwrap());
                &object.metadata
            }
            Manifest::AttributeMapping(object) => {
                referred.insert(object.spec.integration_ref.name.clone());
                &object.metadata
            }
            Manifest::ProvisioningPolicy(object) => {
                referred.insert(object.spec.integration_ref.name.clone());
                &object.metadata
            }
            Manifest::ImportSchedule(object) => {
                referred.insert(object.spec.integration_ref.name.clone());
                &object.metadata
            }
            Manifest::Secret(object) => {
                secrets.push(object);
                &object.metadata
            }
            Manifest::Namespace(object) => {
                assert_eq!(object.metadata.name.as_deref(), Some("acme"));
                continue;
            }
            Manifest::ChangeApproval(_) | Manifest::Directory(_) | Manifest::ImportRun(_) | Manifest::Other { .. } => {
                panic!("{manifest:?}")
            }
        };
        assert_eq!(metadata.namespace.as_deref(), Some("acme"), "{metadata:?}");
    }
    assert_eq!(integrations, referred);
    for manifest in &manifests {
        let Manifest::AppIntegration(object) = manifest else { continue };
        let reference = &object.spec.authentication.bearer_token.as_ref().unwrap().secret_ref;
        let secret =
            secrets.iter().find(|secret| secret.metadata.name.as_ref() == Some(&reference.name)).expect("the Secret of the sample");
        assert!(secret.string_data.as_ref().unwrap().contains_key(&reference.key));
        let host = object.spec.endpoint_host().unwrap().split(':').next().unwrap();
        assert!(names::allows_host(&secret.metadata.annotations.as_ref().unwrap()[names::ALLOWED_HOSTS], host));
    }
}

// H7: the operator's rights are written down once more here, so that a further verb is a decision and not a slip.
#[test]
fn h7_the_operator_may_do_exactly_this() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/rbac.yaml")).unwrap();
    let documents = yaml::documents(&text).unwrap();
    let kinds: Vec<&str> = documents.iter().map(|document| document["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"]);

    let plurals: Vec<String> = joinery::api::crds().into_iter().map(|crd| crd.spec.names.plural).collect();
    let statuses: Vec<String> = plurals.iter().map(|plural| format!("{plural}/status")).collect();
    assert_eq!(
        documents[2]["rules"],
        json!([
            {"apiGroups": ["joinery.dev"], "resources": plurals, "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["joinery.dev"], "resources": statuses, "verbs": ["patch"]},
            {"apiGroups": ["joinery.dev"], "resources": ["importruns"], "verbs": ["create", "delete"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        ])
    );
    assert_eq!(documents[3]["roleRef"]["name"], documents[2]["metadata"]["name"]);
    assert_eq!(documents[3]["subjects"], json!([{"kind": "ServiceAccount", "name": "joinery", "namespace": "joinery-system"}]));
}
