//! AI-2, promise H4: what each failure of an app is called, in our words.

use std::{sync::Mutex, time::Duration};

use joinery::{
    connector::{AddressPolicy, AppError, Connectors, RequestObserver},
    domain::id::AppId,
};

use crate::{
    bench::{Token, config, connect, connect_with, system_clock},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

async fn app() -> ScriptedApp {
    ScriptedApp::with_users(1, Options::default()).await
}

#[tokio::test]
async fn ai2_the_test_of_credentials_is_one_read_and_names_what_is_wrong() {
    let no_list = AppError::NotScim("it is not a ListResponse");
    let html = AppError::NotScim("it is HTML");
    for (what, expected) in [
        (What::status(401), AppError::Unauthorized),
        (What::html(401), AppError::Unauthorized),
        (What::error(403, None), AppError::Forbidden),
        (What::html(403), AppError::Forbidden),
        (What::error(404, None), AppError::NotScim("there are no Users below baseURL (404)")),
        (What::html(404), AppError::NotScim("there are no Users below baseURL (404)")),
        (What::error(400, Some("invalidValue")), AppError::NotScim("it refuses to list one user")),
        (What::status(405), AppError::NotScim("it refuses to list one user")),
        (What::html(200), html.clone()),
        (What::json("<html>"), html),
        (What::json("{}"), no_list.clone()),
        (What::json("[]"), no_list),
        (What::json("nonsense"), AppError::NotScim("it is not JSON")),
        (What::status(200), AppError::NotScim("it is empty")),
        (What::status(204), AppError::NotScim("it is empty")),
        (What::status(500), AppError::ServerFailed(500)),
        (What::html(502), AppError::ServerFailed(502)),
        (What::status(503), AppError::ServerFailed(503)),
        (What::redirect(301, "http://169.254.169.254/"), AppError::Redirected(301)),
        (What::redirect(302, "/scim/v2/Users"), AppError::Redirected(302)),
        (What::redirect(307, "http://localhost/"), AppError::Redirected(307)),
        (What::redirect(308, "https://elsewhere.example/"), AppError::Redirected(308)),
        (What::Drop, AppError::NoAnswer("the connection broke before the answer was complete")),
        (What::CutBody, AppError::NoAnswer("the connection broke before the answer was complete")),
    ] {
        let app = app().await;
        app.inject(Fault::always(what.clone()));
        assert_eq!(connect(&app).check().await, Err(expected), "{what:?}");
        assert_eq!(app.ledger().len(), 1, "{what:?}: one request");
        assert_eq!((app.ledger()[0].path.as_str(), app.ledger()[0].query.as_str()), ("/Users", "startIndex=1&count=1"));
        assert!(app.effects().is_empty());
    }
    assert_eq!(connect(&app().await).check().await, Ok(()));
}

#[tokio::test]
async fn ai2_a_wrong_token_is_unauthorized() {
    let app = app().await;
    app.set_token("another");
    assert_eq!(connect(&app).check().await, Err(AppError::Unauthorized));
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_unreachable() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for (url, expected) in [
        (format!("http://127.0.0.1:{port}/scim"), "the connection was refused"),
        ("https://no-such-host.invalid/scim".to_owned(), "the host name does not resolve"),
    ] {
        let connectors = Connectors::new(AddressPolicy::default(), system_clock());
        let connector = connectors.scim(config(&url), Token::new("t")).unwrap();
        assert_eq!(connector.check().await, Err(AppError::Unreachable(expected)), "{url}");
    }
}

#[tokio::test]
async fn f1_whatever_takes_too_long_ends_at_the_time_limit() {
    for what in [What::Stall, What::Delay(Duration::from_mins(1)), What::Trickle(Duration::from_millis(50))] {
        let app = app().await;
        app.inject(Fault::always(what.clone()));
        let connector = connect_with(&app, |config| config.request_timeout = Duration::from_millis(500));
        let started = std::time::Instant::now();
        assert_eq!(connector.get(&AppId::new("x")).await, Err(AppError::NoAnswer("no complete answer within the time limit")), "{what:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "{what:?}");
    }
}

#[tokio::test]
async fn h4_nothing_that_an_app_says_is_in_an_error() {
    let canary = "canary-detail-of-the-app";
    let app = app().await;
    let connector = connect(&app);
    for status in [302, 400, 401, 403, 404, 405, 409, 412, 418, 422, 500, 501, 503] {
        for scim_type in [None, Some("uniqueness"), Some("invalidValue"), Some(canary)] {
            app.clear_faults();
            app.inject(Fault::on("POST", "/Users", What::error(status, scim_type)));
            app.inject(Fault::listing(What::error(status, scim_type)));
            let errors = [
                connector.create(&serde_json::json!({"userName": "x"})).await.map(drop).unwrap_err(),
                connector.check().await.unwrap_err(),
            ];
            for error in errors {
                assert!(!format!("{error} {error:?}").contains(canary), "{status}: {error:?}");
            }
        }
    }
}

struct Seen(Mutex<Vec<(&'static str, &'static str)>>);

impl RequestObserver for Seen {
    fn request(&self, operation: &'static str, class: &'static str, seconds: f64) {
        assert!(seconds >= 0.0);
        self.0.lock().unwrap().push((operation, class));
    }
}

#[tokio::test]
async fn every_request_is_told_to_the_observer_with_its_class() {
    let app = app().await;
    let seen = std::sync::Arc::new(Seen(Mutex::default()));
    let connectors = Connectors::new(AddressPolicy::default(), system_clock());
    let connector = connectors.scim_observed(config(&app.base_url()), Token::new("scripted-token"), Some(seen.clone())).unwrap();
    connector.check().await.unwrap();
    let _ = connector.get(&AppId::new("nobody")).await;
    app.inject(Fault::always(What::status(500)));
    let _ = connector.check().await;
    app.clear_faults();
    app.inject(Fault::always(What::Drop));
    let _ = connector.check().await;
    assert_eq!(*seen.0.lock().unwrap(), [("check", "ok"), ("get", "not_found"), ("check", "transient"), ("check", "transient")]);
}
