//! The target: a SCIM server of canned answers in a process of its own, one thread. It keeps no state but its counters, so
//! that it is never what is measured.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
    serve::ListenerExt as _,
};
use serde::{Deserialize, Serialize};

use super::{Result, users};

/// The hidden argument that makes this program the target.
pub const ARGUMENT: &str = "--target";

/// What the target was asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// All requests.
    pub requests: u64,
    /// POSTs.
    pub posts: u64,
}

/// A running target. It ends when this is dropped.
pub struct Target {
    child: Child,
    /// The target runs until this is closed.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// The SCIM base.
    pub url: String,
}

impl Target {
    /// Starts a target that lists so many users. `record`: where the bodies of POSTs are written, a line each.
    pub fn start(people: usize, record: Option<&str>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ARGUMENT).arg(people.to_string()).args(record);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().ok_or("the target has no stdout")?);
        let mut port = String::new();
        stdout.read_line(&mut port)?;
        Ok(Self { child, stdin, stdout, url: format!("http://127.0.0.1:{}/scim/v2", port.trim()) })
    }

    /// Ends the target; what it was asked.
    pub fn stop(mut self) -> Result<Asked> {
        drop(self.stdin.take());
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Canned {
    pages: Vec<Bytes>,
    people: usize,
    requests: AtomicU64,
    posts: AtomicU64,
    record: Option<Mutex<BufWriter<File>>>,
}

/// Serves until stdin is closed; then tells on stdout what was asked.
pub fn serve(arguments: &[String]) -> Result<()> {
    let people: usize = arguments.first().ok_or("the target needs a number of users")?.parse()?;
    let record = arguments.get(1).map(File::create).transpose()?.map(|file| Mutex::new(BufWriter::new(file)));
    let pages = (0..people).step_by(users::PAGE).map(|first| users::page(first, people).into()).collect();
    let canned = Arc::new(Canned { pages, people, requests: AtomicU64::new(0), posts: AtomicU64::new(0), record });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(answer(canned.clone()))?;
    if let Some(record) = &canned.record {
        record.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
    }
    let asked = Asked { requests: canned.requests.load(Ordering::Relaxed), posts: canned.posts.load(Ordering::Relaxed) };
    println!("{}", serde_json::to_string(&asked)?);
    Ok(())
}

async fn answer(canned: Arc<Canned>) -> Result<()> {
    let router = Router::new()
        .route("/scim/v2/Users", get(list).post(create))
        .route("/scim/v2/ServiceProviderConfig", get(config))
        .fallback(any(nothing))
        .with_state(canned);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(end);
    });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        _ = ended => Ok(()),
    }
}

fn scim(status: StatusCode, body: impl Into<Bytes>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/scim+json")], body.into()).into_response()
}

async fn config(State(canned): State<Arc<Canned>>) -> Response {
    canned.requests.fetch_add(1, Ordering::Relaxed);
    scim(StatusCode::OK, r#"{"patch":{"supported":true},"filter":{"supported":true,"maxResults":1000}}"#)
}

async fn nothing(State(canned): State<Arc<Canned>>) -> Response {
    canned.requests.fetch_add(1, Ordering::Relaxed);
    scim(StatusCode::NOT_FOUND, r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}"#)
}

/// A canned page. Nobody satisfies a filter, which a connector that probes it takes for what it is.
async fn list(State(canned): State<Arc<Canned>>, uri: Uri) -> Response {
    canned.requests.fetch_add(1, Ordering::Relaxed);
    let parameter = |name: &str| {
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if parameter("filter").is_some() {
        return scim(StatusCode::OK, users::list(0, 1, &[]));
    }
    let start: usize = parameter("startIndex").and_then(|text| text.parse().ok()).unwrap_or(1);
    let first = start.saturating_sub(1);
    match canned.pages.get(first / users::PAGE) {
        Some(page) if first.is_multiple_of(users::PAGE) => scim(StatusCode::OK, page.clone()),
        _ => scim(StatusCode::OK, users::list(canned.people, start, &[])),
    }
}

/// Echoes the resource with an id.
async fn create(State(canned): State<Arc<Canned>>, body: Bytes) -> Response {
    canned.requests.fetch_add(1, Ordering::Relaxed);
    let number = canned.posts.fetch_add(1, Ordering::Relaxed);
    if let Some(record) = &canned.record {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.write_all(&body).and_then(|()| record.write_all(b"\n")).is_err() {
            return scim(StatusCode::INTERNAL_SERVER_ERROR, "{}");
        }
    }
    let mut answer = format!(r#"{{"id":"{number:08}","#).into_bytes();
    answer.extend_from_slice(body.get(1..).unwrap_or_default());
    scim(StatusCode::CREATED, answer)
}
