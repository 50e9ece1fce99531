//! Listing all accounts, and the proof that it were all (LS-1, LS-2).

mod proof;

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::task::AbortOnDropHandle;

use self::proof::{Proof, incomplete};
use super::{Client, encode, is_nobody, quirks::Paging, wire, wire::Page};
use crate::{
    connector::{AppError, ListError, ListedRecord, Listing, http::PAGE},
    domain::{account::SeenIds, hash::ShortHash},
};

/// A page size that servers which refuse larger ones take.
const COMMON_SIZE: u32 = 100;

/// Where a request stands in the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// From this record on; the first is 1.
    Index(u64),
    /// At this cursor; the first is empty.
    Cursor(String),
    /// Everything at once, without parameters.
    Whole,
}

/// How to walk.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    start: Position,
    size: u32,
    /// The app may be asked in simpler ways if it refuses the first request.
    may_simplify: bool,
}

impl Plan {
    /// `cursor`: as the app advertises it and the quirks correct it.
    pub fn new(paging: Paging, cursor: bool, size: u32) -> Self {
        let start = if cursor { Position::Cursor(String::new()) } else { Position::Index(1) };
        Self { start, size, may_simplify: paging == Paging::Auto }
    }

    /// What to try when the app refuses the first request as it stands.
    fn simpler(&self) -> Option<Self> {
        match self.start {
            _ if !self.may_simplify => None,
            Position::Cursor(_) => Some(Self { start: Position::Index(1), ..self.clone() }),
            Position::Index(_) if self.size > COMMON_SIZE => Some(Self { size: COMMON_SIZE, ..self.clone() }),
            Position::Index(_) => Some(Self { start: Position::Whole, ..self.clone() }),
            Position::Whole => None,
        }
    }
}

/// A page as it came in.
struct Fetched {
    /// `None`: 404, with a SCIM error or where nothing need be.
    page: Option<Page>,
    credential: ShortHash,
}

type Fetch = Result<Fetched, AppError>;

enum Stage {
    /// A page is to be read.
    Reading,
    /// All records are read; what lies beyond the end is to be looked at.
    Proving,
    /// The listing is complete.
    Done,
    /// The listing has failed.
    Failed,
}

/// A walk over all accounts. While a page is worked on, the next one is fetched; more than these two are never held.
pub(super) struct Walk {
    client: Arc<Client>,
    plan: Plan,
    stage: Stage,
    next: Position,
    ahead: Option<AbortOnDropHandle<Fetch>>,
    proof: Proof,
}

impl Walk {
    pub fn new(client: Arc<Client>, plan: Plan) -> Self {
        Self { client, stage: Stage::Reading, next: plan.start.clone(), ahead: None, proof: Proof::default(), plan }
    }

    async fn advance(&mut self) -> Result<Option<Vec<ListedRecord>>, ListError> {
        loop {
            let records = match self.stage {
                Stage::Done => return Ok(None),
                Stage::Failed => return Err(incomplete("it has failed before".to_owned())),
                Stage::Reading => self.read().await?,
                Stage::Proving => {
                    let beyond = self.fetched().await?;
                    self.proof.end(beyond.page, beyond.credential)?;
                    self.stage = Stage::Done;
                    continue;
                }
            };
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<ListedRecord>, ListError> {
        let Fetched { page, credential } = self.fetched().await?;
        let Some(page) = page else {
            self.proof.nobody()?;
            self.stage = Stage::Done;
            return Ok(Vec::new());
        };
        let cursor = page.next_cursor.clone();
        let records = self.proof.page(page, &self.next, credential)?;
        let next = match self.next {
            Position::Index(_) => Some(Position::Index(self.proof.collected() + 1)),
            Position::Cursor(_) => cursor.map(Position::Cursor),
            Position::Whole => None,
        };
        self.stage = match (&self.next, &next) {
            (Position::Index(_), _) if self.proof.is_all() => Stage::Proving,
            (_, None) => Stage::Done,
            _ => Stage::Reading,
        };
        if let Some(next) = next {
            self.next = next;
            self.fetch_ahead();
        }
        Ok(records)
    }

    /// The page that was fetched ahead, or, at the start, the first one.
    ///
    /// Nothing changes before it is there, so a caller may drop the future and ask again.
    async fn fetched(&mut self) -> Result<Fetched, ListError> {
        let fetched = match self.ahead.take() {
            Some(ahead) => ahead.await.unwrap_or(Err(AppError::NoAnswer("the request was given up"))),
            None if self.proof.pages() == 0 => self.first().await,
            // The caller gave up waiting for the page that was fetched ahead, and asks again.
            None => self.request().await,
        };
        match fetched {
            // What the first page may be answered with is the app's failure; later it is a listing that breaks off.
            Err(error) if self.proof.pages() > 0 => Err(self.proof.broken(error, &self.next)),
            other => Ok(other?),
        }
    }

    async fn first(&mut self) -> Fetch {
        loop {
            let fetched = self.request().await;
            let refused = matches!(fetched, Err(AppError::Invalid { .. } | AppError::Unsupported { .. }));
            let Some(simpler) = self.plan.simpler().filter(|_| refused) else { return fetched };
            self.next = simpler.start.clone();
            self.plan = simpler;
        }
    }

    fn fetch_ahead(&mut self) {
        self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(self.request())));
    }

    /// The request for the next page; it borrows nothing, so that it may run by itself.
    fn request(&self) -> impl Future<Output = Fetch> + Send + use<> {
        let beyond = matches!(self.stage, Stage::Proving);
        fetch(self.client.clone(), self.next.clone(), self.plan.size, beyond)
    }
}

#[async_trait]
impl Listing for Walk {
    async fn next_page(&mut self) -> Result<Option<Vec<ListedRecord>>, ListError> {
        let outcome = self.advance().await;
        if outcome.is_err() {
            self.stage = Stage::Failed;
            self.ahead = None;
        }
        outcome
    }

    fn seen(&self) -> &SeenIds {
        self.proof.seen()
    }

    fn pages(&self) -> u64 {
        self.proof.pages()
    }
}

/// `beyond`: beyond the end, where 404 is as good as an empty page.
async fn fetch(client: Arc<Client>, position: Position, size: u32, beyond: bool) -> Fetch {
    let query = match position {
        Position::Index(start) => Some(format!("startIndex={start}&count={size}")),
        Position::Cursor(cursor) => Some(format!("cursor={}&count={size}", encode(&cursor))),
        Position::Whole => None,
    };
    let answer = client.get("list", &["Users"], query.as_deref(), PAGE).await?;
    let credential = answer.credential;
    let page = if is_nobody(&answer) || (answer.status == 404 && beyond) { None } else { Some(wire::page(&answer.success()?)?) };
    Ok(Fetched { page, credential })
}
