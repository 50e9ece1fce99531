//! A directory with a source, `hr`, and a target, `chat`: the store in a file, the apps scripted, the time moved by hand.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use joinery::{
    connector::Connector,
    domain::{
        assignment::Assignment,
        hash::ShortHash,
        id::{IntegrationKey, Organisation},
        import_decision::{Confirmation, ImportRules},
        mapping::{Expression, Mapping, MappingSource, Scope},
        matching::MatchingRules,
        protection::Protection,
        provision_decision::ProvisionRules,
        report::{ImportEnd, ImportReport, ProvisionEnd, ProvisionReport},
        safeguard::{ImportLimits, ProvisionLimits},
        sourcing::{OnDeactivation, Sourcing},
    },
    engine::{Mode, import::ImportJob, provision::ProvisionJob, stop::StopToken},
    store::{AccountCounts, Store, sqlite::SqliteStore},
};
use serde_json::{Value, json};
use sqlx::Row as _;
use tempfile::TempDir;

use crate::{
    bench::{ManualClock, connect_with},
    support::scripted_app::{EffectKind, Options, ScriptedApp},
};

/// What a directory consists of: everything but runs, their listings and their plans.
const LASTING: [&str; 8] = ["organisation", "person", "account", "account_values", "candidate", "removal", "failure", "intent"];

/// No test waits for it: a busy machine must not look like an app that does not answer.
const PATIENT: Duration = Duration::from_mins(1);

pub struct World {
    pub store: Arc<SqliteStore>,
    pub clock: Arc<ManualClock>,
    pub hr: ScriptedApp,
    pub chat: ScriptedApp,
    pub path: PathBuf,
    _folder: TempDir,
    runs: AtomicU32,
}

impl World {
    /// An empty directory, so many users in the source, nobody in the target.
    pub async fn new(users: usize) -> Self {
        Self::with_target(users, Options::default()).await
    }

    pub async fn with_target(users: usize, target: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let world = Self {
            store: Arc::new(SqliteStore::open(&path).await.unwrap()),
            clock: ManualClock::new(),
            hr: ScriptedApp::start(Options::default()).await,
            chat: ScriptedApp::start(target).await,
            path,
            _folder: folder,
            runs: AtomicU32::new(0),
        };
        (0..users).for_each(|number| drop(world.hr.put_user(user(number))));
        world
    }

