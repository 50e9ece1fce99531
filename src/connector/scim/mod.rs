//! SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865) behind the [`Connector`] trait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, value::RawValue};
use tokio::sync::OnceCell;
use url::Url;

use self::{
    discovery::Discovered,
    filter::Filters,
    quirks::{Quirks, Verb},
};
use super::{
    AppError, AttributeChange, Capabilities, Connector, Listing, Lookup, LookupAttribute, classify,
    http::{Answer, Http, Request, SINGLE},
};
use crate::{
    clock::SharedClock,
    domain::{account::Record, id::AppId},
};

mod create;
mod discovery;
mod exact;
mod filter;
mod paging;
mod patch;
pub mod quirks;
mod update;
mod wire;

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A SCIM app.
pub(super) struct Scim {
    client: Arc<Client>,
    quirks: Quirks,
    discovered: OnceCell<Discovered>,
    filters: Filters,
    /// PATCH is advertised and was refused as such.
    patch_refused: AtomicBool,
}

impl Scim {
    pub fn new(http: Http, quirks: Quirks, clock: SharedClock) -> Self {
        Self {
            client: Arc::new(Client { http }),
            quirks,
            discovered: OnceCell::new(),
            filters: Filters::new(clock),
            patch_refused: AtomicBool::new(false),
        }
    }

    /// What the app said; asked until it has answered once.
    async fn discovered(&self) -> Result<&Discovered, AppError> {
        self.discovered.get_or_try_init(|| discovery::discover(&self.client)).await
    }

    /// How to write (SC-7).
    async fn verb(&self) -> Result<Verb, AppError> {
        if let Some(verb) = self.quirks.verb() {
            return Ok(verb);
        }
        let advertised = self.discovered().await?.capabilities.patch;
        Ok(if advertised && !self.patch_refused.load(Ordering::Relaxed) { Verb::Patch } else { Verb::Put })
    }
}

#[async_trait]
impl Connector for Scim {
    async fn check(&self) -> Result<(), AppError> {
        discovery::check(&self.client).await
    }

    async fn discover(&self) -> Result<Capabilities, AppError> {
        Ok(self.quirks.correct(self.discovered().await?.capabilities.clone()))
    }

    async fn list(&self) -> Result<Box<dyn Listing>, AppError> {
        let discovered = self.discovered().await?;
        let capabilities = self.quirks.correct(discovered.capabilities.clone());
        let size = self.quirks.page_size.max(1).min(discovered.max_page_size.unwrap_or(u32::MAX));
        Ok(Box::new(paging::Walk::new(self.client.clone(), paging::Plan::new(self.quirks.paging, capabilities.cursor_paging, size))))
    }

    async fn get(&self, id: &AppId) -> Result<Lookup, AppError> {
        match self.client.read(id).await {
            Ok(record) => Ok(Lookup::Found(record)),
            Err(AppError::NotFound) => Ok(Lookup::Gone),
            Err(error) => Err(error),
        }
    }

    async fn find(&self, attribute: LookupAttribute, value: &str) -> Result<Vec<Record>, AppError> {
        self.filters.find(&self.client, attribute, value).await
    }

    async fn create(&self, resource: &Value) -> Result<Option<Record>, AppError> {
        create::run(&self.client, resource).await
    }

    async fn update(&self, id: &AppId, known: Option<&Record>, changes: &[AttributeChange]) -> Result<Option<Record>, AppError> {
        self.write_changes(id, known, changes).await
    }

    async fn set_active(&self, id: &AppId, active: bool) -> Result<(), AppError> {
        self.write_active(id, active).await
    }

    fn concurrency(&self) -> usize {
        self.client.http.concurrency()
    }
}

/// SCIM requests over [`Http`].
pub(super) struct Client {
    http: Http,
}

