//! The API server that the tests share: one client, the definitions, a namespace per test.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{await_condition, conditions},
};
use tokio::sync::OnceCell;

/// How long anything may take that normally takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A client for the API server that `KUBECONFIG` names, as its administrator.
pub async fn client() -> Client {
    // An error only means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    assert!(
        std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()),
        "these tests need a Kubernetes API server and KUBECONFIG pointing to it: run `make test`, which starts one"
    );
    let kubeconfig = Kubeconfig::from_env().expect("a readable KUBECONFIG").expect("KUBECONFIG is set");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a usable KUBECONFIG");
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
