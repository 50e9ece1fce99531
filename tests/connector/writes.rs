//! SC-6 to SC-9, promise E5: creating and changing accounts.

use joinery::{
    connector::{AppError, AttributeChange, Lookup, UpdateStyle},
    domain::{account::Record, id::AppId},
};
use serde_json::{Value, json};

use crate::{
    bench::{connect, connect_with},
    support::scripted_app::{EffectKind, Entry, Fault, Options, ScriptedApp, What},
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn change(path: &str, value: Value) -> AttributeChange {
    AttributeChange { path: path.parse().unwrap(), value: Some(value) }
}

fn clear(path: &str) -> AttributeChange {
    AttributeChange { path: path.parse().unwrap(), value: None }
}

fn ada() -> Value {
    json!({"schemas": [USER], "userName": "ada", "externalId": "p-1", "active": true})
}

async fn with_ada(options: Options) -> (ScriptedApp, AppId) {
    let app = ScriptedApp::start(options).await;
    let id = app.put_user(json!({
        "userName": "ada", "externalId": "p-1", "active": true, "title": "Countess", "name": {"givenName": "Ada", "familyName": "King"},
        "emails": [{"type": "home", "value": "home@x"}, {"type": "work", "value": "work@x"}],
        "urn:example:Foreign": {"badge": 7, "nested": {"a": [1, 2.50, null]}}, "unknown": "kept", "meta": {"version": "W/1"},
    }));
    (app, AppId::new(id))
}

fn without_patch() -> Options {
    Options { patch: false, ..Options::default() }
}

/// The one write there was.
fn written(app: &ScriptedApp) -> Entry {
    let mut writes: Vec<_> = app.ledger().into_iter().filter(|entry| entry.method != "GET").collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    writes.remove(0)
}

#[tokio::test]
async fn sc6_a_created_account_is_returned_as_the_app_shows_it() {
    let app = ScriptedApp::start(Options::default()).await;
    let made = connect(&app).create(&ada()).await.unwrap().unwrap();
    assert_eq!((made.id.as_str(), made.user_name()), ("u000001", Some("ada")));
    let post = written(&app);
    assert_eq!((post.method.as_str(), post.path.as_str(), post.body), ("POST", "/Users", Some(ada())));
    assert_eq!(post.headers["content-type"], "application/scim+json");
    assert_eq!(post.headers["accept"], "application/scim+json, application/json");
    assert_eq!(post.headers["user-agent"], concat!("joinery/", env!("CARGO_PKG_VERSION")));
    assert!(!post.headers.contains_key("accept-encoding"));
}

#[tokio::test]
async fn sc6_an_answer_that_does_not_say_what_it_made_is_followed_by_its_location_or_left_open() {
    for (what, found) in [
        (What::Empty { status: 201, location: true }, true),
        (What::Empty { status: 201, location: false }, false),
        (What::Empty { status: 202, location: false }, false),
        (What::Empty { status: 204, location: false }, false),
        (What::WithoutId, true),
        (What::ShowsAnother, false),
    ] {
        let app = ScriptedApp::start(Options::default()).await;
        app.inject(Fault::on("POST", "/Users", what.clone()));
        let made = connect(&app).create(&ada()).await.unwrap();
        assert_eq!(made.map(|record| record.id), found.then(|| AppId::new("u000001")), "{what:?}");
        assert_eq!(app.effects().len(), 1, "{what:?}");
    }
}

#[tokio::test]
async fn sc6_an_account_that_cannot_be_read_yet_is_left_open_and_not_an_error() {
    let app = ScriptedApp::start(Options::default()).await;
    app.inject(Fault::on("POST", "/Users", What::Empty { status: 201, location: true }));
    app.inject(Fault::on("GET", "/Users/*", What::error(404, None)));
    assert_eq!(connect(&app).create(&ada()).await.unwrap(), None);
}

#[tokio::test]
async fn sc6_duplicates_are_conflicts_however_the_app_says_it() {
    for (what, status) in [
        (What::error(409, Some("uniqueness")), 409),
        (What::error(409, None), 409),
        (What::status(409), 409),
        (What::error(400, Some("uniqueness")), 400),
    ] {
        let app = ScriptedApp::start(Options::default()).await;
        app.inject(Fault::on("POST", "/Users", what.clone()));
        assert_eq!(connect(&app).create(&ada()).await, Err(AppError::Conflict { status }), "{what:?}");
    }
}

#[tokio::test]
async fn rl5_a_create_whose_outcome_is_unknown_is_sent_once_and_says_so() {
    for what in [What::LoseReply, What::StatusAfter(500), What::StatusAfter(503), What::CutBody, What::Drop, What::html(200)] {
        let app = ScriptedApp::start(Options::default()).await;
        app.inject(Fault::on("POST", "/Users", what.clone()));
        let error = connect(&app).create(&ada()).await.unwrap_err();
        assert!(error.outcome_unknown(), "{what:?}: {error:?}");
        assert_eq!(app.ledger().iter().filter(|entry| entry.method == "POST").count(), 1, "{what:?}");
    }
}

#[tokio::test]
async fn sc7_a_patch_holds_one_lower_case_operation_with_a_path_for_each_changed_attribute() {
    let (app, id) = with_ada(Options::default()).await;
    let changes = [
        change("title", json!("Analyst")),
        change("name.givenName", json!("Augusta")),
        change("emails[type eq \"work\"].value", json!("new@x")),
        change("addresses[type eq \"work\"].locality", json!("London")),
        change("addresses[type eq \"work\"].region", json!("England")),
        change(&format!("{ENTERPRISE}:department"), json!("Engines")),
        clear("nickName"),
        clear("unknown"),
    ];
    let record = connect(&app).update(&id, None, &changes).await.unwrap().unwrap();
    let patch = written(&app).body.unwrap();
    assert_eq!(
        patch,
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
            {"op": "replace", "path": "title", "value": "Analyst"},
            {"op": "replace", "path": "name.givenName", "value": "Augusta"},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@x"},
            {"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Engines"},
            {"op": "remove", "path": "unknown"},
            {"op": "add", "path": "addresses", "value": [{"type": "work", "locality": "London", "region": "England"}]},
        ]})
    );
    assert_eq!(record.resource["emails"], json!([{"type": "home", "value": "home@x"}, {"type": "work", "value": "new@x"}]));
    assert_eq!(app.user(id.as_str())["name"], json!({"givenName": "Augusta", "familyName": "King"}));
    assert_eq!(app.user(id.as_str())["urn:example:Foreign"]["badge"], 7);
}

