//! LS-1, LS-2, promise A2: listings, and what keeps one from counting as complete.

use joinery::connector::{AppError, ListError, Paging};

use crate::{
    bench::{connect, connect_with, incomplete, list_all},
    support::scripted_app::{Fault, Options, ScriptedApp, What},
};

async fn app(users: usize) -> ScriptedApp {
    ScriptedApp::with_users(users, Options::default()).await
}

fn queries(app: &ScriptedApp) -> Vec<String> {
    app.ledger().into_iter().filter(|entry| entry.path == "/Users").map(|entry| entry.query).collect()
}

#[tokio::test]
async fn ls1_index_pages_are_walked_to_the_end_and_one_beyond() {
    let app = app(250).await;
    let ids = list_all(&*connect(&app)).await.unwrap();
    assert_eq!(ids, app.users().into_keys().collect::<Vec<_>>());
    assert_eq!(
        queries(&app),
        ["startIndex=1&count=100", "startIndex=101&count=100", "startIndex=201&count=100", "startIndex=251&count=100"]
    );
}

#[tokio::test]
async fn ls1_pages_shorter_than_asked_for_are_all_read() {
    let app = app(95).await;
    app.inject(Fault::listing(What::ShortPages(7)));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 95);
}

#[tokio::test]
async fn ls1_a_record_left_out_of_a_page_is_asked_for_again() {
    let app = app(250).await;
    app.inject(Fault::listing(What::LeaveOut(1)).nth(3));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 250);
}

#[tokio::test]
async fn ls1_cursors_are_followed_where_they_are_advertised() {
    let app = ScriptedApp::with_users(250, Options { cursor: true, ..Options::default() }).await;
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 250);
    assert_eq!(queries(&app), ["cursor=&count=100", "cursor=after-100&count=100", "cursor=after-200&count=100"]);
}

#[tokio::test]
async fn ls1_quirks_win_over_what_is_advertised() {
    let app = ScriptedApp::with_users(3, Options { cursor: true, ..Options::default() }).await;
    let connector = connect_with(&app, |config| config.quirks.paging = Paging::Index);
    assert_eq!(list_all(&*connector).await.unwrap().len(), 3);
    assert!(queries(&app)[0].starts_with("startIndex=1&"));
}

#[tokio::test]
async fn ls1_smaller_pages_then_no_parameters_are_tried_where_the_first_request_is_refused() {
    let app = app(150).await;
    app.inject(Fault::listing(What::MaxCount(100)));
    let connector = connect_with(&app, |config| config.quirks.page_size = 500);
    assert_eq!(list_all(&*connector).await.unwrap().len(), 150);

    app.clear_faults();
    app.clear_ledger();
    app.inject(Fault::listing(What::status(400)).with_query("count"));
    assert_eq!(list_all(&*connector).await.unwrap().len(), 150);
    assert_eq!(queries(&app).last().unwrap(), "");

    app.inject(Fault::listing(What::LeaveOut(50)));
    assert_eq!(incomplete(&*connector).await, "it ends after 100 accounts although totalResults is 150");

    let fixed = connect_with(&app, |config| config.quirks.paging = Paging::Index);
    assert!(matches!(list_all(&*fixed).await, Err(ListError::App(AppError::Invalid { status: 400, .. }))));
}

#[tokio::test]
async fn ls2_an_empty_app_is_a_complete_listing_of_nobody() {
    let app = app(0).await;
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 0);
    app.inject(Fault::listing(What::NotFoundForEmpty));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 0);
}

#[tokio::test]
async fn ls2_beyond_the_end_404_and_the_same_set_again_are_ends() {
    let app = app(100).await;
    app.inject(Fault::listing(What::error(404, None)).with_query("startIndex=101"));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 100);
    app.clear_faults();
    app.inject(Fault::listing(What::status(404)).with_query("startIndex=101"));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 100);
    app.clear_faults();
    app.inject(Fault::listing(What::IgnorePaging));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 100);
}

/// Each way in which index pages do not add up, on 250 accounts in pages of 100.
#[tokio::test]
async fn ls2_index_pages_that_do_not_add_up_are_not_a_complete_listing() {
    let page = |n| move |what| Fault::listing(what).nth(n);
    let all = Fault::listing;
    for (fault, expected) in [
        (all(What::SilentCap(100)), "there are 100 more accounts beyond the end that totalResults gives (100)"),
        (all(What::Overlap(1)), "record 1 of page 2 has an id that was listed before"),
        (all(What::IgnoreStartIndex), "record 1 of page 2 has an id that was listed before"),
        (page(1)(What::DuplicateId), "record 101 of page 1 has an id that was listed before"),
        (page(2)(What::MissingId), "record 1 of page 2 has no id that is a text"),
        (page(3)(What::NumericId), "record 1 of page 3 has no id that is a text"),
        (all(What::TextCounters), "page 1 has counters that are not integer counters"),
        (page(2)(What::TextCounters), "page 2 has counters that are not integer counters"),
        (page(2)(What::TotalIs(249)), "totalResults changed from 250 to 249 at page 2"),
        (page(3)(What::TotalIs(251)), "totalResults changed from 250 to 251 at page 3"),
        (all(What::TotalIs(251)), "page 4 is empty, after 250 of 251 accounts"),
        (all(What::TotalIs(120)), "200 accounts were listed although totalResults is 120"),
        (all(What::TotalIs(200)), "there are 50 more accounts beyond the end that totalResults gives (200)"),
        (all(What::TotalIs(0)), "100 accounts were listed although totalResults is 0"),
        (page(4)(What::TotalIs(251)), "totalResults changed from 250 to something else at the end"),
        (page(2)(What::EmptyPage), "page 2 is empty, after 100 of 250 accounts"),
        (page(1)(What::EmptyPage), "page 1 is empty, after 0 of 250 accounts"),
        (page(2)(What::NoTotal), "page 2 has no totalResults"),
        (page(2)(What::NoSchemas), "page 2: it is not a ListResponse"),
        (page(2)(What::html(200)), "page 2: it is HTML"),
        (page(2)(What::json("{\"schemas\":")), "page 2: it is not JSON"),
        (page(2)(What::status(204)), "page 2: it is empty"),
        (page(2)(What::error(404, None)), "page 2 was answered with 404"),
        (page(2)(What::status(404)), "page 2 was answered with 404"),
        (page(2)(What::error(400, Some("tooMany"))), "the app refused page 2 (400)"),
        (page(4)(What::error(400, None)), "the app refused page 4 (400)"),
    ] {
        let app = app(250).await;
        let told = format!("{fault:?}");
        app.inject(fault);
        assert_eq!(incomplete(&*connect(&app)).await, expected, "{told}");
    }
}

