//! Rows as they are read, and what they become.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::FromRow;

use crate::{
    domain::{
        hash::ShortHash,
        id::{AppId, PersonId},
        import_plan::KnownAccount,
        link::{Link, LinkOrigin, LinkState},
        person::{Person, PersonState},
        provision_plan::Failure,
        safeguard::RemovalFigures,
    },
    store::{Result, StoreError},
};

/// Columns of [`PersonRow`]; the table is `p`.
macro_rules! person_columns {
    () => {
        "p.id AS person_id, p.state AS person_state, p.profile"
    };
}

/// Columns of [`LinkRow`]; the tables are `p`, `a` and `v`.
macro_rules! link_columns {
    () => {
        "p.id AS link_person, a.app_id AS link_app_id, a.state AS link_state, a.origin, a.assigned, a.active AS link_active,
         a.missing, a.inputs, v.written, v.resource"
    };
}

/// The place of the integration `$alias` in the order of sources (SO-1): those that the Directory names, then the others by name.
macro_rules! source_rank {
    ($alias:literal) => {
        concat!(
            "coalesce((SELECT so.rank FROM source_order so WHERE so.organisation = ",
            $alias,
            ".organisation AND so.name = ",
            $alias,
            ".name), 1000000), ",
            $alias,
            ".name"
        )
    };
}

/// Is the integration `rival` a source that goes before the integration `?1`?
macro_rules! rival_goes_first {
    () => {
        concat!(
            "rival.source AND (",
            $crate::store::sqlite::rows::source_rank!("rival"),
            ") < (SELECT ",
            $crate::store::sqlite::rows::source_rank!("own"),
            " FROM integration own WHERE own.id = ?1)"
        )
    };
}

/// Is the integration `?1`, which is a source if `?2`, the effective source of the person of `a`: does no source that goes
/// before it have a live link to them (SO-1)? Whether a source moves to another host decides nothing (AI-9). The own link
/// is not asked for its state, so that a record which is back can be judged.
macro_rules! effective_source {
    () => {
        concat!(
            "CASE WHEN ?2 AND a.person IS NOT NULL THEN NOT EXISTS (
                SELECT 1 FROM account other CROSS JOIN integration rival ON rival.id = other.integration
                WHERE other.person = a.person AND other.state IN ('Live', 'UnprovenLive') AND ",
            $crate::store::sqlite::rows::rival_goes_first!(),
            ") ELSE 0 END"
        )
    };
}

/// Columns of [`KnownRow`]; the tables are `p`, `a` and `v`, `?1` and `?2` as for [`effective_source`].
macro_rules! known_columns {
    () => {
        concat!(
            $crate::store::sqlite::rows::effective_source!(),
            " AS effective, ",
            $crate::store::sqlite::rows::link_columns!(),
            ", p.state AS known_state, p.profile AS known_profile"
        )
    };
}

/// The numbers of SG-2: `s` is what the plan removes; `?2` the integration, `?3` the direction, `?4` the start of the
/// window. Links that are not proved at the app's present host count, too (AI-9). Columns of [`FiguresRow`].
macro_rules! removal_figures {
    () => {
        "w AS (SELECT app_id FROM removal WHERE integration = ?2 AND direction = ?3 AND at >= ?4),
        live AS (SELECT count(*) AS n FROM account WHERE integration = ?2 AND state IN ('Live', 'UnprovenLive'))
        SELECT (SELECT count(*) FROM s) AS planned,
            (SELECT count(*) FROM (SELECT app_id FROM s UNION SELECT app_id FROM w)) AS removed,
            live.n + (SELECT count(*) FROM w WHERE NOT EXISTS (
                SELECT 1 FROM account a WHERE a.integration = ?2 AND a.app_id = w.app_id AND a.state IN ('Live', 'UnprovenLive'))) AS population,
            live.n AS live FROM live"
    };
}

pub(super) use {effective_source, known_columns, link_columns, person_columns, removal_figures, rival_goes_first, source_rank};

/// Nothing sorts before this: where a walk over app ids starts. No app id is empty.
pub(super) fn start(after: Option<&AppId>) -> &str {
    after.map_or("", AppId::as_str)
}

/// Nothing sorts before no bytes: where a walk over people starts.
pub(super) fn start_person(after: Option<&PersonId>) -> &[u8] {
    after.map_or(&[], |person| person.as_bytes().as_slice())
}

#[derive(FromRow)]
pub(super) struct PersonRow {
    person_id: Vec<u8>,
    person_state: String,
    profile: String,
}

impl PersonRow {
    pub fn read(self) -> Result<Person> {
        person(person_id(&self.person_id)?, &self.person_state, &self.profile)
    }
}