#[tokio::test]
async fn sc7_what_is_known_of_the_account_saves_a_read() {
    let (app, id) = with_ada(Options::default()).await;
    let connector = connect(&app);
    let Lookup::Found(known) = connector.get(&id).await.unwrap() else { panic!("gone") };
    connector.discover().await.unwrap();
    app.clear_ledger();
    connector.update(&id, Some(&known), &[change("emails[type eq \"work\"].value", json!("new@x"))]).await.unwrap();
    connector.update(&id, None, &[change("title", json!("Analyst"))]).await.unwrap();
    assert_eq!(app.ledger().iter().map(|entry| entry.method.as_str()).collect::<Vec<_>>(), ["PATCH", "PATCH"]);
}

#[tokio::test]
async fn e5_nothing_to_change_is_no_request() {
    let (app, id) = with_ada(Options::default()).await;
    let connector = connect(&app);
    assert_eq!(connector.update(&id, None, &[]).await.unwrap(), None);
    let known = Record { id: id.clone(), resource: json!({"userName": "ada"}) };
    connector.update(&id, Some(&known), &[clear("title"), clear("emails[type eq \"work\"].value")]).await.unwrap();
    assert!(app.effects().is_empty());
    assert!(app.ledger().iter().all(|entry| entry.method == "GET"));
}