impl Client {
    /// GET of a path below the base.
    async fn get(&self, operation: &'static str, path: &[&str], query: Option<&str>, limit: usize) -> Result<Answer, AppError> {
        let url = url(self.http.base(), path, query)?;
        self.http.send(&Request { operation, method: Method::GET, url, body: None, limit }).await
    }

    /// A write with a JSON body; anything but success is an error, and so is a web page, which is what a login in between
    /// answers with 200.
    async fn write(&self, operation: &'static str, method: Method, path: &[&str], body: &Value) -> Result<Answer, AppError> {
        self.write_text(operation, method, path, body.to_string()).await
    }

    /// Likewise, with the body as text.
    async fn write_text(&self, operation: &'static str, method: Method, path: &[&str], body: String) -> Result<Answer, AppError> {
        let url = url(self.http.base(), path, None)?;
        let body = Some(body.into_bytes());
        let answer = self.http.send(&Request { operation, method, url, body, limit: SINGLE }).await?.success()?;
        if wire::is_html(&answer) { Err(AppError::NotScim("it is HTML")) } else { Ok(answer) }
    }

    /// One account by its id; `Err(NotFound)` if there is none.
    async fn read(&self, id: &AppId) -> Result<Record, AppError> {
        Ok(self.read_with_text(id).await?.0)
    }

    /// Likewise, with the text that the app sent.
    async fn read_with_text(&self, id: &AppId) -> Result<(Record, Box<RawValue>), AppError> {
        let answer = self.get("get", &["Users", id.as_str()], None, SINGLE).await?.success()?;
        let record = wire::resource(&answer)?;
        if record.id != *id {
            return Err(AppError::NotScim("it is another resource than the one asked for"));
        }
        Ok((record, wire::text(&answer)?))
    }
}

/// Some servers say 404 where a list has nobody to show; a SCIM error in it tells this from a wrong address (SC-4).
fn is_nobody(answer: &Answer) -> bool {
    answer.status == 404 && classify::is_scim_error(&answer.body)
}

/// The base with these segments, each kept to its place (G2).
fn url(base: &Url, path: &[&str], query: Option<&str>) -> Result<Url, AppError> {
    let mut text = base.path().trim_end_matches('/').to_owned();
    for segment in path {
        // No encoding keeps these from being read as "here" and "above", so that a PUT would go to another resource.
        if matches!(*segment, "" | "." | "..") {
            return Err(AppError::NotScim("an id is empty or consists of dots, which no URL can hold"));
        }
        text.push('/');
        text.extend(utf8_percent_encode(segment, RESERVED));
    }
    let mut url = base.clone();
    url.set_path(&text);
    url.set_query(query);
    Ok(url)
}

/// A value of a query parameter.
fn encode(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_may_end_with_a_slash_or_not() {
        for base in ["https://a.example/scim/v2", "https://a.example/scim/v2/", "https://a.example/scim/v2//"] {
            let url = url(&base.parse().unwrap(), &["Users", "7"], Some("x=1")).unwrap();
            assert_eq!(url.as_str(), "https://a.example/scim/v2/Users/7?x=1");
        }
        assert_eq!(url(&"https://a.example".parse().unwrap(), &["Users"], None).unwrap().as_str(), "https://a.example/Users");
    }

    #[test]
    fn g2_an_id_stays_in_its_segment() {
        let base: Url = "https://a.example/scim".parse().unwrap();
        for id in
            ["../admin", "a/b", "a?b", "a#b", "a%2Fb", "%2e%2e", "a\\b", "a;b", "a b", "a\r\nb", "a\0b", "ü", "...", "a:b@c", "\u{202e}x"]
        {
            let url = url(&base, &["Users", id], None).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!(segments.len(), 3, "{id}: {url}");
            assert_eq!(percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap(), id);
            assert_eq!((url.query(), url.fragment(), url.host_str()), (None, None, Some("a.example")), "{id}");
        }
        for id in ["", ".", ".."] {
            assert!(url(&base, &["Users", id], None).is_err(), "{id}");
        }
    }
}
