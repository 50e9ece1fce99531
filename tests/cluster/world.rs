//! A namespace of its own under the eyes of the running operator.

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    operator::{self, Alone, Operator},
    support,
};

/// The kinds of the API.
pub const KINDS: [&str; 5] = ["AppIntegration", "AttributeMapping", "ImportRun", "ImportSchedule", "ProvisioningPolicy"];

/// A namespace, and the operator, or the right to start one.
pub struct World<O = Operator> {
    pub client: Client,
    pub namespace: String,
    pub operator: O,
}

/// A condition, as far as tests look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub status: String,
    pub reason: String,
    pub message: String,
}

impl World {
    /// A new namespace whose name starts with `prefix`.
    pub async fn new(prefix: &str) -> Self {
        let client = support::client().await;
        let operator = Operator::running(&client).await;
        let namespace = support::namespace(&client, prefix).await;
        Self { client, namespace, operator }
    }
}

impl World<Alone> {
    /// A new namespace in which only operators of this test are at work.
    pub async fn alone(prefix: &str) -> Self {
        let client = support::client().await;
        let operator = operator::alone().await;
        support::install_definitions(&client).await;
        let namespace = support::namespace(&client, prefix).await;
        Self { client, namespace, operator }
    }
}

impl<O> World<O> {
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("joinery.dev", "v1alpha1", kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Applies an object of one of our kinds.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        let object = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let parameters = PatchParams::apply("tests").force();
        self.api(kind).patch(name, &parameters, &Patch::Apply(&object)).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    pub async fn merge(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// A Secret that consents to these hosts.
    pub async fn secret(&self, name: &str, data: Value, hosts: Option<&str>) {
        let annotations = hosts.map_or(json!({}), |hosts| json!({"joinery.dev/allowed-hosts": hosts}));
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": {"name": name, "namespace": self.namespace, "annotations": annotations},
        });
        support::apply(&self.client, &object).await;
    }

    /// An AppIntegration that takes its token from the key `token` of a Secret.
    pub async fn integration(&self, name: &str, base_url: &str, secret: &str, mode: &str) {
        let spec = json!({
            "connector": {"scim": {"baseURL": base_url}},
            "authentication": {"bearerToken": {"secretRef": {"name": secret, "key": "token"}}},
            "mode": mode,
        });
        self.apply("AppIntegration", name, spec).await;
    }

    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let object = self.api(kind).get(name).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
        serde_json::to_value(object).expect("JSON")
    }

    pub async fn list(&self, kind: &str) -> Vec<Value> {
        let objects = self.api(kind).list(&ListParams::default()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        objects.items.into_iter().map(|object| serde_json::to_value(object).expect("JSON")).collect()
    }

    /// Waits until the condition has this status and reason for the present generation; gives the object.
    pub async fn until(&self, kind: &str, name: &str, condition: &str, status: &str, reason: &str) -> Value {
        support::eventually(&format!("{kind} {name}: {condition} becomes {status}/{reason}"), async || {
            let object = self.get(kind, name).await;
            let seen = seen(&object, condition);
            let observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            if observed && seen.status == status && (seen.reason == reason || reason == "*") {
                return Ok(object);
            }
            Err(format!("{}", object["status"]))
        })
        .await
    }

    /// Asks for a full import now, and waits until it has succeeded; gives the name of its run.
    pub async fn import(&self, schedule: &str, text: &str) -> String {
        self.merge("ImportSchedule", schedule, json!({"metadata": {"annotations": {"joinery.dev/requested-at": text}}})).await;
        support::eventually(&format!("the import `{text}` succeeds"), async || {
            let runs = self.list("ImportRun").await;
            let asked = runs.iter().find(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text);
            match asked {
                Some(run) if seen(run, "Succeeded").status == "True" => Ok(run["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
                Some(run) => Err(run["status"].to_string()),
                None => Err(format!("{} other runs", runs.len())),
            }
        })
        .await
    }

    /// A source of people: integration, mapping, policy, schedule, all of one name; `secret` holds the token.
    pub async fn source(&self, name: &str, base_url: &str, secret: &str) {
        self.integration(name, base_url, secret, "Enforce").await;
        let of = json!({"name": name});
        self.apply("AttributeMapping", name, json!({"integrationRef": of, "preset": "SCIMCore"})).await;
        let policy = json!({"integrationRef": of, "toDirectory": {
            "usernameFormat": "app.userName",
            "confirmation": {"exactMatches": "Automatic", "newUsers": "Automatic", "activateNewUsers": true},
            "sourcing": {"enabled": true},
        }});
        self.apply("ProvisioningPolicy", name, policy).await;
        self.apply("ImportSchedule", name, json!({"integrationRef": of, "full": {"schedule": NEVER}})).await;
        for kind in ["AppIntegration", "AttributeMapping", "ProvisioningPolicy", "ImportSchedule"] {
            self.until(kind, name, "Ready", "True", "*").await;
        }
    }

    /// A target in which everybody gets an account.
    pub async fn target(&self, name: &str, base_url: &str, secret: &str, mode: &str) {
        self.integration(name, base_url, secret, mode).await;
        let of = json!({"name": name});
        self.apply("AttributeMapping", name, json!({"integrationRef": of, "preset": "SCIMCore"})).await;
        self.apply("ProvisioningPolicy", name, everybody(name)).await;
    }
}

/// Not before the next leap year.
pub const NEVER: &str = "0 0 29 2 *";

/// A policy that gives everybody an account.
pub fn everybody(integration: &str) -> Value {
    json!({"integrationRef": {"name": integration}, "toApp": {
        "createUsers": true, "updateUserAttributes": true, "deactivateUsers": true,
        "assignments": [{"name": "everybody", "where": "true"}],
    }})
}

/// The condition of this type; empty if there is none.
pub fn seen(object: &Value, condition: &str) -> Seen {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|candidate| candidate["type"] == condition).unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Seen { status: text("status"), reason: text("reason"), message: text("message") }
}