#[tokio::test]
async fn sc7_pathless_is_one_replace_with_a_nested_value_and_keeps_the_other_elements() {
    let (app, id) = with_ada(Options::default()).await;
    let connector = connect_with(&app, |config| config.quirks.update = UpdateStyle::PatchPathless);
    let changes = [
        change("title", json!("Analyst")),
        change("name.givenName", json!("Augusta")),
        change("emails[type eq \"work\"].value", json!("new@x")),
        change(&format!("{ENTERPRISE}:department"), json!("Engines")),
    ];
    connector.update(&id, None, &changes).await.unwrap();
    assert_eq!(
        written(&app).body.unwrap()["Operations"],
        json!([{"op": "replace", "value": {
            "title": "Analyst", "name": {"givenName": "Augusta"},
            "emails": [{"type": "home", "value": "home@x"}, {"type": "work", "value": "new@x"}], ENTERPRISE: {"department": "Engines"},
        }}])
    );
    app.clear_ledger();
    connector.set_active(&id, false).await.unwrap();
    assert_eq!(written(&app).body.unwrap()["Operations"], json!([{"op": "replace", "value": {"active": false}}]));
}

#[tokio::test]
async fn sc8_a_put_keeps_what_it_does_not_know_and_the_observed_active() {
    for active in [json!(false), json!("False"), Value::Null] {
        let (app, id) = with_ada(without_patch()).await;
        let mut user = app.user(id.as_str());
        user["active"] = active.clone();
        app.put_user(user.clone());
        let changes =
            [change("title", json!("Analyst")), change(&format!("{ENTERPRISE}:department"), json!("Engines")), clear("name.givenName")];
        connect(&app).update(&id, None, &changes).await.unwrap();
        let put = written(&app);
        assert_eq!((put.method.as_str(), put.body.as_ref().unwrap().get("meta")), ("PUT", None));
        user["title"] = json!("Analyst");
        user["schemas"] = json!([USER, ENTERPRISE]);
        user[ENTERPRISE] = json!({"department": "Engines"});
        user["name"] = json!({"familyName": "King"});
        assert_eq!(app.user(id.as_str()), user, "byte for byte but for the changes");
    }
}

#[tokio::test]
async fn sc8_a_put_is_made_of_what_the_app_shows_now_and_not_of_what_was_known() {
    let (app, id) = with_ada(without_patch()).await;
    let stale = Record { id: id.clone(), resource: json!({"userName": "ada", "title": "old"}) };
    connect(&app).update(&id, Some(&stale), &[change("nickName", json!("A"))]).await.unwrap();
    assert_eq!(app.user(id.as_str())["title"], "Countess");
}

#[tokio::test]
async fn sc7_patch_that_is_advertised_and_refused_falls_back_to_put_and_is_not_tried_again() {
    for status in [405, 501] {
        let (app, id) = with_ada(Options::default()).await;
        app.inject(Fault::on("PATCH", "*", What::status(status)));
        let connector = connect(&app);
        connector.update(&id, None, &[change("title", json!("Analyst"))]).await.unwrap();
        connector.set_active(&id, false).await.unwrap();
        assert_eq!(app.ledger().iter().filter(|entry| entry.method == "PATCH").count(), 1, "{status}");
        assert_eq!((&app.user(id.as_str())["title"], &app.user(id.as_str())["active"]), (&json!("Analyst"), &json!(false)));

        let told = connect_with(&app, |config| config.quirks.update = UpdateStyle::Patch);
        assert_eq!(told.update(&id, None, &[change("title", json!("x"))]).await, Err(AppError::Unsupported { status }));
    }
}

#[tokio::test]
async fn updates_of_an_account_that_is_gone_say_so() {
    for options in [Options::default(), without_patch()] {
        let app = ScriptedApp::start(options).await;
        let (connector, id) = (connect(&app), AppId::new("nobody"));
        assert_eq!(connector.update(&id, None, &[change("title", json!("x"))]).await, Err(AppError::NotFound));
        assert_eq!(connector.set_active(&id, false).await, Err(AppError::NotFound));
        assert_eq!(connector.get(&id).await, Ok(Lookup::Gone));
    }
}

