//! Joinery's side: the engine on its real store with its real connector, as the operator puts them together.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use joinery::{
    clock::{SharedClock, SystemClock},
    connector::{AddressPolicy, BearerToken, Connector, ConnectorConfig, Connectors, CredentialError, CredentialSource, Quirks, RateLimit},
    domain::{
        assignment::Assignment,
        hash::ShortHash,
        id::IntegrationKey,
        import_decision::{Confirmation, ImportRules},
        mapping::{Expression, Mapping, MappingSource, Problem, Scope},
        matching::MatchingRules,
        protection::Protection,
        provision_decision::ProvisionRules,
        report::{ImportEnd, ProvisionEnd},
        safeguard::{ImportLimits, ProvisionLimits},
        sourcing::Sourcing,
    },
    engine::{Mode, import::ImportJob, provision::ProvisionJob, stop::StopToken},
    store::sqlite::SqliteStore,
};

use super::{Result, child::Place};

/// The app that people come from.
pub const SOURCE: &str = "hr";
/// The app that they get accounts in.
pub const APP: &str = "chat";
const ORGANISATION: &str = "acme";
/// Requests under way at once, on both sides.
pub const CONCURRENCY: u32 = 8;

struct Token;

#[async_trait]
impl CredentialSource for Token {
    async fn bearer_token(&self, _host: &str) -> Result<BearerToken, CredentialError> {
        Ok(BearerToken("benchmark".to_owned().into()))
    }
}

fn connector(place: &Place, clock: SharedClock) -> Result<Arc<dyn Connector>> {
    let config = ConnectorConfig {
        base_url: place.url.parse()?,
        quirks: Quirks::default(),
        rate_limit: RateLimit { requests_per_second: 10_000_000, burst: 10_000_000, concurrency: CONCURRENCY },
        request_timeout: Duration::from_secs(30),
        ca_pem: None,
    };
    Ok(Connectors::new(AddressPolicy::default(), clock).scim(config, Arc::new(Token))?)
}

fn preset() -> Result<Mapping> {
    Mapping::compile(&MappingSource::default()).map_err(|problems| format!("the preset does not compile: {problems:?}").into())
}

/// Imports whoever the target lists, by the default mapping, everything automatic. Returns the changes.
pub async fn import(place: &Place) -> Result<u64> {
    let clock: SharedClock = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(&place.store).await?);
    let job = ImportJob {
        store: store.clone(),
        connector: connector(place, clock.clone())?,
        clock,
        rules: import_rules(),
        mapping: preset()?,
        user_name: Expression::default_to_directory_user_name(),
        host: "bench".to_owned(),
        mode: Mode::Enforce,
        object: uuid::Uuid::new_v4().to_string(),
        stop: StopToken::new(),
        retry_pause: Duration::from_secs(1),
    };
    let report = job.run().await?;
    store.close().await?;
    let people = place.people as u64;
    match report.end {
        ImportEnd::Applied if report.applied.new == people => Ok(report.applied.changes()),
        ImportEnd::NothingToDo if report.applied.unchanged == people => Ok(0),
        end => Err(format!("the import ended with {end:?}, {:?}", report.applied).into()),
    }
}

fn import_rules() -> ImportRules {
    ImportRules {
        integration: IntegrationKey::new(ORGANISATION, SOURCE),
        matching: MatchingRules { user_name: true, case_sensitive: false, ..MatchingRules::default() },
        confirmation: Confirmation { exact_automatic: true, partial_automatic: false, new_automatic: true, activate_new: true },
        sourcing: Some(Sourcing::default()),
        profile_sources: Vec::new(),
        protection: Protection::Nobody,
        push_null_values: false,
        missing_full_imports: 2,
        limits: ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: None },
        window_seconds: 86_400,
        approval_seconds: 86_400,
    }
}

/// Gives everybody an account by the default mapping. Returns the accounts created.
pub async fn provision(place: &Place) -> Result<u64> {
    let clock: SharedClock = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(&place.store).await?);
    let job = ProvisionJob {
        store: store.clone(),
        connector: connector(place, clock.clone())?,
        clock,
        rules: provision_rules().map_err(|problem| format!("{problem:?}"))?,
        host: "bench".to_owned(),
        mode: Mode::Enforce,
        retry_failed: false,
        object: "policy".to_owned(),
        inputs: ShortHash::of(b"inputs"),
        stop: StopToken::new(),
    };
    let report = job.run().await?;
    store.close().await?;
    if report.end != ProvisionEnd::Done || report.applied.create != place.people as u64 || report.failed > 0 {
        return Err(format!("the pass ended with {:?}, {:?}, {} failed", report.end, report.applied, report.failed).into());
    }
    Ok(report.applied.create)
}

fn provision_rules() -> Result<ProvisionRules, Problem> {
    let condition = Expression::compile_condition("spec.toApp.assignments[0].where", "true", Scope::User)?;
    let everybody = Assignment { name: "everybody".to_owned(), condition, values: Vec::new(), combine: Vec::new() };
    Ok(ProvisionRules {
        integration: IntegrationKey::new(ORGANISATION, APP),
        create_users: true,
        update_user_attributes: true,
        deactivate_users: true,
        assignments: vec![everybody],
        user_name_format: Expression::compile_text("spec.toApp.usernameFormat", "user.userName", Scope::User)?,
        mapping: preset().ok(),
        protection: Protection::Nobody,
        limits: ProvisionLimits {
            max_deactivated_percent: 20,
            min_population: 100,
            max_deactivated: None,
            max_updated_percent: 100,
            max_created: None,
        },
        window_seconds: 86_400,
        approval_seconds: 86_400,
        digest: ShortHash::of(b"policy"),
    })
}
