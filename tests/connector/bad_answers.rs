//! Promise F1: no answer causes a panic, unbounded memory or a wrong effect.

use std::time::Duration;

use joinery::{
    connector::{AppError, LookupAttribute},
    domain::id::AppId,
};
use serde_json::json;

use crate::{
    bench::{connect, connect_with, list_all},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

/// The resident set of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn f1_a_body_of_a_gibibyte_is_given_up_at_the_limit() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let connector = connect_with(&app, |config| config.request_timeout = Duration::from_mins(1));
    connector.discover().await.unwrap();
    app.inject(Fault::always(What::Huge(1 << 30)));
    let before = resident();
    let too_large = AppError::NotScim("it is larger than any SCIM answer should be");
    assert_eq!(connector.get(&AppId::new("u000001")).await, Err(too_large.clone()));
    assert!(list_all(&*connector).await.is_err());
    assert_eq!(connector.create(&json!({"userName": "x"})).await, Err(too_large));
    // Other tests share the process; the limit of a page and as much again is what they are granted.
    assert!(resident().saturating_sub(before) < 96 << 20, "{} MiB", (resident() - before) >> 20);
}

#[tokio::test]
async fn f1_a_length_beyond_the_limit_is_refused_before_it_is_read() {
    let app = ScriptedApp::start(Options::default()).await;
    app.inject(Fault::always(What::json(&" ".repeat(5 << 20))));
    assert!(matches!(connect(&app).get(&AppId::new("x")).await, Err(AppError::NotScim(_))));
}

#[tokio::test]
async fn f1_compressed_answers_that_were_not_asked_for_are_not_unpacked() {
    let app = ScriptedApp::start(Options::default()).await;
    app.inject(Fault::always(What::Reply { status: 200, headers: vec![("content-encoding", "gzip".into())], body: "{}".into() }));
    assert_eq!(connect(&app).check().await, Err(AppError::NotScim("it is compressed although that was not asked for")));
}

/// Bodies that are JSON, nearly JSON, or nothing like it.
fn bodies() -> Vec<String> {
    let list = |resources: &str| {
        format!(r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"Resources":{resources}}}"#)
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    vec![
        String::new(),
        "null".into(),
        "[]".into(),
        "7".into(),
        "\"text\"".into(),
        "{\"id\":".into(),
        "\u{feff}{}".into(),
        deep.clone(),
        deep_object.clone(),
        format!(r#"{{"id":"u000001","x":{deep}}}"#),
        list(&format!(r#"[{{"id":"u000001","x":{deep_object}}}]"#)),
        list("[null]"),
        list("[[]]"),
        list("{}"),
        list("\"x\""),
        list(r#"[{"id":"a","id":"b"}]"#),
        list(r#"[{"id":"\ud800"}]"#),
        list(r#"[{"id":null}]"#),
        format!(r#"{{"id":"u000001","userName":"{}"}}"#, "x".repeat(3 << 20)),
        r#"{"id":"u000001","active":"maybe","emails":7,"name":[]}"#.into(),
        r#"{"id":"u000001","id":"u000001","active":null}"#.into(),
        "\u{0}\u{1}\u{2}".into(),
    ]
}

#[tokio::test]
async fn f1_no_body_makes_any_call_panic_or_write_more_than_once() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let id = AppId::new("u000001");
    for body in bodies() {
        for status in [200, 201, 400, 404, 409, 500] {
            app.clear_faults();
            app.clear_ledger();
            let connector = connect(&app);
            app.inject(Fault::always(What::Reply { status, headers: Vec::new(), body: body.clone() }));
            let _ = connector.check().await;
            let _ = connector.discover().await;
            let _ = connector.get(&id).await;
            let _ = connector.find(LookupAttribute::UserName, "x").await;
            let _ = connector.create(&json!({"userName": "x"})).await;
            let change =
                joinery::connector::AttributeChange { path: "emails[type eq \"work\"].value".parse().unwrap(), value: Some(json!("x")) };
            let _ = connector.update(&id, None, std::slice::from_ref(&change)).await;
            let _ = connector.set_active(&id, false).await;
            let listed = list_all(&*connector).await;
            assert!(listed.map_or(0, |ids| ids.len()) <= 1, "nobody is invented");
            assert!(app.ledger().iter().filter(|entry| entry.method == "POST").count() == 1);
            assert!(app.effects().is_empty());
        }
    }
}

#[tokio::test]
async fn f1_a_resource_nested_too_deeply_is_an_error_of_that_record_only() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let deep = format!(r#"{{"id":"deep","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let list = |records: &str| {
        What::json(&format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":2,"Resources":[{records}]}}"#
        ))
    };
    app.inject(Fault::listing(list(&format!(r#"{deep},{{"id":"flat"}}"#))).nth(1));
    app.inject(Fault::listing(list("")).from(2));
    let connector = connect(&app);
    let mut listing = connector.list().await.unwrap();
    let page = listing.next_page().await.unwrap().unwrap();
    assert!(page[0].parse().is_err());
    assert_eq!(page[1].parse().unwrap().id, AppId::new("flat"));
    assert!(listing.next_page().await.unwrap().is_none());
}

#[tokio::test]
async fn f1_a_flood_of_headers_is_an_error() {
    let app = ScriptedApp::start(Options::default()).await;
    let headers = (0..2000).map(|_| ("x-flood", "x".repeat(1000))).collect();
    app.inject(Fault::always(What::Reply { status: 200, headers, body: "{}".into() }));
    assert!(matches!(connect(&app).check().await, Err(AppError::NoAnswer(_))));
}
