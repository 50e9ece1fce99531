//! A second control plane for tests that install, restart and remove the operator. They follow each other: what one of them
//! starts sees every namespace.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use kube::{Client, config::Kubeconfig};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    devenv,
    support::{
        self,
        operator_process::{self, OperatorProcess},
    },
    world::Space,
};

/// It ends when its standard input does, with the test process.
struct ControlPlane {
    _child: Child,
    kubeconfig: PathBuf,
}

static CONTROL_PLANE: Mutex<Option<ControlPlane>> = Mutex::const_new(None);

fn start() -> ControlPlane {
    let (child, line) = devenv::start(&["run", "--", "sh", "-c", "echo \"$KUBECONFIG\"; exec cat"]);
    let kubeconfig = PathBuf::from(line.trim());
    assert!(kubeconfig.is_file(), "the second control plane does not start");
    ControlPlane { _child: child, kubeconfig }
}

/// The second control plane, for one test at a time, and a folder for its operator.
pub struct Plane {
    turn: MutexGuard<'static, Option<ControlPlane>>,
    pub client: Client,
    folder: TempDir,
}

impl Plane {
    /// Waits for its turn.
    pub async fn new() -> Self {
        // An error only means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut turn = CONTROL_PLANE.lock().await;
        let kubeconfig = turn.get_or_insert_with(start).kubeconfig.clone();
        let client = support::client_of(Kubeconfig::read_from(kubeconfig).expect("a kubeconfig")).await;
        Self { turn, client, folder: tempfile::tempdir().expect("a folder") }
    }

    fn kubeconfig(&self) -> &Path {
        &self.turn.as_ref().expect("a control plane").kubeconfig
    }

    /// Runs kubectl as the administrator.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Output {
        Command::new("kubectl").args(arguments).env("KUBECONFIG", self.kubeconfig()).output().expect("kubectl")
    }

    /// Runs kubectl as the administrator, and must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Installs as the README says.
    pub fn install(&self) {
        self.kubectl(&["apply", "--server-side", "-k", &repository("deploy")]);
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
    }

    /// Starts an operator with the store of this test, not before it has its rights.
    pub async fn operator(&self) -> OperatorProcess {
        let operator = self.start_operator(true).await;
        operator.ready(support::LONG).await.expect("it gets ready");
        operator
    }

    /// Starts an operator with the store of this test, and waits for nothing.
    pub async fn start_operator(&self, permitted: bool) -> OperatorProcess {
        let admin = Kubeconfig::read_from(self.kubeconfig()).expect("a kubeconfig");
        let kubeconfig = if permitted {
            operator_process::permit(&self.client, &admin, self.folder.path()).await
        } else {
            operator_process::kubeconfig(&self.client, &admin, self.folder.path()).await
        };
        OperatorProcess::start(&kubeconfig, self.folder.path(), "info")
    }

    /// The store of this test's operator.
    pub fn store(&self) -> PathBuf {
        operator_process::store(self.folder.path())
    }

    /// A new namespace of the second control plane.
    pub async fn space(&self, prefix: &str) -> Space {
        Space::new(&self.client, prefix).await
    }
}

/// A path of this repository.
pub fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_str().expect("a path").to_owned()
}
