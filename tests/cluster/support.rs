//! The API server that the tests share: one client, the definitions, a namespace per test.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{await_condition, conditions},
};
use serde_json::Value;
use tokio::sync::OnceCell;

#[path = "../support/operator_process.rs"]
pub mod operator_process;

/// How long anything may take that normally takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a test waits for what the operator does, on a machine that is busy with other things.
pub const LONG: Duration = Duration::from_secs(240);

/// How long it waits before it looks again.
pub const TICK: Duration = Duration::from_millis(250);

/// A client for the API server that `KUBECONFIG` names, as its administrator.
pub async fn client() -> Client {
    // An error only means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    assert!(
        std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()),
        "these tests need a Kubernetes API server and KUBECONFIG pointing to it: run `make test`, which starts one"
    );
    client_of(admin()).await
}

/// The administrator's kubeconfig.
pub fn admin() -> Kubeconfig {
    Kubeconfig::from_env().expect("a readable KUBECONFIG").expect("KUBECONFIG is set")
}

/// A client for the API server that this kubeconfig names.
pub async fn client_of(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a usable kubeconfig");
    Client::try_from(config).expect("a client")
}

/// Installs the definitions once and waits until the API server serves them.
pub async fn install_definitions(client: &Client) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let api: Api<CustomResourceDefinition> = Api::all(client.clone());
            for crd in joinery::api::crds() {
                let name = crd.metadata.name.clone().expect("a name");
                let parameters = PatchParams::apply("joinery-tests").force();
                api.patch(&name, &parameters, &Patch::Apply(&crd)).await.unwrap_or_else(|error| panic!("install {name}: {error}"));
                let established = await_condition(api.clone(), &name, conditions::is_crd_established());
                tokio::time::timeout(PATIENCE, established).await.expect("in time").expect("a watch");
            }
        })
        .await;
}

/// Creates a namespace whose name starts with `prefix`.
pub async fn namespace(client: &Client, prefix: &str) -> String {
    let mut namespace = Namespace::default();
    namespace.metadata.generate_name = Some(format!("{prefix}-"));
    let api: Api<Namespace> = Api::all(client.clone());
    api.create(&PostParams::default(), &namespace).await.expect("a namespace").metadata.name.expect("a name")
}

/// Looks again and again until there is something to see; the last refusal is shown if there never is.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(refusal) => assert!(Instant::now() < deadline, "{what}: not within {} s; the last look: {refusal}", LONG.as_secs()),
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Applies one object, as `kubectl apply --server-side` does.
pub async fn apply(client: &Client, object: &Value) {
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let parameters = PatchParams::apply("joinery-tests").force();
    api.patch(&name, &parameters, &Patch::Apply(object)).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
}

/// Applies all objects of a file of this repository.
pub async fn apply_file(client: &Client, file: &str) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a readable file");
    for object in joinery::api::yaml::documents(&text).expect("YAML") {
        apply(client, &object).await;
    }
}
