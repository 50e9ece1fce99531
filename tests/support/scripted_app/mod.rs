//! A SCIM app whose faults are data, with a ledger of every request and effect. It runs in a thread of its own, so that it
//! outlives the runtime of a test and its work is not counted as the test's.
//!
//! ```ignore
//! let app = ScriptedApp::start(Options::default()).await;
//! app.put_user(json!({"userName": "ada"}));
//! app.inject(Fault::on("GET", "/Users", What::ShortPages(7)));
//! ```
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod fault;
mod ledger;
mod listing;
mod patch;
mod scim;
mod serve;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::oneshot;

use self::{fault::Armed, ledger::Ledger};
pub use self::{
    fault::{Fault, What},
    ledger::{Effect, EffectKind, Entry, hash_of},
};

/// What the app can do and whom it lets in.
#[derive(Clone)]
pub struct Options {
    /// The bearer token that it takes; any other is answered with 401.
    pub token: String,
    /// PATCH is advertised.
    pub patch: bool,
    /// Cursor paging is advertised and done.
    pub cursor: bool,
    /// Accounts per page at most.
    pub page_limit: usize,
    /// TLS with this configuration; plain HTTP without.
    pub tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: "scripted-token".into(), patch: true, cursor: false, page_limit: 1000, tls: None }
    }
}

/// What the handlers work on.
struct State {
    options: Options,
    users: BTreeMap<String, Value>,
    next_id: u64,
    faults: Vec<Armed>,
    ledger: Ledger,
}

impl State {
    fn new_id(&mut self) -> String {
        self.next_id += 1;
        format!("u{:06}", self.next_id)
    }
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running app. It stops when dropped.
pub struct ScriptedApp {
    state: Shared,
    address: SocketAddr,
    tls: bool,
    _stop: oneshot::Sender<()>,
}

impl ScriptedApp {
    /// Starts an app on a free port of the loopback address.
    pub async fn start(options: Options) -> Self {
        let tls = options.tls.clone();
        let state =
            Arc::new(Mutex::new(State { options, users: BTreeMap::new(), next_id: 0, faults: Vec::new(), ledger: Ledger::default() }));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = oneshot::channel();
        let shared = state.clone();
        let is_tls = tls.is_some();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve::run(shared, tls, ready, stopped));
        });
        Self { state, address: address.await.expect("the app listens"), tls: is_tls, _stop: stop }
    }

    /// An app with so many users, `user0` and so on, each with an `externalId`.
    pub async fn with_users(count: usize, options: Options) -> Self {
        let app = Self::start(options).await;
        for number in 0..count {
            app.put_user(serde_json::json!({
                "userName": format!("user{number}"), "externalId": format!("ext-{number}"), "active": true,
                "name": {"givenName": "Given", "familyName": format!("Family{number}")},
            }));
        }
        app
    }

    /// Where its SCIM endpoints are.
    pub fn base_url(&self) -> String {
        format!("{}://{}/scim/v2", if self.tls { "https" } else { "http" }, self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a user there, as somebody else would, without a trace in the ledger. Gives it an id if it has none.
    pub fn put_user(&self, mut user: Value) -> String {
        let mut state = lock(&self.state);
        let id = user["id"].as_str().map_or_else(|| state.new_id(), str::to_owned);
        user["id"] = id.clone().into();
        if user.get("schemas").is_none() {
            user["schemas"] = serde_json::json!([scim::USER]);
        }
        state.users.insert(id.clone(), user);
        id
    }

    /// Takes a user away, without a trace in the ledger.
    pub fn remove_user(&self, id: &str) {
        lock(&self.state).users.remove(id);
    }

    /// The users as they are now.
    pub fn users(&self) -> BTreeMap<String, Value> {
        lock(&self.state).users.clone()
    }

    /// One user as it is now.
    pub fn user(&self, id: &str) -> Value {
        lock(&self.state).users.get(id).cloned().unwrap_or_default()
    }

    /// Every request so far.
    pub fn ledger(&self) -> Vec<Entry> {
        lock(&self.state).ledger.entries.clone()
    }

    /// Every effect so far.
    pub fn effects(&self) -> Vec<Effect> {
        lock(&self.state).ledger.effects.clone()
    }

    /// How often each account was changed in which way.
    pub fn effects_per_account(&self) -> BTreeMap<(String, EffectKind), u64> {
        lock(&self.state).ledger.effects_per_account()
    }

    /// Forgets requests and effects.
    pub fn clear_ledger(&self) {
        lock(&self.state).ledger = Ledger::default();
    }

    /// Arms a fault.
    pub fn inject(&self, fault: Fault) {
        lock(&self.state).faults.push(Armed::new(fault));
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        lock(&self.state).faults.clear();
    }

    /// The bearer token it takes from now on.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut lock(&self.state).options.token);
    }
}
