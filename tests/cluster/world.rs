//! A namespace of its own under the eyes of the running operator.

use std::ops::Deref;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{legal::Watched, operator::Operator, support};

/// The kinds of the API.
pub const KINDS: [&str; 7] =
    ["AppIntegration", "AttributeMapping", "ChangeApproval", "Directory", "ImportRun", "ImportSchedule", "ProvisioningPolicy"];

/// A namespace whose conditions are watched for anything illegal.
pub struct Space {
    pub client: Client,
    pub namespace: String,
    _conditions: Watched,
}

/// A namespace, and the operator that all tests share.
pub struct World {
    space: Space,
    pub operator: Operator,
}

impl World {
    /// The same namespace under a new operator, once no other test needs the present one.
    pub async fn restarted(self) -> Self {
        let Self { space, operator } = self;
        let operator = operator.restarted(&space.client).await;
        Self { space, operator }
    }
}

impl Deref for World {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
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
        Self { space: Space::new(&client, prefix).await, operator }
    }

    /// A namespace of this name, whoever creates it.
    pub async fn named(namespace: &str) -> Self {
        let client = support::client().await;
        let operator = Operator::running(&client).await;
        Self { space: Space::named(&client, namespace), operator }
    }
}

impl Space {
    /// A new namespace whose name starts with `prefix`.
    pub async fn new(client: &Client, prefix: &str) -> Self {
        Self::named(client, &support::namespace(client, prefix).await)
    }

    fn named(client: &Client, namespace: &str) -> Self {
        Self { client: client.clone(), namespace: namespace.to_owned(), _conditions: Watched::start(client, namespace) }
    }

    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("joinery.dev", "v1alpha1", kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Applies an object of one of our kinds.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.apply_annotated(kind, name, json!({}), spec).await;
    }

    /// Applies an object of one of our kinds with these annotations.
    pub async fn apply_annotated(&self, kind: &str, name: &str, annotations: Value, spec: Value) {
        let metadata = json!({"name": name, "annotations": annotations});
        let object = json!({"apiVersion": "joinery.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
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

    /// An approval of a plan that nobody holds.
    pub async fn approve_nothing(&self, name: &str) {
        let digest = format!("sha256:{}", "0".repeat(64));
        let target = json!({"kind": "ImportRun", "name": "nowhere"});
        self.apply("ChangeApproval", name, json!({"target": target, "planDigest": digest, "decision": "Approve"})).await;
        self.until("ChangeApproval", name, "Accepted", "False", "TargetNotFound").await;
    }

    /// A Directory with these sources that protects nobody.
    pub async fn organise(&self, sources: &[&str]) {
        let spec = json!({"profileSources": sources, "protectedUsers": {"where": "user.userName == \"nobody\""}});
        self.apply("Directory", "default", spec).await;
        self.until("Directory", "default", "Ready", "True", "Succeeded").await;
    }

    /// Asks for a full import now, and waits until it has succeeded; gives the name of its run.
    pub async fn import(&self, schedule: &str, text: &str) -> String {
        self.ask(schedule, text).await;
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

    /// Asks a schedule for a full import now.
    pub async fn ask(&self, schedule: &str, text: &str) {
        self.merge("ImportSchedule", schedule, json!({"metadata": {"annotations": {"joinery.dev/requested-at": text}}})).await;
    }

    /// All objects of ours: kind and name.
    pub async fn everything(&self) -> Vec<(&'static str, String)> {
        let mut objects = Vec::new();
        for kind in KINDS {
            let names = self.list(kind).await.into_iter().map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned());
            objects.extend(names.map(|name| (kind, name)));
        }
        objects
    }

    /// Deletes the namespace, and waits until it is gone.
    pub async fn delete_namespace(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.expect("a namespace");
        support::eventually(&format!("the namespace {} is gone", self.namespace), async || {
            let namespace = namespaces.get_opt(&self.namespace).await.expect("an answer");
            namespace.map_or(Ok(()), |namespace| Err(format!("{:?}", namespace.status)))
        })
        .await;
    }

    /// A source of people: integration, mapping, policy, schedule, all of one name; `secret` holds the token.
    pub async fn source(&self, name: &str, base_url: &str, secret: &str) {
        self.integration(name, base_url, secret, "Enforce").await;
        let of = json!({"name": name});
        self.apply("AttributeMapping", name, json!({"integrationRef": of, "preset": "SCIMCore"})).await;
        self.apply("ProvisioningPolicy", name, source_of_people(name)).await;
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

/// A policy by which everybody in the app becomes a person.
pub fn source_of_people(integration: &str) -> Value {
    json!({"integrationRef": {"name": integration}, "toDirectory": {
        "usernameFormat": "app.userName",
        "confirmation": {"exactMatches": "Automatic", "newUsers": "Automatic", "activateNewUsers": true},
        "sourcing": {"enabled": true},
    }})
}

/// The condition of this type; empty if there is none.
pub fn seen(object: &Value, condition: &str) -> Seen {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|candidate| candidate["type"] == condition).unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Seen { status: text("status"), reason: text("reason"), message: text("message") }
}
