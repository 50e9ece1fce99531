//! SC-3, SC-4, promise G2: filters, and when they are believed.

use std::sync::Arc;

use joinery::{
    connector::{AddressPolicy, AppError, Connector, Connectors, Lookup, LookupAttribute},
    domain::id::AppId,
};
use serde_json::json;

use crate::{
    bench::{ManualClock, Token, config, connect},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

const BY_NAME: LookupAttribute = LookupAttribute::UserName;
const BY_ID: LookupAttribute = LookupAttribute::ExternalId;

async fn app() -> ScriptedApp {
    ScriptedApp::with_users(5, Options::default()).await
}

fn filters(app: &ScriptedApp) -> usize {
    app.ledger().iter().filter(|entry| entry.query.starts_with("filter=")).count()
}

async fn ids(connector: &dyn Connector, attribute: LookupAttribute, value: &str) -> Vec<String> {
    connector.find(attribute, value).await.unwrap().into_iter().map(|record| record.id.as_str().to_owned()).collect()
}

#[tokio::test]
async fn sc3_a_filter_is_probed_once_and_then_used() {
    let app = app().await;
    let connector = connect(&app);
    assert_eq!(ids(&*connector, BY_NAME, "user3").await, ["u000004"]);
    assert_eq!(filters(&app), 4, "its own value, that in the other case, a random one, and the lookup");
    assert_eq!(ids(&*connector, BY_NAME, "USER4").await, ["u000005"]);
    assert_eq!(ids(&*connector, BY_NAME, "nobody").await, [] as [&str; 0]);
    assert_eq!(filters(&app), 6);
    assert_eq!(ids(&*connector, BY_ID, "ext-1").await, ["u000002"]);
    assert_eq!(ids(&*connector, BY_ID, "EXT-1").await, [] as [&str; 0]);
}

#[tokio::test]
async fn sc3_those_who_come_while_a_filter_is_probed_wait_for_the_verdict() {
    let app = app().await;
    let connector = connect(&app);
    let lookups = futures::future::join_all((0..5).map(|_| connector.find(BY_ID, "ext-1"))).await;
    assert!(lookups.iter().all(|found| found.as_ref().is_ok_and(|found| found.len() == 1)));
    assert_eq!(filters(&app), 2 + 5);
}

#[tokio::test]
async fn sc3_filters_that_answer_everybody_nobody_or_others_are_not_trusted() {
    for (what, attributes) in [
        (What::FilterEverybody, [BY_NAME, BY_ID].as_slice()),
        (What::FilterNobody, &[BY_NAME, BY_ID]),
        (What::FilterCaseSensitive, &[BY_NAME]),
        (What::TotalIs(9), &[BY_NAME, BY_ID]),
        (What::error(400, Some("invalidFilter")), &[BY_NAME, BY_ID]),
        (What::status(501), &[BY_NAME, BY_ID]),
        (What::status(404), &[BY_NAME, BY_ID]),
        (What::html(200), &[BY_NAME, BY_ID]),
    ] {
        for attribute in attributes {
            let app = app().await;
            app.inject(Fault::listing(what.clone()).with_query("filter="));
            assert_eq!(connect(&app).find(*attribute, "user3").await, Err(AppError::FilterUntrusted), "{what:?}");
        }
    }
}

#[tokio::test]
async fn sc3_a_result_that_does_not_satisfy_the_filter_withdraws_the_trust() {
    let app = app().await;
    let connector = connect(&app);
    app.put_user(json!({"userName": "ada-lovelace", "externalId": "ada-lovelace"}));
    assert_eq!(ids(&*connector, BY_ID, "ext-0").await, ["u000001"]);
    app.inject(Fault::listing(What::FilterSimilar));
    assert_eq!(connector.find(BY_ID, "ada").await, Err(AppError::FilterUntrusted));
    app.clear_faults();
    let before = filters(&app);
    assert_eq!(connector.find(BY_ID, "ext-0").await, Err(AppError::FilterUntrusted));
    assert_eq!(filters(&app), before, "not asked again so soon");
}

#[tokio::test]
async fn sc3_distrust_lasts_ten_minutes_and_an_outage_causes_none() {
    let app = app().await;
    let clock = ManualClock::new();
    let connectors = Connectors::new(AddressPolicy::default(), clock.clone());
    let connector: Arc<dyn Connector> = connectors.scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
    app.inject(Fault::listing(What::status(500)));
    assert_eq!(connector.find(BY_ID, "ext-0").await, Err(AppError::ServerFailed(500)));
    app.clear_faults();
    app.inject(Fault::listing(What::FilterNobody));
    assert_eq!(connector.find(BY_ID, "ext-0").await, Err(AppError::FilterUntrusted));
    app.clear_faults();
    clock.advance(599);
    assert_eq!(connector.find(BY_ID, "ext-0").await, Err(AppError::FilterUntrusted));
    clock.advance(1);
    assert_eq!(ids(&*connector, BY_ID, "ext-0").await, ["u000001"]);
}

#[tokio::test]
async fn sc3_without_an_account_that_has_the_attribute_nothing_is_proved() {
    let app = ScriptedApp::start(Options::default()).await;
    assert_eq!(connect(&app).find(BY_ID, "p-1").await, Err(AppError::FilterUntrusted));
    app.put_user(json!({"userName": "foreign"}));
    let connector = connect(&app);
    assert_eq!(connector.find(BY_ID, "p-1").await, Err(AppError::FilterUntrusted));
    assert_eq!(ids(&*connector, BY_NAME, "Foreign").await, ["u000001"]);
}

#[tokio::test]
async fn sc4_not_found_is_200_empty_or_404_with_a_scim_error() {
    let app = app().await;
    app.inject(Fault::listing(What::NotFoundForEmpty));
    let connector = connect(&app);
    assert_eq!(ids(&*connector, BY_NAME, "nobody").await, [] as [&str; 0]);
    app.inject(Fault::listing(What::status(404)).with_query("filter="));
    assert!(matches!(connector.find(BY_NAME, "nobody").await, Err(AppError::NotScim(_))));
}

#[tokio::test]
async fn sc4_two_hits_are_both_returned() {
    let app = app().await;
    let connector = connect(&app);
    assert_eq!(ids(&*connector, BY_NAME, "user0").await.len(), 1);
    app.put_user(json!({"userName": "User0"}));
    assert_eq!(ids(&*connector, BY_NAME, "user0").await.len(), 2);
}

/// Texts that want out of their place: quotes, separators, encodings, line ends, direction marks.
pub fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\"",
        "\\",
        "\\\"",
        "' or 1 eq 1",
        "\" or userName pr or \"",
        "a\" eq \"b",
        "a&filter=x",
        "a&startIndex=2",
        "a#b",
        "a?b",
        "a/b",
        "../Users",
        "..%2f..",
        "%2e%2e",
        "%00",
        "\0",
        "a\r\nHost: x",
        "a\nb",
        "\t",
        "a+b",
        "a b",
        "a;b",
        "a=b",
        "a,b",
        "(a)",
        "[a]",
        "{a}",
        "$ref",
        "*",
        "%",
        "%zz",
        "%25",
        "ü",
        "日本",
        "\u{202e}abc",
        "e\u{301}",
        "\u{feff}x",
        "\u{1f468}\u{200d}\u{1f469}",
        "ﬁ",
        "İ",
        "ß",
        "null",
        "true",
        "<script>",
        "</a>",
        "&amp;",
        "`id`",
        "$(id)",
        "{{x}}",
        "a@b:c",
        "http://x/",
        "//x",
        "\\\\x",
        "a\u{7f}",
        "a\u{85}b",
        "a\u{2028}b",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend((1..=0x7f_u8).map(|byte| format!("x{}y", char::from(byte))));
    texts.extend(["a".repeat(300), "\"".repeat(100), "%".repeat(100)]);
    texts
}

