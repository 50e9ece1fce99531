//! Real SCIM servers, and a client that looks into them.

use std::{process::Child, time::Instant};

use serde_json::{Value, json};

use crate::{devenv, support};

/// A SCIM server. It ends when this does, or with the test process.
pub struct Scim {
    child: Child,
    /// Where its endpoints begin.
    pub base_url: String,
    token: String,
    http: reqwest::Client,
    _seed: Option<tempfile::NamedTempFile>,
}

impl Scim {
    /// A server on a free port with made-up users.
    pub async fn with_users(token: &str, users: usize) -> Self {
        Self::start(token, 0, &["--users", &users.to_string()], None).await
    }

    /// A server with these users. Where the port is taken, as by another run of the tests, it is waited for.
    pub async fn with_seed(token: &str, port: u16, users: &[Value]) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        serde_json::to_writer(&file, users).expect("a seed");
        let path = file.path().to_str().expect("a path").to_owned();
        Self::start(token, port, &["--seed-file", &path], Some(file)).await
    }

    async fn start(token: &str, port: u16, more: &[&str], seed: Option<tempfile::NamedTempFile>) -> Self {
        let deadline = Instant::now() + support::LONG;
        loop {
            let (mut child, line) = devenv::start(&[&["scim", "--token", token, "--port", &port.to_string()], more].concat());
            if let Ok(ready) = serde_json::from_str::<Value>(&line) {
                let base_url = ready["baseURL"].as_str().expect("an address").to_owned();
                return Self { child, base_url, token: token.to_owned(), http: reqwest::Client::new(), _seed: seed };
            }
            let _ended = child.wait();
            assert!(Instant::now() < deadline, "the SCIM server does not start on port {port}");
            tokio::time::sleep(support::TICK).await;
        }
    }

    /// All accounts, by username.
    pub async fn users(&self) -> Vec<Value> {
        let url = format!("{}/Users?startIndex=1&count=1000", self.base_url);
        let answer = self.http.get(url).bearer_auth(&self.token).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        let listing: Value = serde_json::from_str(&text).expect("JSON");
        let mut users = listing["Resources"].as_array().cloned().unwrap_or_default();
        users.sort_by_key(|user| user["userName"].as_str().unwrap_or_default().to_owned());
        users
    }

    /// Adds a user, as its administrator would.
    pub async fn add(&self, user: &Value) {
        let url = format!("{}/Users", self.base_url);
        let request = self.http.post(url).bearer_auth(&self.token).header("content-type", "application/scim+json");
        let answer = request.body(user.to_string()).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 201);
    }

    /// The usernames of all accounts, sorted.
    pub async fn names(&self) -> Vec<String> {
        self.users().await.iter().map(|user| user["userName"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Scim {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

/// A user resource.
pub fn person(username: &str, given: &str, family: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": username,
        "name": {"givenName": given, "familyName": family},
        "displayName": format!("{given} {family}"),
        "emails": [{"value": username, "type": "work", "primary": true}],
        "active": true,
    })
}
