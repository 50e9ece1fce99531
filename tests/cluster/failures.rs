//! What is wrong is said where it is wrong, with its reason, and ends by itself when it is put right.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{
    scim::Scim,
    world::{NEVER, World, seen},
};

/// A server that is no SCIM app: whatever is asked, it shows a web page.
pub struct WebPage {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl WebPage {
    /// Serves `body` until the test ends.
    pub async fn start(body: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let (body, tls) = (body.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &body).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &body).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, body: &str) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let length = body.len();
    let text = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _gone = stream.write_all(text.as_bytes()).await;
    let _gone = stream.shutdown().await;
}

pub fn self_signed() -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A port on which nobody listens.
pub async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn ai2_each_failure_of_an_app_has_its_reason() {
    let world = World::new("failures").await;
    let app = Scim::with_users("right", 1).await;
    let page = WebPage::start("<html>Log in</html>".to_owned(), None).await;
    let asked_for_nothing = WebPage::start("<html>Log in</html>".to_owned(), None).await;
    let tls = WebPage::start(String::new(), Some(self_signed())).await;
    let closed = closed_port().await;
    let token = json!({"token": "right"});
    world.secret("right", token.clone(), Some("127.0.0.1, no-such-host.invalid")).await;
    world.secret("wrong", json!({"token": "wrong"}), Some("127.0.0.1")).await;
    world.secret("no-key", json!({"other": "right"}), Some("127.0.0.1")).await;
    world.secret("no-consent", token.clone(), None).await;
    let local = |port: u16| format!("http://127.0.0.1:{port}/v2");
    let cases = [
        ("wrong-token", app.base_url.clone(), "wrong", "Unauthorized", "Stalled"),
        ("unknown-host", "https://no-such-host.invalid/v2".to_owned(), "right", "Unreachable", "Reconciling"),
        ("closed-port", local(closed), "right", "Unreachable", "Reconciling"),
        ("web-page", local(page.port), "right", "NotSCIM", "Stalled"),
        ("self-signed", format!("https://127.0.0.1:{}/v2", tls.port), "right", "TLSVerificationFailed", "Stalled"),
        ("no-secret", app.base_url.clone(), "missing", "SecretNotFound", "Reconciling"),
        ("no-key", app.base_url.clone(), "no-key", "SecretKeyMissing", "Reconciling"),
        ("no-consent", local(asked_for_nothing.port), "no-consent", "SecretNotConsenting", "Stalled"),
    ];
    for (name, base_url, secret, _, _) in &cases {
        world.integration(name, base_url, secret, "Plan").await;
    }
    for (name, _, _, reason, also) in &cases {
        let object = world.until("AppIntegration", name, "Ready", "False", reason).await;
        let (stalled, reconciling) = (seen(&object, "Stalled"), seen(&object, "Reconciling"));
        let (held, absent) = if *also == "Stalled" { (&stalled, &reconciling) } else { (&reconciling, &stalled) };
        assert_eq!((held.status.as_str(), held.reason.as_str()), ("True", *reason), "{name}: {also}");
        assert_eq!(absent.status, "", "{name}: only one of Stalled and Reconciling");
        assert!(!held.message.is_empty(), "{name}");
    }
    assert!(page.connections() > 0, "the page was asked for");
    assert_eq!(asked_for_nothing.connections(), 0, "without its consent a Secret opens no connection");

    for secret in ["wrong", "missing", "no-key", "no-consent"] {
        world.secret(secret, token.clone(), Some("127.0.0.1")).await;
    }
    for name in ["wrong-token", "no-secret", "no-key"] {
        let object = world.until("AppIntegration", name, "Ready", "True", "PlanOnly").await;
        for condition in ["Stalled", "Reconciling"] {
            assert_eq!(seen(&object, condition).status, "", "{name}: {condition} leaves by omission");
        }
    }
    world.until("AppIntegration", "no-consent", "Ready", "False", "NotSCIM").await;
    assert!(asked_for_nothing.connections() > 0, "with its consent the app is asked");
    crate::operator::Operator::assert_nothing_was_forbidden();
}

#[tokio::test]
async fn a_wrong_schedule_and_a_mapping_that_does_not_compile_say_so() {
    let world = World::new("wrong").await;
    let app = Scim::with_users("token", 0).await;
    world.secret("app", json!({"token": "token"}), Some("127.0.0.1")).await;
    world.integration("app", &app.base_url, "app", "Plan").await;
    let of = json!({"name": "app"});

    world.apply("ImportSchedule", "app", json!({"integrationRef": of, "full": {"schedule": "61 2 * * *"}})).await;
    let schedule = world.until("ImportSchedule", "app", "Ready", "False", "InvalidSchedule").await;
    assert_eq!(seen(&schedule, "Stalled").status, "True");
    world.apply("ImportSchedule", "app", json!({"integrationRef": of, "full": {"schedule": NEVER}})).await;
    world.until("ImportSchedule", "app", "Ready", "True", "*").await;

    let mapping = |expression: &str| json!({"integrationRef": of, "toApp": [{"target": "nickName", "expression": expression}]});
    world.apply("AttributeMapping", "app", mapping("user.displayName +")).await;
    let broken = world.until("AttributeMapping", "app", "Ready", "False", "SyntaxError").await;
    let said = seen(&broken, "Compiled");
    assert_eq!((said.status.as_str(), said.reason.as_str()), ("False", "SyntaxError"));
    assert!(said.message.contains('^') && said.message.contains("user.displayName +"), "where it is wrong: {}", said.message);
    world.apply("AttributeMapping", "app", mapping("user.displayName")).await;
    world.until("AttributeMapping", "app", "Ready", "True", "*").await;
}
