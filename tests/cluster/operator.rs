//! The operator as it is shipped: the real binary, as its ServiceAccount, one process for all tests that need it.
//!
//! The tests of the definitions need the opposite, objects that nobody touches. Both kinds share one API server, so whoever
//! comes waits until the last of the other kind has left.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams, config::Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{audit, support};

/// The ServiceAccount of `deploy/rbac.yaml`, as the API server names it.
pub const USER: &str = "system:serviceaccount:joinery-system:joinery";

/// How long a test waits for those of the other kind.
const TURN: Duration = Duration::from_secs(900);
const TICK: Duration = Duration::from_millis(50);

enum Phase {
    Stopped,
    Starting,
    Running(Arc<Process>),
}

struct Gate {
    alone: bool,
    without: usize,
    with: usize,
    phase: Phase,
    /// Outlives the process: the next one goes on with the same store, as after a restart.
    home: Option<Arc<TempDir>>,
    starts: usize,
}

static GATE: Mutex<Gate> = Mutex::new(Gate { alone: false, without: 0, with: 0, phase: Phase::Stopped, home: None, starts: 0 });

fn gate() -> MutexGuard<'static, Gate> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as this lives, no operator runs.
pub struct Absent(());

/// Waits until no operator runs, and keeps it so.
pub async fn absent() -> Absent {
    let deadline = Instant::now() + TURN;
    loop {
        {
            let mut gate = gate();
            if gate.with == 0 && !gate.alone {
                gate.without += 1;
                return Absent(());
            }
        }
        assert!(Instant::now() < deadline, "the tests that need the operator do not end");
        tokio::time::sleep(TICK).await;
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        gate().without -= 1;
    }
}

/// As long as this lives, no other test of either kind runs: the place for operators with a store of their own, which would
/// meddle with what others do.
pub struct Alone(());

/// Waits until all others have left.
pub async fn alone() -> Alone {
    let deadline = Instant::now() + TURN;
    loop {
        {
            let mut gate = gate();
            if gate.with == 0 && gate.without == 0 && !gate.alone && matches!(gate.phase, Phase::Stopped) {
                gate.alone = true;
                return Alone(());
            }
        }
        assert!(Instant::now() < deadline, "the other tests do not end");
        tokio::time::sleep(TICK).await;
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        gate().alone = false;
    }
}

/// An operator of one test, with a store of its own; it ends when this does.
pub struct Own(Process);