fn person(id: PersonId, state: &str, profile: &str) -> Result<Person> {
    let state = PersonState::parse(state).ok_or(StoreError::Corrupt { what: "person.state" })?;
    Ok(Person { id, state, profile: from_json(profile, "person.profile")? })
}

/// A link of a left join: everything is there, or nothing.
#[derive(FromRow)]
pub(super) struct LinkRow {
    link_person: Option<Vec<u8>>,
    link_app_id: Option<String>,
    link_state: Option<String>,
    origin: Option<String>,
    assigned: Option<bool>,
    link_active: Option<bool>,
    missing: Option<u8>,
    inputs: Option<Vec<u8>>,
    written: Option<String>,
    resource: Option<String>,
}

impl LinkRow {
    /// The link, and from how many imports its account was missing.
    pub fn read(self) -> Result<Option<(Link, u8)>> {
        let Some(app_id) = self.link_app_id else { return Ok(None) };
        let corrupt = |what| StoreError::Corrupt { what };
        let link = Link {
            person: person_id(self.link_person.as_deref().unwrap_or_default())?,
            app_id: AppId::new(app_id),
            state: self.link_state.as_deref().and_then(LinkState::parse).ok_or(corrupt("account.state"))?,
            origin: self.origin.as_deref().and_then(LinkOrigin::parse).ok_or(corrupt("account.origin"))?,
            assigned: self.assigned.ok_or(corrupt("account.assigned"))?,
            active: self.link_active.ok_or(corrupt("account.active"))?,
            written: self.written.map(|text| from_json(&text, "account_values.written")).transpose()?.unwrap_or_default(),
            inputs: self.inputs.map(|bytes| hash(&bytes, "account.inputs")).transpose()?,
            resource: self.resource.map(|text| from_json(&text, "account_values.resource")).transpose()?,
        };
        Ok(Some((link, self.missing.ok_or(corrupt("account.missing"))?)))
    }
}

/// What is known of an account, of a left join.
#[derive(FromRow)]
pub(super) struct KnownRow {
    effective: bool,
    #[sqlx(flatten)]
    link: LinkRow,
    known_state: Option<String>,
    known_profile: Option<String>,
}

impl KnownRow {
    pub fn read(self) -> Result<Option<KnownAccount>> {
        match (self.link.read()?, self.known_state, self.known_profile) {
            (Some((link, missing)), Some(state), Some(profile)) => {
                let person = person(link.person, &state, &profile)?;
                Ok(Some(KnownAccount { link, person, effective_source: self.effective, missing }))
            }
            (None, ..) => Ok(None),
            (Some(_), ..) => Err(StoreError::Corrupt { what: "account.person" }),
        }
    }
}

#[derive(FromRow)]
pub(super) struct FailureRow {
    failed_inputs: Option<Vec<u8>>,
    attempts: Option<u32>,
    next_attempt: Option<i64>,
}

impl FailureRow {
    pub fn read(self) -> Result<Option<Failure>> {
        let (Some(inputs), Some(attempts), Some(next_attempt)) = (self.failed_inputs, self.attempts, self.next_attempt) else {
            return Ok(None);
        };
        let next_attempt = timestamp(next_attempt, "failure.next_attempt")?;
        Ok(Some(Failure { inputs: hash(&inputs, "failure.inputs")?, attempts, next_attempt }))
    }
}

#[derive(FromRow)]
pub(super) struct FiguresRow {
    planned: i64,
    removed: i64,
    population: i64,
    live: i64,
}

impl FiguresRow {
    pub fn read(self) -> RemovalFigures {
        let Self { planned, removed, population, live } = self;
        RemovalFigures { planned: count(planned), removed: count(removed), population: count(population), live: count(live) }
    }
}

pub(super) fn person_id(bytes: &[u8]) -> Result<PersonId> {
    bytes.try_into().map(PersonId::from_bytes).map_err(|_| StoreError::Corrupt { what: "person.id" })
}

pub(super) fn hash(bytes: &[u8], what: &'static str) -> Result<ShortHash> {
    bytes.try_into().map(ShortHash).map_err(|_| StoreError::Corrupt { what })
}

pub(super) fn timestamp(milliseconds: i64, what: &'static str) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| StoreError::Corrupt { what })
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    // The cause is left out: it quotes the text, and the text is personal data.
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what })
}

pub(super) fn to_json<T: Serialize>(value: &T, what: &'static str) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt { what })
}

/// A number of rows.
pub(super) fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

/// The list at a position that was sent along with a lookup.
pub(super) fn slot<T>(lists: &mut [Vec<T>], position: i64) -> Result<&mut Vec<T>> {
    let index = usize::try_from(position).map_err(|_| StoreError::Corrupt { what: "position" })?;
    lists.get_mut(index).ok_or(StoreError::Corrupt { what: "position" })
}
