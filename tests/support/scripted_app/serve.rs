//! HTTP: connections, requests into the ledger, and faults of the transport.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{Shared, What, ledger::Entry, ledger::hash_of, lock, scim};

/// What the base URL ends with.
const BASE: &str = "/scim/v2";

/// The connection is to end without an answer, or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends here")]
struct HangUp;

type Body = UnsyncBoxBody<Bytes, HangUp>;

/// An answer of the handlers.
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub(super) async fn run(
    state: Shared,
    tls: Option<Arc<ServerConfig>>,
    ready: oneshot::Sender<SocketAddr>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let _ = ready.send(listener.local_addr().expect("its address"));
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (state, acceptor) = (state.clone(), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => connection(stream, state).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, state: Shared) {
    let service = service_fn(|request| answer(request, state.clone()));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, state: Shared) -> Result<Response<Body>, HangUp> {
    let entry = entry(request).await?;
    let faults: Vec<_> = {
        let mut state = lock(&state);
        let faults = state.faults.iter_mut().filter_map(|fault| fault.meets(&entry)).collect();
        state.ledger.entries.push(entry.clone());
        faults
    };
    for fault in &faults {
        match fault {
            What::Delay(time) => tokio::time::sleep(*time).await,
            What::Drop => return Err(HangUp),
            What::Stall => return std::future::pending().await,
            What::Reply { status, headers, body } => {
                return response(Reply { status: *status, headers: headers.clone(), body: body.clone().into() }, false);
            }
            What::Huge(bytes) => return endless(Some(*bytes), Duration::ZERO, 64 << 10),
            What::Trickle(interval) => return endless(None, *interval, 1),
            _ => {}
        }
    }
    let reply = scim::handle(&mut lock(&state), &entry, &faults);
    if faults.iter().any(|fault| matches!(fault, What::LoseReply)) {
        return Err(HangUp);
    }
    if faults.iter().any(|fault| matches!(fault, What::StallReply)) {
        return std::future::pending().await;
    }
    if let Some(status) = faults.iter().find_map(|fault| if let What::StatusAfter(status) = fault { Some(*status) } else { None }) {
        return response(Reply { status, headers: Vec::new(), body: Vec::new() }, false);
    }
    response(reply, faults.iter().any(|fault| matches!(fault, What::CutBody)))
}

async fn entry(request: Request<Incoming>) -> Result<Entry, HangUp> {
    let (head, body) = request.into_parts();
    let raw_body = body.collect().await.map_err(|_| HangUp)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let path = head.uri.path();
    Ok(Entry {
        method: head.method.to_string(),
        path: path.strip_prefix(BASE).unwrap_or(path).to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization")
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: serde_json::from_slice(&raw_body).ok(),
        raw_body,
        authorization: head.headers.get("authorization").map(|value| hash_of(&text(value))),
        at: std::time::Instant::now(),
    })
}

fn response(reply: Reply, cut: bool) -> Result<Response<Body>, HangUp> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    let body = if cut {
        let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
        StreamBody::new(futures::stream::iter([Ok(Frame::data(half)), Err(HangUp)])).boxed_unsync()
    } else {
        Full::new(Bytes::from(reply.body)).map_err(|never: Infallible| match never {}).boxed_unsync()
    };
    builder.body(body).map_err(|_| HangUp)
}

/// White space, which every JSON parser would go on reading.
fn endless(total: Option<u64>, interval: Duration, size: usize) -> Result<Response<Body>, HangUp> {
    let chunk = Bytes::from(vec![b' '; size]);
    let chunks = futures::stream::unfold(0_u64, move |sent| {
        let chunk = chunk.clone();
        async move {
            if total.is_some_and(|total| sent >= total) {
                return None;
            }
            if !interval.is_zero() {
                tokio::time::sleep(interval).await;
            }
            Some((Ok(Frame::data(chunk.clone())), sent + chunk.len() as u64))
        }
    });
    let body = StreamBody::new(chunks).boxed_unsync();
    Response::builder().status(200).header("content-type", "application/scim+json").body(body).map_err(|_| HangUp)
}