#[tokio::test]
async fn an_update_whose_answer_shows_nothing_is_done_all_the_same() {
    let (app, id) = with_ada(Options::default()).await;
    app.inject(Fault::on("PATCH", "*", What::Empty { status: 204, location: false }));
    assert_eq!(connect(&app).update(&id, None, &[change("title", json!("x"))]).await, Ok(None));
    assert_eq!(app.user(id.as_str())["title"], "x");
    app.inject(Fault::on("PATCH", "*", What::html(200)));
    assert!(connect(&app).update(&id, None, &[change("title", json!("y"))]).await.unwrap_err().outcome_unknown());
}

#[tokio::test]
async fn sc9_deactivation_counts_when_the_account_shows_it() {
    let on_patch = |what| Some(Fault::on("PATCH", "*", what));
    for (fault, expected, reads) in [
        (None, Ok(()), 0),
        (on_patch(What::Empty { status: 204, location: false }), Ok(()), 1),
        (on_patch(What::TextActive), Ok(()), 0),
        (on_patch(What::WithoutId), Ok(()), 1),
        (on_patch(What::Ignore), Err(AppError::NotApplied), 1),
        (on_patch(What::IgnoreActive), Err(AppError::NotApplied), 1),
        (on_patch(What::error(404, None)), Err(AppError::NotFound), 0),
        (on_patch(What::status(410)), Err(AppError::NotFound), 0),
        (on_patch(What::status(403)), Err(AppError::Forbidden), 0),
    ] {
        let (app, id) = with_ada(Options::default()).await;
        let told = format!("{fault:?}");
        app.inject(fault.unwrap_or_else(|| Fault::always(What::Delay(std::time::Duration::ZERO))));
        assert_eq!(connect(&app).set_active(&id, false).await, expected, "{told}");
        let read = app.ledger().iter().filter(|entry| entry.method == "GET" && entry.path.starts_with("/Users/")).count();
        assert_eq!(read, reads, "{told}");
        let deactivated = app.effects_per_account().contains_key(&(id.as_str().to_owned(), EffectKind::Deactivate));
        assert_eq!(deactivated, expected.is_ok(), "{told}");
    }
}

#[tokio::test]
async fn sc9_reactivation_and_put_do_likewise() {
    for options in [Options::default(), without_patch()] {
        let patch = options.patch;
        let (app, id) = with_ada(options).await;
        let connector = connect(&app);
        connector.set_active(&id, false).await.unwrap();
        connector.set_active(&id, true).await.unwrap();
        let kinds: Vec<_> = app.effects().iter().map(|effect| effect.kind).collect();
        assert_eq!(kinds, [EffectKind::Deactivate, EffectKind::Activate]);
        assert_eq!(app.user(id.as_str())["unknown"], "kept");
        let verb = if patch { "PATCH" } else { "PUT" };
        assert!(app.ledger().iter().all(|entry| entry.method == "GET" || entry.method == verb));
    }
}

#[tokio::test]
async fn sc9_an_account_that_does_not_say_is_active() {
    let (app, id) = with_ada(Options::default()).await;
    let mut user = app.user(id.as_str());
    user.as_object_mut().unwrap().remove("active");
    app.put_user(user);
    app.inject(Fault::on("PATCH", "*", What::Ignore));
    let connector = connect(&app);
    assert_eq!(connector.set_active(&id, true).await, Ok(()));
    assert_eq!(connector.set_active(&id, false).await, Err(AppError::NotApplied));
}

#[tokio::test]
async fn a_get_that_answers_with_another_resource_is_not_believed() {
    let (app, id) = with_ada(Options::default()).await;
    let connector = connect(&app);
    for body in [r#"{"id":"other","userName":"x"}"#, r#"{"userName":"ada"}"#, r#"{"id":7}"#, "[]", "null"] {
        app.inject(Fault::on("GET", "/Users/*", What::json(body)));
        assert!(matches!(connector.get(&id).await, Err(AppError::NotScim(_))), "{body}");
        app.clear_faults();
    }
}
