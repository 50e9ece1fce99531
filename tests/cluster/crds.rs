//! What the API server accepts and refuses by itself, before any controller has seen it (G1).

use futures::{StreamExt, stream};
use joinery::api::{self, AppIntegration};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    cases::{self, BoundCase, Case, Table},
    operator, samples, support,
};

struct Server {
    client: Client,
    namespace: String,
    /// What is created here must stay as it was sent.
    _untouched: operator::Absent,
}

impl Server {
    async fn start(prefix: &str) -> Self {
        let client = support::client().await;
        let untouched = operator::absent().await;
        support::install_definitions(&client).await;
        let namespace = support::namespace(&client, prefix).await;
        Self { client, namespace, _untouched: untouched }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let crd = cases::definition(kind);
        let gvk = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    async fn create(&self, kind: &str, object: &Value, dry_run: bool) -> Result<Value, String> {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let parameters = PostParams { dry_run, ..PostParams::default() };
        let created = self.api(kind).create(&parameters, &object).await.map_err(refusal)?;
        Ok(serde_json::to_value(created).unwrap())
    }

    /// Creates one object and changes it into another.
    async fn update(&self, kind: &str, from: &Value, object: &Value) -> Result<Value, String> {
        let created =
            self.create(kind, from, false).await.unwrap_or_else(|refusal| panic!("the object to be changed was refused: {refusal}"));
        let name = created["metadata"]["name"].as_str().unwrap();
        let mut object = object.clone();
        object["metadata"]["name"] = json!(name);
        object["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let updated = self.api(kind).replace(name, &PostParams::default(), &object).await.map_err(refusal);
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap();
        Ok(serde_json::to_value(updated?).unwrap())
    }
}

fn refusal(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => panic!("the API server did not answer: {other}"),
    }
}

/// Compares an answer with what was expected. A typing error in a table would be pruned and then accepted, so what is
/// accepted has to come back whole.
fn judge(sent: &Value, answer: Result<Value, String>, says: &[String]) -> Result<(), String> {
    match (answer, says) {
        (Ok(stored), []) => contains(&stored["spec"], &sent["spec"], "spec"),
        (Err(refusal), []) => Err(format!("refused: {refusal}")),
        (Ok(_), _) => Err("accepted".to_owned()),
        (Err(refusal), says) => match says.iter().find(|&part| !refusal.contains(part)) {
            Some(part) => Err(format!("the refusal does not say {part:?}: {refusal}")),
            None => Ok(()),
        },
    }
}

fn contains(stored: &Value, sent: &Value, field: &str) -> Result<(), String> {
    match (stored, sent) {
        (Value::Object(stored), Value::Object(sent)) => sent.iter().try_for_each(|(key, value)| {
            let field = format!("{field}.{key}");
            contains(stored.get(key).ok_or_else(|| format!("{field} was pruned"))?, value, &field)
        }),
        (Value::Array(stored), Value::Array(sent)) if stored.len() == sent.len() => {
            stored.iter().zip(sent).try_for_each(|(stored, sent)| contains(stored, sent, field))
        }
        _ if stored == sent => Ok(()),
        _ => Err(format!("{field}: {sent} became {stored}")),
    }
}

async fn try_case(server: &Server, table: &Table, index: usize, case: &Case) -> Result<(), String> {
    let object = cases::merged(table, &format!("case-{index}"), &case.set);
    let answer = match &case.from {
        None => server.create(&table.kind, &object, true).await,
        Some(from) => server.update(&table.kind, &cases::merged(table, &format!("case-{index}"), from), &object).await,
    };
    let says: Vec<String> = case.says.iter().cloned().collect();
    judge(&object, answer, &says)
}

#[tokio::test]
async fn g1_rules_accept_and_refuse_as_the_tables_say() {
    let server = Server::start("rules").await;
    let mut failures = Vec::new();
    let mut tried = 0;
    for table in cases::tables() {
        for (index, case) in table.cases.iter().enumerate() {
            tried += 1;
            if let Err(failure) = try_case(&server, &table, index, case).await {
                failures.push(format!("{}: {}: {failure}", table.kind, case.why));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {tried} cases:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn g1_every_bound_holds_on_both_sides() {
    let server = &Server::start("bounds").await;
    let cases: Vec<(String, BoundCase)> =
        cases::tables().iter().flat_map(|table| cases::bound_cases(table).into_iter().map(|case| (table.kind.clone(), case))).collect();
    let tried = cases.len();
    let failures: Vec<String> = stream::iter(cases)
        .map(|(kind, case)| async move {
            let answer = server.create(&kind, &case.object, true).await;
            judge(&case.object, answer, &case.says).err().map(|failure| format!("{kind}{}: {failure}", case.field))
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{} of {tried} cases:\n{}", failures.len(), failures.join("\n"));
    assert!(tried > 200, "{tried} cases");
}

#[tokio::test]
async fn an_object_that_nobody_has_seen_says_so() {
    let server = Server::start("unseen").await;
    for table in cases::tables() {
        let object = cases::merged(&table, "unseen", &json!({}));
        server.create(&table.kind, &object, false).await.unwrap();
        let stored = server.api(&table.kind).get(table.name.as_deref().unwrap_or("unseen")).await.unwrap();
        assert_eq!(stored.data["status"], json!({"observedGeneration": -1}), "{}", table.kind);
    }
}

#[tokio::test]
async fn applying_the_samples_again_changes_nothing() {
    let server = Server::start("samples").await;
    let mut seen = 0;
    for (file, text) in samples::files() {
        for mut object in api::yaml::documents(&text).unwrap() {
            let kind = object["kind"].as_str().unwrap().to_owned();
            if object["apiVersion"] != "joinery.dev/v1alpha1" {
                continue;
            }
            seen += 1;
            object["metadata"]["namespace"] = json!(server.namespace);
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let parameters = PatchParams::apply("gitops").validation_strict();
            let apply = || async { server.api(&kind).patch(&name, &parameters, &Patch::Apply(&object)).await.map_err(refusal) };
            let first = apply().await.unwrap_or_else(|refusal| panic!("{file}, {kind} {name}: {refusal}"));
            // The API server stores the status that the schema defaults to with the first write after the creation.
            let second = apply().await.unwrap();
            let third = apply().await.unwrap();
            assert_eq!(second.metadata.resource_version, third.metadata.resource_version, "{file}, {kind} {name}");
            assert_eq!((first.metadata.generation, &first.data), (third.metadata.generation, &third.data), "{file}, {kind} {name}");
            judge(&object, Ok(serde_json::to_value(&third).unwrap()), &[]).unwrap();
        }
    }
    assert!(seen >= 7, "the samples hold {seen} objects of ours");
}

#[tokio::test]
async fn a_status_is_written_without_touching_the_spec_and_conditions_are_a_map() {
    let server = Server::start("status").await;
    let table = cases::tables().into_iter().find(|table| table.kind == "AppIntegration").unwrap();
    let created = server.create(&table.kind, &cases::merged(&table, "chat", &json!({})), false).await.unwrap();
    let api: Api<AppIntegration> = Api::namespaced(server.client.clone(), &server.namespace);
    let status = |kind: &str| {
        json!({"apiVersion": "joinery.dev/v1alpha1", "kind": "AppIntegration", "metadata": {"name": "chat"}, "status": {
            "observedGeneration": 1,
            "conditions": [{"type": kind, "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        }})
    };
    for (manager, kind) in [("one", "Ready"), ("two", "CredentialsValid")] {
        api.patch_status("chat", &PatchParams::apply(manager).force(), &Patch::Apply(status(kind))).await.unwrap();
    }
    let stored = api.get("chat").await.unwrap();
    assert_eq!(stored.status.unwrap().conditions.len(), 2, "each manager owns its condition");
    assert_eq!(stored.metadata.generation, Some(1));
    assert_eq!(serde_json::to_value(stored.spec).unwrap(), created["spec"]);
}