#[tokio::test]
async fn ls2_99_of_100_is_not_a_complete_listing() {
    let app = app(100).await;
    app.inject(Fault::listing(What::LeaveOut(1)));
    assert_eq!(incomplete(&*connect(&app)).await, "page 2 is empty, after 99 of 100 accounts");
}

#[tokio::test]
async fn ls2_cursor_pages_that_do_not_add_up_are_not_a_complete_listing() {
    let page = |n| move |what| Fault::listing(what).nth(n);
    for (fault, expected) in [
        (Fault::listing(What::CursorLoops("after-100")), "page 2 gives a cursor that was used before"),
        (page(2)(What::error(400, Some("expiredCursor"))), "the app no longer takes its cursor for page 2 (400)"),
        (page(2)(What::EmptyPage), "page 2 is empty, after 100 of 250 accounts"),
        (page(3)(What::EmptyPage), "it ends after 200 accounts although totalResults is 250"),
        (page(3)(What::LeaveOut(1)), "it ends after 249 accounts although totalResults is 250"),
        (page(2)(What::TotalIs(240)), "totalResults changed from 250 to 240 at page 2"),
        (page(2)(What::DuplicateId), "record 101 of page 2 has an id that was listed before"),
    ] {
        let app = ScriptedApp::with_users(250, Options { cursor: true, ..Options::default() }).await;
        let told = format!("{fault:?}");
        app.inject(fault);
        assert_eq!(incomplete(&*connect(&app)).await, expected, "{told}");
    }
    let app = ScriptedApp::with_users(250, Options { cursor: true, ..Options::default() }).await;
    app.inject(Fault::listing(What::NoTotal));
    assert_eq!(list_all(&*connect(&app)).await.unwrap().len(), 250, "totalResults is optional with cursors");
}

/// Every failure of the app on every page, the one beyond the end included: an error, never a shorter listing.
#[tokio::test]
async fn a2_an_incomplete_listing_is_never_taken_for_a_complete_one() {
    let app = app(250).await;
    let connector = connect(&app);
    let kinds = [
        What::status(500),
        What::status(503),
        What::status(401),
        What::status(403),
        What::status(302),
        What::Drop,
        What::LoseReply,
        What::CutBody,
        What::html(200),
        What::json("[]"),
        What::json("{}"),
        What::status(200),
    ];
    for what in kinds {
        for page in 1..=4 {
            app.clear_faults();
            app.inject(Fault::listing(what.clone()).nth(page));
            let outcome = list_all(&*connector).await;
            assert!(outcome.is_err(), "{what:?} on page {page}: {} accounts", outcome.unwrap().len());
        }
    }
    app.clear_faults();
    assert_eq!(list_all(&*connector).await.unwrap().len(), 250);
}

#[tokio::test]
async fn a2_a_failed_listing_does_not_go_on() {
    let app = app(250).await;
    app.inject(Fault::listing(What::status(500)).nth(2));
    let connector = connect(&app);
    let mut listing = connector.list().await.unwrap();
    assert_eq!(listing.next_page().await.unwrap().unwrap().len(), 100);
    assert!(matches!(listing.next_page().await, Err(ListError::App(AppError::ServerFailed(500)))));
    assert!(matches!(listing.next_page().await, Err(ListError::Incomplete(_))));
    assert_eq!((listing.pages(), listing.seen().len()), (1, 100));
}

#[tokio::test]
async fn ls1_no_more_than_one_page_is_fetched_ahead() {
    let app = app(1000).await;
    let connector = connect(&app);
    let mut listing = connector.list().await.unwrap();
    listing.next_page().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(queries(&app).len(), 2);
}

#[tokio::test]
async fn ls2_a_credential_that_changes_in_the_middle_ends_the_listing() {
    let app = app(250).await;
    let token = crate::bench::Token::new("scripted-token");
    let connectors = crate::bench::connectors();
    let connector = connectors.scim(crate::bench::config(&app.base_url()), token.clone()).unwrap();
    app.inject(Fault::listing(What::Delay(std::time::Duration::from_millis(100))));
    let mut listing = connector.list().await.unwrap();
    listing.next_page().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    app.set_token("another");
    token.set("another");
    listing.next_page().await.unwrap();
    let error = listing.next_page().await.unwrap_err();
    assert!(matches!(error, ListError::Incomplete(why) if why.starts_with("the credentials changed")));
}
