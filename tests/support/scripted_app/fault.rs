//! Faults as data: when, and what.

use std::time::Duration;

use super::super::random::Random;
use super::ledger::Entry;

/// A fault and the requests that it meets.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The method; any without.
    method: Option<&'static str>,
    /// The path below the base; `*` at its end stands for anything.
    path: &'static str,
    /// A part of the query.
    query: Option<String>,
    /// The first matching request that it meets, from 1.
    first: u64,
    /// How many it meets.
    times: u64,
    /// Of these, so many in a hundred, by chance.
    share: Option<(usize, Random)>,
    what: What,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum What {
    // Instead of doing what was asked
    /// This answer.
    Reply { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// The connection ends before anything was done.
    Drop,
    /// Nothing is ever answered.
    Stall,
    /// So many bytes, without a length up front.
    Huge(u64),
    /// One byte at a time, at this interval, without end.
    Trickle(Duration),
    // After having done what was asked
    /// The connection ends without an answer.
    LoseReply,
    /// Nothing is ever answered.
    StallReply,
    /// This status instead of the answer.
    StatusAfter(u16),
    /// The connection ends in the middle of the body.
    CutBody,
    /// Nothing but a status; with `Location` or not.
    Empty { status: u16, location: bool },
    /// The answer without its id.
    WithoutId,
    /// The answer shows somebody else.
    ShowsAnother,
    // While doing it
    /// So long before anything else.
    Delay(Duration),
    /// Pages of so many, whatever was asked for.
    ShortPages(usize),
    /// `totalResults` is this.
    TotalIs(u64),
    /// Counters are texts.
    TextCounters,
    /// Each page begins so many records too early.
    Overlap(usize),
    /// `startIndex` counts for nothing.
    IgnoreStartIndex,
    /// `startIndex` and `count` count for nothing.
    IgnorePaging,
    /// Only the first so many, in records and `totalResults`, unless the page begins beyond.
    SilentCap(usize),
    /// So many records are left out of the end of the page, though not of `totalResults`.
    LeaveOut(usize),
    /// No records on the page.
    EmptyPage,
    /// The first record of the page twice.
    DuplicateId,
    /// The first record has no id.
    MissingId,
    /// The first record's id is a number.
    NumericId,
    /// No `schemas` in the list.
    NoSchemas,
    /// No `totalResults`.
    NoTotal,
    /// 404 where nobody is to be listed.
    NotFoundForEmpty,
    /// More per page than this is refused with 422.
    MaxCount(usize),
    /// `nextCursor` is always this.
    CursorLoops(&'static str),
    /// Filters are ignored: everybody.
    FilterEverybody,
    /// Filters find nobody.
    FilterNobody,
    /// Filters find what begins alike.
    FilterSimilar,
    /// Filters mind the case of usernames.
    FilterCaseSensitive,
    /// Success is reported and nothing done.
    Ignore,
    /// `active` stays what it is.
    IgnoreActive,
    /// `active` is shown as a text.
    TextActive,
}

impl Fault {
    /// On every request with this method and path: `/Users`, `/Users/*`, `*`.
    pub fn on(method: &'static str, path: &'static str, what: What) -> Self {
        Self { method: Some(method), path, query: None, first: 1, times: u64::MAX, share: None, what }
    }

    /// On every request.
    pub fn always(what: What) -> Self {
        Self { method: None, path: "*", query: None, first: 1, times: u64::MAX, share: None, what }
    }

    /// On listings.
    pub fn listing(what: What) -> Self {
        Self::on("GET", "/Users", what)
    }

    /// Only where the query holds this.
    pub fn with_query(self, part: &str) -> Self {
        Self { query: Some(part.to_owned()), ..self }
    }

    /// Only on the n-th matching request, from 1.
    pub fn nth(self, n: u64) -> Self {
        Self { first: n, times: 1, ..self }
    }

    /// From the n-th matching request on.
    pub fn from(self, n: u64) -> Self {
        Self { first: n, times: u64::MAX, ..self }
    }

    /// Only on so many in a hundred of the matching requests, by chance.
    pub fn share(self, percent: usize, random: Random) -> Self {
        Self { share: Some((percent, random)), ..self }
    }

    /// On the first so many matching requests.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }
}

impl What {
    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: String::new() }
    }

    /// A SCIM error.
    pub fn error(status: u16, scim_type: Option<&str>) -> Self {
        Self::Reply {
            status,
            headers: vec![("content-type", "application/scim+json".into())],
            body: super::scim::error(status, scim_type).to_string(),
        }
    }

    /// A web page.
    pub fn html(status: u16) -> Self {
        let body = "<!doctype html><title>Sign in</title>".into();
        Self::Reply { status, headers: vec![("content-type", "text/html; charset=utf-8".into())], body }
    }

    /// JSON with 200.
    pub fn json(body: &str) -> Self {
        Self::Reply { status: 200, headers: vec![("content-type", "application/scim+json".into())], body: body.into() }
    }

    /// A status with `Retry-After`.
    pub fn retry_after(status: u16, value: &str) -> Self {
        Self::Reply { status, headers: vec![("retry-after", value.into())], body: String::new() }
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::Reply { status, headers: vec![("location", to.into())], body: String::new() }
    }
}

/// A fault that counts the requests it matches.
pub(super) struct Armed {
    fault: Fault,
    matched: u64,
}

impl Armed {
    pub fn new(fault: Fault) -> Self {
        Self { fault, matched: 0 }
    }

    /// What goes wrong with this request, if anything.
    pub fn meets(&mut self, request: &Entry) -> Option<What> {
        let Fault { method, path, query, first, times, share, what } = &mut self.fault;
        let path_matches = path.strip_suffix('*').map_or(request.path == *path, |prefix| request.path.starts_with(prefix));
        let query_matches = query.as_ref().is_none_or(|part| request.query.contains(part.as_str()));
        if !path_matches || !query_matches || method.is_some_and(|method| method != request.method.as_str()) {
            return None;
        }
        self.matched += 1;
        let meets = self.matched >= *first && self.matched - *first < *times;
        let by_chance = share.as_mut().is_none_or(|(percent, random)| random.percent(*percent));
        (meets && by_chance).then(|| what.clone())
    }
}
