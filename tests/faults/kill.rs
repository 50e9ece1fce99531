//! B9: the operator as it is shipped, killed again and again while it creates accounts. Needs a Kubernetes API server, which
//! `make test` starts.

use std::{
    fmt::Debug,
    path::Path,
    time::{Duration, Instant},
};

use joinery::api::{AppIntegration, ImportRun, ProvisioningPolicy};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Resource, api::PostParams, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cluster::{
        self,
        operator_process::{self, OperatorProcess},
    },
    support::scripted_app::{EffectKind, Fault, Options, ScriptedApp, What},
    world::{assert_one_account_each, effects, requests, user},
};

const PEOPLE: usize = 200;
const KILLS: usize = 20;
/// How long anything may take that normally takes a second.
const PATIENCE: Duration = Duration::from_mins(2);

async fn create<K>(client: &Client, namespace: &str, object: Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).unwrap();
    Api::<K>::namespaced(client.clone(), namespace).create(&PostParams::default(), &object).await.unwrap();
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "joinery.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

async fn integrate(client: &Client, namespace: &str, name: &str, app: &ScriptedApp, policy: &Value) {
    let integration = json!({
        "connector": {"scim": {"baseURL": app.base_url()}},
        "authentication": {"bearerToken": {"secretRef": {"name": "scim", "key": "token"}}},
        "mode": "Enforce",
        "rateLimit": {"requestsPerSecond": 1000, "burst": 1000, "concurrency": 4},
    });
    create::<AppIntegration>(client, namespace, object("AppIntegration", name, &integration)).await;
    create::<ProvisioningPolicy>(client, namespace, object("ProvisioningPolicy", name, policy)).await;
}

async fn set_up(client: &Client, namespace: &str, hr: &ScriptedApp, chat: &ScriptedApp) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "scim", "annotations": {"joinery.dev/allowed-hosts": "127.0.0.1"}},
        "stringData": {"token": "scripted-token"},
    });
    create::<Secret>(client, namespace, secret).await;
    let to_directory = json!({
        "usernameFormat": "app.userName",
        "confirmation": {"exactMatches": "Automatic", "newUsers": "Automatic", "activateNewUsers": true},
        "sourcing": {"enabled": true},
    });
    integrate(client, namespace, "hr", hr, &json!({"integrationRef": {"name": "hr"}, "toDirectory": to_directory})).await;
    let to_app = json!({
        "createUsers": true, "updateUserAttributes": true, "deactivateUsers": true,
        "assignments": [{"name": "everybody", "where": "true"}],
    });
    integrate(client, namespace, "chat", chat, &json!({"integrationRef": {"name": "chat"}, "toApp": to_app})).await;
    create::<ImportRun>(client, namespace, object("ImportRun", "first", &json!({"integrationRef": {"name": "hr"}, "type": "Full"}))).await;
}

/// Waits for so many accounts.
async fn accounts(app: &ScriptedApp, wanted: usize, folder: &Path) {
    let begun = Instant::now();
    while app.users().len() < wanted {
        assert!(begun.elapsed() < PATIENCE, "{} of {wanted} accounts after {PATIENCE:?}\n{}", app.users().len(), log(folder));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The end of the operator's log.
fn log(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("operator.log")).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

async fn linked(client: &Client, namespace: &str) -> i64 {
    let api: Api<AppIntegration> = Api::namespaced(client.clone(), namespace);
    let chat = serde_json::to_value(api.get("chat").await.unwrap()).unwrap();
    chat["status"]["accounts"]["linked"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn b9_kill9_at_20_moments_leaves_every_account_exactly_once() {
    let client = cluster::client().await;
    cluster::install_definitions(&client).await;
    let namespace = cluster::namespace(&client, "kill").await;
    let (hr, chat) = (ScriptedApp::start(Options::default()).await, ScriptedApp::start(Options::default()).await);
    (0..PEOPLE).for_each(|number| drop(hr.put_user(user(number))));
    // Slow enough that each kill finds requests under way.
    chat.inject(Fault::on("POST", "/Users", What::Delay(Duration::from_millis(20))));
    set_up(&client, &namespace, &hr, &chat).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = operator_process::permit(&client, &cluster::admin(), folder.path()).await;
    let start = || OperatorProcess::start(&kubeconfig, folder.path(), "info");
    for kill in 0..KILLS {
        let mut operator = start();
        accounts(&chat, kill * PEOPLE / KILLS + 5, folder.path()).await;
        operator.kill();
    }
    let _operator = start();
    accounts(&chat, PEOPLE, folder.path()).await;
    let begun = Instant::now();
    while linked(&client, &namespace).await < i64::try_from(PEOPLE).unwrap() {
        assert!(begun.elapsed() < PATIENCE, "not all accounts are linked\n{}", log(folder.path()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_one_account_each(&chat, PEOPLE, "after the last start");
    assert_eq!(effects(&chat, EffectKind::Create), PEOPLE);
    let mut names: Vec<_> = chat.users().into_values().map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PEOPLE);
    println!("{} POSTs for {PEOPLE} accounts, {KILLS} kills", requests(&chat, "POST"));
}