#[tokio::test]
async fn g2_a_value_stays_inside_its_quotes_and_its_parameter() {
    let app = app().await;
    let connector = connect(&app);
    ids(&*connector, BY_ID, "ext-0").await;
    for text in hostile() {
        app.clear_ledger();
        let id = app.put_user(json!({"userName": format!("n{text}"), "externalId": text}));
        assert_eq!(ids(&*connector, BY_ID, &text).await, [id.as_str()], "{text:?}");
        app.remove_user(&id);
        // The oracle on bytes: the query is this and nothing else.
        let query = &app.ledger()[0].query;
        let (filter, rest) = query.strip_prefix("filter=").unwrap().split_once('&').unwrap();
        assert_eq!(rest, "startIndex=1&count=100", "{text:?}");
        let decoded = percent_encoding::percent_decode_str(filter).decode_utf8().unwrap().into_owned();
        assert_eq!(decoded, format!("externalId eq {}", serde_json::Value::from(text.as_str())));
        assert!(filter.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{filter}");
    }
}

#[tokio::test]
async fn g2_an_id_stays_in_its_segment_of_the_path() {
    let app = app().await;
    let connector = connect(&app);
    for text in hostile() {
        app.clear_ledger();
        app.put_user(json!({"id": text, "userName": "x"}));
        let found = connector.get(&AppId::new(&text)).await.unwrap();
        assert!(matches!(found, Lookup::Found(record) if record.id.as_str() == text), "{text:?}");
        app.remove_user(&text);
        let entry = &app.ledger()[0];
        let segment = entry.path.strip_prefix("/Users/").unwrap();
        assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{segment}");
        assert_eq!(
            (percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().as_ref(), entry.query.as_str()),
            (text.as_str(), "")
        );
    }
    app.clear_ledger();
    for id in ["", ".", ".."] {
        assert!(matches!(connector.get(&AppId::new(id)).await, Err(AppError::NotScim(_))), "{id:?}");
        assert!(connector.set_active(&AppId::new(id), false).await.is_err(), "{id:?}");
    }
    assert!(app.ledger().iter().all(|entry| !entry.path.starts_with("/Users")), "nothing is asked about the collection instead");
}