    /// The same directory and the same target in another world: the files as they lie there now, as after a crash.
    pub async fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        for suffix in ["", "-wal"] {
            let from = with_suffix(&self.path, suffix);
            if from.exists() {
                std::fs::copy(from, with_suffix(&path, suffix)).unwrap();
            }
        }
        let clock = ManualClock::new();
        clock.advance(3600);
        Self {
            store: Arc::new(SqliteStore::open(&path).await.unwrap()),
            clock,
            hr: copy_app(&self.hr).await,
            chat: copy_app(&self.chat).await,
            path,
            _folder: folder,
            runs: AtomicU32::new(1000),
        }
    }

    pub fn import_job(&self) -> ImportJob {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        ImportJob {
            store: self.store.clone(),
            connector: connect_with(&self.hr, |config| config.request_timeout = PATIENT),
            clock: self.clock.clone(),
            rules: import_rules(),
            mapping: mapping(),
            user_name: Expression::compile_text("spec.toDirectory.usernameFormat", "app.userName", Scope::ToDirectory).unwrap(),
            host: "hr.example.com".to_owned(),
            mode: Mode::Enforce,
            object: format!("run-{run}"),
            stop: StopToken::new(),
            retry_pause: Duration::from_millis(1),
        }
    }

    pub fn provision_job(&self) -> ProvisionJob {
        self.provision_job_of(self.target(8))
    }

    /// A connector to the target.
    pub fn target(&self, concurrency: u32) -> Arc<dyn Connector> {
        connect_with(&self.chat, |config| {
            config.rate_limit.concurrency = concurrency;
            config.request_timeout = PATIENT;
        })
    }

    pub fn provision_job_of(&self, connector: Arc<dyn Connector>) -> ProvisionJob {
        ProvisionJob {
            store: self.store.clone(),
            connector,
            clock: self.clock.clone(),
            rules: provision_rules(),
            host: "chat.example.com".to_owned(),
            mode: Mode::Enforce,
            retry_failed: false,
            object: "policy".to_owned(),
            inputs: ShortHash::of(b"inputs"),
            stop: StopToken::new(),
        }
    }

    /// Imports, and the import goes through.
    pub async fn import(&self) -> ImportReport {
        let report = self.import_job().run().await.unwrap();
        assert!(matches!(report.end, ImportEnd::Applied | ImportEnd::NothingToDo), "{:?}", report.end);
        report
    }

    /// Provisions, and nobody is left over.
    pub async fn provision(&self) -> ProvisionReport {
        let report = self.provision_job().run().await.unwrap();
        assert_eq!((&report.end, report.failed, report.undecided), (&ProvisionEnd::Done, 0, 0), "{report:?}");
        report
    }

    /// Kills a pass as soon as the app shows `it`; the world as a new process finds it, without faults.
    pub async fn killed_once(&self, it: impl Fn(&Self) -> bool) -> Self {
        let job = self.provision_job();
        let pass = tokio::spawn(async move { job.run().await });
        while !it(self) {
            assert!(!pass.is_finished(), "the pass is over before");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pass.abort();
        let _ended = pass.await;
        self.chat.clear_faults();
        self.copy().await
    }

    pub async fn revision(&self) -> i64 {
        self.store.directory_revision(&Organisation::new("acme")).await.unwrap()
    }

    pub async fn counts(&self, integration: &str) -> AccountCounts {
        self.store.account_counts(&key(integration)).await.unwrap()
    }

    /// Every lasting row of the store, as text.
    pub async fn dump(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in LASTING {
            rows.extend(self.rows(table).await);
        }
        rows
    }

    /// Every row of a table, as text.
    pub async fn rows(&self, table: &str) -> Vec<String> {
        let columns = self.query(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
        let texts: Vec<_> = columns.iter().map(|column| format!("'{column}=' || quote({column})")).collect();
        let query = format!("SELECT '{table}: ' || {} FROM {table} ORDER BY 1", texts.join(" || ' ' || "));
        self.query(&query).await
    }

    /// The first column of a query against the file.
    pub async fn query(&self, query: &str) -> Vec<String> {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.path).read_only(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(query.to_owned())).fetch_all(&pool).await.unwrap();
        let texts = rows.iter().map(|row| row.get::<String, _>(0)).collect();
        pool.close().await;
        texts
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

async fn copy_app(app: &ScriptedApp) -> ScriptedApp {
    let copy = ScriptedApp::start(Options::default()).await;
    let users = app.users();
    // Ids of accounts that are there are not given out a second time.
    for _ in 0..2 * users.len() {
        let id = copy.put_user(json!({}));
        copy.remove_user(&id);
    }
    for user in users.into_values() {
        copy.put_user(user);
    }
    copy
}

pub fn key(integration: &str) -> IntegrationKey {
    IntegrationKey::new("acme", integration)
}

/// A user of the source.
pub fn user(number: usize) -> Value {
    json!({
        "userName": format!("user{number}"), "active": true, "title": "Clerk",
        "name": {"givenName": "Given", "familyName": format!("Family{number}")},
        "emails": [{"type": "work", "value": format!("user{number}@example.com")}],
    })
}

pub fn mapping() -> Mapping {
    Mapping::compile(&MappingSource::default()).unwrap()
}

/// Everything by itself, limits as they are by default.
pub fn import_rules() -> ImportRules {
    ImportRules {
        integration: key("hr"),
        matching: MatchingRules { user_name: true, case_sensitive: false, ..MatchingRules::default() },
        confirmation: Confirmation { exact_automatic: true, partial_automatic: false, new_automatic: true, activate_new: true },
        sourcing: Some(Sourcing { on_deactivation: OnDeactivation::Deactivate, reactivate_suspended: true, reactivate_deactivated: true }),
        profile_sources: Vec::new(),
        protection: Protection::Nobody,
        push_null_values: false,
        missing_full_imports: 2,
        limits: ImportLimits { max_unassigned_percent: 20, min_population: 1, max_unassigned: None },
        window_seconds: 86_400,
        approval_seconds: 86_400,
    }
}

/// Everybody gets an account; no limit is in the way.
pub fn provision_rules() -> ProvisionRules {
    ProvisionRules {
        integration: key("chat"),
        create_users: true,
        update_user_attributes: true,
        deactivate_users: true,
        assignments: vec![Assignment {
            name: "everybody".to_owned(),
            condition: Expression::compile_condition("where", "true", Scope::User).unwrap(),
            values: Vec::new(),
            combine: Vec::new(),
        }],
        user_name_format: Expression::compile_text("usernameFormat", "user.userName", Scope::User).unwrap(),
        mapping: Some(mapping()),
        protection: Protection::Nobody,
        limits: ProvisionLimits {
            max_deactivated_percent: 100,
            min_population: 1,
            max_deactivated: None,
            max_updated_percent: 100,
            max_created: None,
        },
        window_seconds: 86_400,
        approval_seconds: 86_400,
        digest: ShortHash::of(b"policy"),
    }
}

/// Changes a user of an app, as its administrator would.
pub fn edit(app: &ScriptedApp, id: &str, change: impl FnOnce(&mut Value)) {
    let mut user = app.user(id);
    change(&mut user);
    app.put_user(user);
}

/// The id of the only user with this name.
pub fn id_of(app: &ScriptedApp, user_name: &str) -> String {
    let ids: Vec<_> = app.users().into_iter().filter(|(_, user)| user["userName"] == user_name).map(|(id, _)| id).collect();
    let [id] = <[String; 1]>::try_from(ids).unwrap_or_else(|ids| panic!("{user_name}: {ids:?}"));
    id
}

/// How many requests with this method an app has had.
pub fn requests(app: &ScriptedApp, method: &str) -> usize {
    app.ledger().iter().filter(|entry| entry.method == method).count()
}

/// How many requests that may change something.
pub fn writes(app: &ScriptedApp) -> usize {
    app.ledger().iter().filter(|entry| entry.method != "GET").count()
}

/// How many effects of a kind an app has seen.
pub fn effects(app: &ScriptedApp, kind: EffectKind) -> usize {
    app.effects().iter().filter(|effect| effect.kind == kind).count()
}

/// Every account is somebody's, and nobody has two.
pub fn assert_one_account_each(app: &ScriptedApp, people: usize, context: &str) {
    let users = app.users();
    let mut owners: Vec<_> =
        users.values().map(|user| user["externalId"].as_str().unwrap_or_else(|| panic!("{context}: {user}"))).collect();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!((users.len(), owners.len()), (people, people), "{context}");
}
