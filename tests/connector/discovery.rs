//! SC-2, AI-5: what an app says of itself.

use joinery::connector::{AppError, Capabilities, Paging, UpdateStyle};

use crate::{
    bench::{connect, connect_with},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

#[tokio::test]
async fn sc2_what_an_app_says_is_read_once() {
    let app = ScriptedApp::start(Options { cursor: true, ..Options::default() }).await;
    let connector = connect(&app);
    let capabilities = connector.discover().await.unwrap();
    assert_eq!(connector.discover().await.unwrap(), capabilities);
    let Capabilities { patch, bulk, filter, etag, cursor_paging, resource_types, schema_digest } = capabilities;
    assert_eq!((patch, bulk, filter, etag, cursor_paging), (true, false, true, false, true));
    assert_eq!(resource_types, ["Group", "User"]);
    assert!(schema_digest.unwrap().starts_with("sha256:"));
    let paths: Vec<_> = app.ledger().into_iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
    assert_eq!(paths, ["GET /ServiceProviderConfig", "GET /ResourceTypes", "GET /Schemas"], "AI-5: reads only");
}

#[tokio::test]
async fn sc2_what_is_missing_is_assumed_to_be_the_least() {
    for what in [
        What::error(404, None),
        What::html(404),
        What::status(403),
        What::status(400),
        What::status(405),
        What::status(501),
        What::status(302),
        What::html(200),
        What::json("[]"),
        What::json("{}"),
        What::json("7"),
        What::json("{\"patch\":\"yes\",\"Resources\":7,\"pagination\":[]}"),
        What::json("{\"patch\":{\"supported\":\"true\"}}"),
        What::status(204),
    ] {
        let app = ScriptedApp::start(Options::default()).await;
        app.inject(Fault::always(what.clone()));
        assert_eq!(connect(&app).discover().await, Ok(Capabilities::default()), "{what:?}");
    }
}

#[tokio::test]
async fn sc2_a_failure_that_may_pass_is_not_remembered() {
    for (what, expected) in [(What::status(500), AppError::ServerFailed(500)), (What::status(401), AppError::Unauthorized)] {
        for endpoint in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
            let app = ScriptedApp::start(Options::default()).await;
            app.inject(Fault::on("GET", endpoint, what.clone()).nth(1));
            let connector = connect(&app);
            assert_eq!(connector.discover().await, Err(expected.clone()), "{what:?} at {endpoint}");
            assert!(connector.discover().await.unwrap().patch, "{what:?} at {endpoint}");
        }
    }
}

#[tokio::test]
async fn sc2_quirks_win() {
    let app = ScriptedApp::start(Options { patch: false, cursor: true, ..Options::default() }).await;
    for (update, patch) in
        [(UpdateStyle::Auto, false), (UpdateStyle::Patch, true), (UpdateStyle::PatchPathless, true), (UpdateStyle::Put, false)]
    {
        let connector = connect_with(&app, |config| config.quirks.update = update);
        assert_eq!(connector.discover().await.unwrap().patch, patch, "{update:?}");
    }
    let connector = connect_with(&app, |config| config.quirks.paging = Paging::Index);
    assert!(!connector.discover().await.unwrap().cursor_paging);
}
