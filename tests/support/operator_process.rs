//! The operator as it is shipped: the real binary as a process, as its ServiceAccount, with the rights of `deploy/rbac.yaml`.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams, config::Kubeconfig};
use serde_json::{Value, json};

/// The ServiceAccount of `deploy/rbac.yaml`, as the API server names it.
pub const USER: &str = "system:serviceaccount:joinery-system:joinery";

const TICK: Duration = Duration::from_millis(50);

/// The operator ends when its standard input does, and that ends with the test process, however that ends. A line on it names
/// another signal than SIGTERM.
const GUARD: &str = r#""$@" & operator=$!; read -r signal || signal=TERM; kill -s "$signal" $operator; wait $operator"#;

/// A running operator. It gets SIGTERM when this is dropped.
pub struct OperatorProcess {
    child: Child,
    log: PathBuf,
    /// Where this process's part of the log begins.
    begins: usize,
}

impl OperatorProcess {
    /// Starts the operator with its store and its log in this folder.
    pub fn start(kubeconfig: &Path, folder: &Path, log_level: &str) -> Self {
        let log = folder.join("operator.log");
        let begins = fs::read(&log).map_or(0, |text| text.len());
        let out = File::options().create(true).append(true).open(&log).expect("a log");
        let child = Command::new("sh")
            .args(["-c", GUARD, "sh", env!("CARGO_BIN_EXE_joinery"), "controller"])
            .args(["--listen", "127.0.0.1:0", "--log-level", log_level, "--store"])
            .arg(store(folder))
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .spawn()
            .expect("the operator starts");
        Self { child, log, begins }
    }

    /// The address of `/readyz` and `/metrics`, once it is ready.
    pub async fn ready(&self, patience: Duration) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(address) = address(&self.log())
                && let Some((200, _)) = get(&address, "/readyz").await
            {
                return Ok(address);
            }
            tokio::time::sleep(TICK).await;
        }
        Err(format!("not ready within {patience:?}; its log:\n{}", self.log()))
    }

    /// The address of `/readyz` and `/metrics`, ready or not.
    pub async fn serving(&self) -> String {
        super::eventually("the operator serves", async || address(&self.log()).ok_or_else(|| self.log())).await
    }

    /// The process of the operator, below the shell that guards it.
    pub fn pid(&self) -> u32 {
        let shell = self.child.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("the shell's children");
        let named = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "joinery");
        children.split_whitespace().find(named).expect("the operator runs").parse().expect("a number")
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().expect("an exit status")
    }

    /// SIGKILL: nothing can be tidied up.
    pub fn kill(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            stdin.write_all(b"KILL\n").expect("the guard listens");
        }
        let _reaped = self.child.wait();
    }

    /// What this process has logged.
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(text.get(self.begins..).unwrap_or_default()).into_owned()
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _reaped = self.child.wait();
    }
}

/// The store of an operator that was started with this folder.
pub fn store(folder: &Path) -> PathBuf {
    folder.join("joinery.db")
}

/// The address of the health server, as the log names it.
fn address(log: &str) -> Option<String> {
    log.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["address"].as_str().map(str::to_owned))
}

pub async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("http://{address}{path}")).await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

/// Gives the operator's rights to its ServiceAccount, and a kubeconfig with a token of it and none of the administrator's
/// rights into this folder.
pub async fn permit(client: &Client, admin: &Kubeconfig, folder: &Path) -> PathBuf {
    super::apply_file(client, "deploy/rbac.yaml").await;
    await_permission(client).await;
    kubeconfig(client, admin, folder).await
}

/// The API server learns of new roles a moment after they are written.
async fn await_permission(client: &Client) {
    let attributes = ResourceAttributes {
        group: Some("joinery.dev".to_owned()),
        resource: Some("appintegrations".to_owned()),
        verb: Some("watch".to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(USER.to_owned()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let asked = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    super::eventually("the ServiceAccount may watch", async || {
        let review = reviews.create(&PostParams::default(), &asked).await.expect("a review");
        review.status.is_some_and(|status| status.allowed).then_some(()).ok_or("not yet".to_owned())
    })
    .await;
}

/// A kubeconfig with a token of the ServiceAccount.
pub async fn kubeconfig(client: &Client, admin: &Kubeconfig, folder: &Path) -> PathBuf {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "joinery-system");
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(7200), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let answer = accounts.create_token_request("joinery", &PostParams::default(), &request).await.expect("a token");
    let clusters = serde_json::to_value(&admin.clusters).expect("clusters");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "joinery",
        "contexts": [{"name": "joinery", "context": {"cluster": clusters[0]["name"], "user": "joinery"}}],
        "users": [{"name": "joinery", "user": {"token": answer.status.expect("a status").token}}],
        "clusters": clusters,
    });
    let path = folder.join("kubeconfig.json");
    fs::write(&path, config.to_string()).expect("a file");
    path
}
