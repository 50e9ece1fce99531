//! Promises H1, H3: where a credential goes, and where nothing secret does.

use std::{
    io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use joinery::connector::{AppError, BearerToken, CredentialError, CredentialSource, LookupAttribute};
use serde_json::json;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{
    bench::{Token, config, connectors, list_all},
    support::scripted_app::{Fault, Options, ScriptedApp, What, hash_of},
};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn h3_not_even_at_trace_level_does_a_log_hold_a_token_or_personal_data() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let guard = subscriber.set_default();

    let app = ScriptedApp::start(Options { token: "canary-token".into(), ..Options::default() }).await;
    let id = app.put_user(json!({"id": "canary-id", "userName": "canary-name", "externalId": "canary-external", "title": "canary-title"}));
    let connector = connectors().scim(config(&app.base_url()), Token::new("canary-token")).unwrap();
    connector.check().await.unwrap();
    list_all(&*connector).await.unwrap();
    connector.find(LookupAttribute::UserName, "canary-name").await.unwrap();
    connector.create(&json!({"userName": "canary-new"})).await.unwrap();
    connector.set_active(&joinery::domain::id::AppId::new(id), false).await.unwrap();
    app.inject(Fault::always(What::Reply { status: 500, headers: vec![("x-echo", "canary-token".into())], body: "canary-body".into() }));
    connector.check().await.unwrap_err();
    drop(guard);

    let text = String::from_utf8_lossy(&logged.0.lock().unwrap()).into_owned();
    assert!(text.contains("request to the app") && text.contains("hyper_util"), "the layers below were heard too");
    let hits: Vec<_> = text.lines().filter(|line| line.contains("canary")).collect();
    assert!(hits.is_empty(), "{hits:#?}");
}

/// Says no.
struct Withheld(CredentialError);

#[async_trait]
impl CredentialSource for Withheld {
    async fn bearer_token(&self, _host: &str) -> Result<BearerToken, CredentialError> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn h1_ai3_without_a_credential_there_is_no_connection() {
    let app = ScriptedApp::start(Options::default()).await;
    let refusal = CredentialError::NotConsenting { secret: "chat".into(), host: "127.0.0.1".into() };
    let connector = connectors().scim(config(&app.base_url()), Arc::new(Withheld(refusal.clone()))).unwrap();
    assert_eq!(connector.check().await, Err(AppError::Credentials(refusal)));
    assert!(app.ledger().is_empty());
}

#[tokio::test]
async fn h1_g2_a_token_that_would_leave_its_header_is_not_sent() {
    let app = ScriptedApp::start(Options::default()).await;
    for token in ["", "a\r\nx-injected: 1", "a\nb", "a\0b", "a\u{7f}b"] {
        let connector = connectors().scim(config(&app.base_url()), Token::new(token)).unwrap();
        let error = connector.check().await.unwrap_err();
        assert!(matches!(error, AppError::Credentials(CredentialError::KeyMissing { .. })), "{token:?}");
        assert!(token.is_empty() || !error.to_string().contains(token));
    }
    assert!(app.ledger().is_empty());
}

/// Notes which hosts it is asked for.
struct Asked(Mutex<Vec<String>>);

#[async_trait]
impl CredentialSource for Asked {
    async fn bearer_token(&self, host: &str) -> Result<BearerToken, CredentialError> {
        self.0.lock().unwrap().push(host.to_owned());
        Ok(BearerToken("scripted-token".to_owned().into()))
    }
}

#[tokio::test]
async fn ai1_the_credential_is_asked_for_at_every_request_and_for_the_host_of_the_base_url() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let source = Arc::new(Asked(Mutex::default()));
    let connector = connectors().scim(config(&app.base_url()), source.clone()).unwrap();
    connector.check().await.unwrap();
    connector.check().await.unwrap();
    assert_eq!(*source.0.lock().unwrap(), ["127.0.0.1", "127.0.0.1"]);
    assert!(app.ledger().iter().all(|entry| entry.authorization == Some(hash_of("Bearer scripted-token"))));
}

#[tokio::test]
async fn ai1_a_changed_token_is_used_at_once() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let token = Token::new("scripted-token");
    let connector = connectors().scim(config(&app.base_url()), token.clone()).unwrap();
    connector.check().await.unwrap();
    app.set_token("rotated");
    assert_eq!(connector.check().await, Err(AppError::Unauthorized));
    token.set("rotated");
    assert_eq!(connector.check().await, Ok(()));
}

#[tokio::test]
async fn h1_a_redirect_takes_the_token_nowhere() {
    let (app, elsewhere) = (ScriptedApp::start(Options::default()).await, ScriptedApp::start(Options::default()).await);
    for status in [301, 302, 303, 307, 308] {
        app.clear_faults();
        app.inject(Fault::always(What::redirect(status, &format!("{}/Users", elsewhere.base_url()))));
        let connector = connectors().scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
        assert_eq!(connector.check().await, Err(AppError::Redirected(status)));
        assert_eq!(connector.create(&json!({"userName": "x"})).await, Err(AppError::Redirected(status)));
    }
    assert!(elsewhere.ledger().is_empty());
}
