//! The operator as it is shipped: the real binary, as its ServiceAccount, one process for all tests that need it.
//!
//! The tests of the definitions need the opposite, objects that nobody touches. Both kinds share one API server, so whoever
//! comes waits until the last of the other kind has left.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::Client;
use serde_json::Value;
use tempfile::TempDir;

pub use crate::support::operator_process::USER;
use crate::{
    audit,
    support::{
        self,
        operator_process::{self, OperatorProcess, get},
    },
};

/// How long a test waits for those of the other kind.
const TURN: Duration = Duration::from_secs(900);
const TICK: Duration = Duration::from_millis(50);

enum Phase {
    Stopped,
    Starting,
    Running(Arc<Process>),
}

struct Gate {
    without: usize,
    with: usize,
    phase: Phase,
    /// Outlives the process: the next one goes on with the same store, as after a restart.
    home: Option<Arc<TempDir>>,
    /// Tests that wait for a restart: until it has happened nobody joins.
    restarts: usize,
}

static GATE: Mutex<Gate> = Mutex::new(Gate { without: 0, with: 0, phase: Phase::Stopped, home: None, restarts: 0 });

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
            if gate.with == 0 {
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

/// A share in the running operator; with the last one it ends.
pub struct Operator(Arc<Process>);

enum Turn {
    Join(Arc<Process>),
    Start(Arc<TempDir>),
    Wait,
}

fn turn() -> Turn {
    let mut gate = gate();
    match &gate.phase {
        _ if gate.restarts > 0 => Turn::Wait,
        Phase::Running(process) => {
            let process = Arc::clone(process);
            gate.with += 1;
            Turn::Join(process)
        }
        Phase::Stopped if gate.without == 0 => {
            let home = gate.home.get_or_insert_with(|| Arc::new(tempfile::tempdir().expect("a folder for the operator"))).clone();
            gate.phase = Phase::Starting;
            gate.with += 1;
            Turn::Start(home)
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
                Turn::Start(home) => {
                    let started = Process::start(client, home).await;
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

    /// Waits until no other test needs the running operator, ends it and starts it anew with the same store.
    pub async fn restarted(self, client: &Client) -> Self {
        gate().restarts += 1;
        drop(self);
        let deadline = Instant::now() + TURN;
        loop {
            {
                let mut gate = gate();
                if matches!(gate.phase, Phase::Stopped) || Instant::now() >= deadline {
                    gate.restarts -= 1;
                    break;
                }
            }
            tokio::time::sleep(TICK).await;
        }
        assert!(Instant::now() < deadline, "the tests that need the running operator do not end");
        Self::running(client).await
    }

    /// The path and the bytes of every file that it keeps: the store, its logs.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(self.0.home.path()).expect("the operator's folder").map(|file| file.expect("a file").path());
        files.map(|path| (path.clone(), fs::read(path).expect("a readable file"))).collect()
    }

    /// What it has logged, in this and earlier starts.
    pub fn logs(&self) -> String {
        fs::read_to_string(self.0.home.path().join("operator.log")).expect("a log")
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let (status, text) = get(&self.0.address, "/metrics").await.expect("metrics");
        assert_eq!(status, 200);
        text
    }

    /// Promise H6: whatever the operator has tried so far, it was allowed to do.
    pub fn assert_nothing_was_forbidden() {
        // A namespace that is being deleted takes nothing new from anybody: refused with 403 too, after RBAC has allowed it.
        let is_refusal =
            |entry: &Value| entry["responseStatus"]["code"] == 403 && entry["annotations"]["authorization.k8s.io/decision"] != "allow";
        let refused: Vec<Value> = audit::of(USER, 0).into_iter().filter(is_refusal).collect();
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
    running: Mutex<OperatorProcess>,
    address: String,
    home: Arc<TempDir>,
}

impl Process {
    async fn start(client: &Client, home: Arc<TempDir>) -> Result<Self, String> {
        support::install_definitions(client).await;
        let kubeconfig = operator_process::permit(client, &support::admin(), home.path()).await;
        let process = OperatorProcess::start(&kubeconfig, home.path(), "trace");
        let address = process.ready(support::LONG).await?;
        Ok(Self { running: Mutex::new(process), address, home })
    }

    fn stop(&self) {
        let _status = self.running.lock().unwrap_or_else(PoisonError::into_inner).terminate();
    }
}
