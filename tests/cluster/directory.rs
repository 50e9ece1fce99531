//! A directory with a scripted source, `hr`, and a scripted target, `chat`, both of which keep a ledger.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    scim::person,
    scripted_app::{EffectKind, Options, ScriptedApp},
    support,
    world::Space,
};

/// The two apps. Their token is the namespace's own: operators of other tests know it not.
pub struct Directory {
    pub hr: ScriptedApp,
    pub chat: ScriptedApp,
    people: usize,
}

impl Directory {
    /// So many people in the source, whose usernames begin with `prefix`; nobody in the target.
    pub async fn new(space: &Space, prefix: &str, people: usize) -> Self {
        let hr = app(space).await;
        for number in 0..people {
            hr.put_user(person(&format!("{prefix}{number:03}@corp.example"), "Kim", "Okafor"));
        }
        Self { hr, chat: app(space).await, people }
    }

    /// Source and target as objects; the source is ready, nothing is imported. Needs a running operator.
    pub async fn apply(&self, space: &Space) {
        space.secret("app", json!({"token": space.namespace}), Some("127.0.0.1")).await;
        space.source("hr", &self.hr.base_url(), "app").await;
        space.target("chat", &self.chat.base_url(), "app", "Enforce").await;
        for name in ["hr", "chat"] {
            let limit = json!({"requestsPerSecond": 1000, "burst": 1000, "concurrency": 4});
            space.merge("AppIntegration", name, json!({"spec": {"rateLimit": limit}})).await;
            space.until("AppIntegration", name, "Ready", "True", "*").await;
        }
        space.until("ProvisioningPolicy", "chat", "Ready", "True", "*").await;
    }

    /// Waits until at least so many people have an account; looks so often that a moment can be met.
    pub async fn accounts(&self, wanted: usize) {
        let deadline = Instant::now() + support::LONG;
        while self.chat.users().len() < wanted {
            assert!(Instant::now() < deadline, "{} of {wanted} accounts", self.chat.users().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until everybody has an account and a link to it.
    pub async fn provisioned(&self, space: &Space) {
        self.accounts(self.people).await;
        support::eventually("every account is linked", async || {
            let chat = space.get("AppIntegration", "chat").await;
            (chat["status"]["accounts"]["linked"] == self.people).then_some(()).ok_or(chat["status"].to_string())
        })
        .await;
        space.until("ProvisioningPolicy", "chat", "Provisioned", "True", "Succeeded").await;
    }

    /// Everybody has exactly one account, which was created once, by one request, and nothing else was done.
    pub fn assert_each_effect_once(&self) {
        let effects: BTreeMap<_, _> = self.chat.effects_per_account();
        let repeated: Vec<_> = effects.iter().filter(|((_, kind), times)| *kind != EffectKind::Create || **times != 1).collect();
        assert!(repeated.is_empty(), "{repeated:?}");
        let names = |app: &ScriptedApp| {
            let mut names: Vec<_> = app.users().into_values().map(|user| user["userName"].to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&self.chat), names(&self.hr), "everybody exactly once");
    }

    /// Nothing that could change anything was asked of an app since its ledger was cleared.
    pub fn assert_no_writes(&self, context: &str) {
        for (name, app) in [("hr", &self.hr), ("chat", &self.chat)] {
            let writes: Vec<_> = writes(app);
            assert!(writes.is_empty(), "{context}: {name} was asked to {writes:?}");
        }
    }
}

/// A scripted app that takes the namespace's token.
pub async fn app(space: &Space) -> ScriptedApp {
    ScriptedApp::start(Options { token: space.namespace.clone(), ..Options::default() }).await
}

/// The requests that could change something.
pub fn writes(app: &ScriptedApp) -> Vec<(String, String)> {
    app.ledger().into_iter().filter(|entry| entry.method != "GET").map(|entry| (entry.method, entry.path)).collect()
}