impl Own {
    /// Starts it in `home`, and waits until it has said where it serves. `number` tells the starts in one home apart.
    pub async fn start(client: &Client, home: &Arc<TempDir>, number: usize) -> Self {
        Self(Process::start(client, Arc::clone(home), number, "").await.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Likewise, of a store that does not open: it serves, and is not ready.
    pub async fn start_unready(client: &Client, home: &Arc<TempDir>, number: usize) -> Self {
        Self(Process::start(client, Arc::clone(home), number, "store").await.unwrap_or_else(|error| panic!("{error}")))
    }

    /// The store of operators in this home.
    pub fn store(home: &TempDir) -> PathBuf {
        home.path().join("volume/joinery.db")
    }

    /// `/readyz`.
    pub async fn ready(&self) -> Option<u16> {
        get(&self.0.address, "/readyz").await.map(|(status, _)| status)
    }

    /// The process of the operator, below the shell that guards it.
    pub fn pid(&self) -> u32 {
        let shell = self.0.child.lock().unwrap_or_else(PoisonError::into_inner).id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("the shell's children");
        let named = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "joinery");
        children.split_whitespace().find(named).expect("the operator runs").parse().expect("a number")
    }

    /// SIGTERM, and until it is gone.
    pub fn stop(self) {
        self.0.stop();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A share in the running operator; with the last one it ends.
pub struct Operator(Arc<Process>);

enum Turn {
    Join(Arc<Process>),
    Start(Arc<TempDir>, usize),
    Wait,
}

fn turn() -> Turn {
    let mut gate = gate();
    match &gate.phase {
        Phase::Running(process) => {
            let process = Arc::clone(process);
            gate.with += 1;
            Turn::Join(process)
        }
        Phase::Stopped if gate.without == 0 && !gate.alone => {
            let home = gate.home.get_or_insert_with(|| Arc::new(tempfile::tempdir().expect("a folder for the operator"))).clone();
            gate.phase = Phase::Starting;
            gate.with += 1;
            gate.starts += 1;
            Turn::Start(home, gate.starts)
        }
        Phase::Stopped | Phase::Starting => Turn::Wait,
    }
}

impl Operator {
    /// Joins the running operator, or starts it.
    pub async fn running(client: &Client) -> Self {
        let deadline = Instant::now() + TURN;
        loop {
            match turn() {
                Turn::Join(process) => return Self(process),
                Turn::Start(home, number) => {
                    let started = Process::start(client, home, number, "").await;
                    let mut gate = gate();
                    let Ok(process) = started else {
                        gate.phase = Phase::Stopped;
                        gate.with -= 1;
                        drop(gate);
                        panic!("the operator does not start: {}", started.err().unwrap_or_default());
                    };
                    let process = Arc::new(process);
                    gate.phase = Phase::Running(Arc::clone(&process));
                    return Self(process);
                }
                Turn::Wait => {
                    assert!(Instant::now() < deadline, "the operator's turn does not come");
                    tokio::time::sleep(TICK).await;
                }
            }
        }
    }

    /// What it has logged, in this and earlier starts.
    pub fn logs(&self) -> String {
        let files = fs::read_dir(self.0.home.path()).expect("the operator's folder");
        let logs = files.map(|file| file.expect("a file").path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.map(|path| fs::read_to_string(path).expect("a log")).collect()
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let (status, text) = get(&self.0.address, "/metrics").await.expect("metrics");
        assert_eq!(status, 200);
        text
    }

    /// Promise H6: whatever the operator has tried so far, it was allowed to do.
    pub fn assert_nothing_was_forbidden() {
        let refused: Vec<Value> = audit::of(USER, 0).into_iter().filter(|entry| entry["responseStatus"]["code"] == 403).collect();
        assert!(refused.is_empty(), "refused to the operator: {refused:#?}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let mut gate = gate();
        gate.with -= 1;
        if gate.with == 0 {
            // Inside the lock: the next one must not meet this one's store.
            if let Phase::Running(process) = std::mem::replace(&mut gate.phase, Phase::Stopped) {
                process.stop();
            }
        }
    }
}

struct Process {
    child: Mutex<Child>,
    address: String,
    home: Arc<TempDir>,
}

/// The operator ends when its standard input does, and that ends with the test process, however that ends.
const GUARD: &str = r#""$@" & operator=$!; cat >/dev/null; kill $operator; wait $operator"#;

impl Process {
    /// `lacks`: what `/readyz` may name as missing, and the start is still one; empty: nothing.
    async fn start(client: &Client, home: Arc<TempDir>, number: usize, lacks: &str) -> Result<Self, String> {
        support::install_definitions(client).await;
        support::apply_file(client, "deploy/rbac.yaml").await;
        await_permission(client).await;
        let kubeconfig = kubeconfig(client, &home).await;
        // A home without this folder is one whose volume is missing.
        if lacks.is_empty() {
            fs::create_dir_all(home.path().join("volume")).map_err(|error| error.to_string())?;
        }
        let log = home.path().join(format!("joinery-{number}.log"));
        let out = fs::File::create(&log).map_err(|error| error.to_string())?;
        let errors = out.try_clone().map_err(|error| error.to_string())?;
        let child = Command::new("sh")
            .args(["-c", GUARD, "sh", env!("CARGO_BIN_EXE_joinery"), "controller"])
            .args(["--listen", "127.0.0.1:0", "--log-level", "trace", "--store"])
            .arg(Own::store(&home))
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut process = Self { child: Mutex::new(child), address: String::new(), home };
        let deadline = Instant::now() + support::LONG;
        while Instant::now() < deadline {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = address(&text)
                && let Some((status, text)) = get(&address, "/readyz").await
                && (status == 200 || !lacks.is_empty() && text.contains(lacks))
            {
                process.address = address;
                return Ok(process);
            }
            tokio::time::sleep(TICK).await;
        }
        process.stop();
        Err(format!("it is not ready; its log:\n{}", fs::read_to_string(&log).unwrap_or_default()))
    }

    fn stop(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        let _ended = child.wait();
    }
}

/// Where the log says that it serves.
fn address(log: &str) -> Option<String> {
    log.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["address"].as_str().map(str::to_owned))
}

async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("http://{address}{path}")).await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

/// The API server learns of new roles a moment after they are written.
async fn await_permission(client: &Client) {
    let allowed = |group: &str, resource: &str, verb: &str| {
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(USER.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        SubjectAccessReview { spec, ..SubjectAccessReview::default() }
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    support::eventually("the ServiceAccount may watch", async || {
        let review = reviews.create(&PostParams::default(), &allowed("joinery.dev", "appintegrations", "watch")).await.expect("a review");
        review.status.is_some_and(|status| status.allowed).then_some(()).ok_or("not yet".to_owned())
    })
    .await;
}

/// A kubeconfig with a token of the ServiceAccount and none of the administrator's rights.
async fn kubeconfig(client: &Client, home: &TempDir) -> PathBuf {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "joinery-system");
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(7200), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let answer = accounts.create_token_request("joinery", &PostParams::default(), &request).await.expect("a token");
    let admin = Kubeconfig::from_env().expect("a readable KUBECONFIG").expect("KUBECONFIG is set");
    let clusters = serde_json::to_value(&admin.clusters).expect("clusters");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "joinery",
        "contexts": [{"name": "joinery", "context": {"cluster": clusters[0]["name"], "user": "joinery"}}],
        "users": [{"name": "joinery", "user": {"token": answer.status.expect("a status").token}}],
        "clusters": clusters,
    });
    let path = home.path().join("kubeconfig.json");
    fs::write(&path, config.to_string()).expect("a file");
    path
}
