//! The plan of an import: the exact actions that a digest stands for, and what its safeguards count.

use jiff::Timestamp;

use super::{
    SqliteStore, bulk,
    rows::{self, FiguresRow},
    scope::Write,
    tally::Tally as _,
};
use crate::{
    domain::{
        id::{AppId, PersonId, RunId},
        import_plan::{AccountWrite, CandidateWrite, ImportAction, LinkWrite, PersonWrite},
        person::PersonState,
        profile::Profile,
        safeguard::RemovalFigures,
    },
    store::{Claim, Direction, Result, fold_key},
};

/// What of an action is a column of its own.
#[derive(Default)]
struct Columns<'a> {
    seen: bool,
    hash: Option<&'a [u8]>,
    active: Option<bool>,
    missing: Option<u8>,
    link: Option<&'static str>,
    link_person: Option<&'a PersonId>,
    person: Option<&'static str>,
    person_id: Option<&'a PersonId>,
    state: Option<&'static str>,
    profile: Option<&'a Profile>,
    candidate: Option<&'static str>,
}

impl SqliteStore {
    pub(super) async fn append_import_plan(&self, claim: &Claim, actions: &[ImportAction]) -> Result<()> {
        let texts = texts(actions)?;
        let (mut write, _) = self.write_as(claim).await?;
        insert(&mut write, claim.run, &texts).await?;
        write.commit().await
    }

    pub(super) async fn read_import_plan(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<ImportAction>> {
        const PAGE: &str = "SELECT action FROM import_action WHERE run = ?1 AND app_id > ?2 ORDER BY app_id LIMIT ?3";
        let page: Vec<String> =
            sqlx::query_scalar(PAGE).bind(claim.run.0).bind(rows::start(after)).bind(limit).fetch_all(&self.connections.readers).await?;
        page.iter().map(|text| rows::from_json(text, "import_action.action")).collect()
    }

    pub(super) async fn figure_import_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures> {
        const FIGURES: &str =
            concat!("WITH s AS (SELECT app_id FROM import_action WHERE run = ?1 AND removes), ", rows::removal_figures!());
        let scope = self.scope(&claim.integration).await?;
        let figures: FiguresRow = sqlx::query_as(FIGURES)
            .bind(claim.run.0)
            .bind(scope.integration)
            .bind(Direction::ToDirectory.as_str())
            .bind(since.as_millisecond())
            .fetch_one(&self.connections.readers)
            .await?;
        Ok(figures.read())
    }
}

/// Actions with their texts, which are made before the gate is taken.
pub(super) fn texts(actions: &[ImportAction]) -> Result<Vec<(&ImportAction, String)>> {
    actions.iter().map(|action| Ok((action, rows::to_json(action, "import_action.action")?))).collect()
}

/// Appends to the plan of a run.
pub(super) async fn insert(write: &mut Write, run: RunId, texts: &[(&ImportAction, String)]) -> Result<()> {
    // A batch that is sent again after a lost answer replaces itself.
    const INTO: &str = "INSERT OR REPLACE INTO import_action (run, app_id, counts, removes, seen, hash, active, missing, link,
        link_person, person, person_id, state, profile, user_name_key, email_key, candidate, action) ";
    bulk::insert(write, INTO, "", texts, |mut values, (action, text)| {
        let columns = columns(action);
        values.push_bind(run.0).push_bind(action.app_id.as_str()).push_bind(action.counts().bits()).push_bind(action.removes);
        values.push_bind(columns.seen).push_bind(columns.hash).push_bind(columns.active).push_bind(columns.missing);
        values.push_bind(columns.link).push_bind(columns.link_person.map(|id| id.as_bytes().as_slice()));
        values.push_bind(columns.person).push_bind(columns.person_id.map(|id| id.as_bytes().as_slice())).push_bind(columns.state);
        values.push_bind(columns.profile.is_some());
        values.push_bind(columns.profile.and_then(Profile::user_name).map(fold_key));
        values.push_bind(columns.profile.and_then(Profile::email).map(fold_key));
        values.push_bind(columns.candidate).push_bind(text.as_str());
    })
    .await
}

fn columns(action: &ImportAction) -> Columns<'_> {
    let mut columns = Columns::default();
    match &action.account {
        AccountWrite::Keep => {}
        AccountWrite::Seen { hash, active } => {
            columns.seen = true;
            columns.hash = hash.as_ref().map(|hash| hash.0.as_slice());
            columns.active = Some(*active);
        }
        AccountWrite::Missing { times } => columns.missing = Some(*times),
    }
    match &action.link {
        LinkWrite::Keep => {}
        LinkWrite::Create { person } => (columns.link, columns.link_person) = (Some("Create"), Some(person)),
        LinkWrite::End { person } => (columns.link, columns.link_person) = (Some("End"), Some(person)),
    }
    match &action.person {
        PersonWrite::Keep => {}
        PersonWrite::Create { id, state, profile } => {
            (columns.person, columns.person_id) = (Some("Create"), Some(id));
            (columns.state, columns.profile) = (Some(state.as_str()), Some(profile));
        }
        PersonWrite::Change { id, profile, state } => {
            (columns.person, columns.person_id) = (Some("Change"), Some(id));
            (columns.state, columns.profile) = (state.map(PersonState::as_str), profile.as_ref());
        }
    }
    columns.candidate = match &action.candidate {
        CandidateWrite::Keep => None,
        CandidateWrite::Put(_) => Some("Put"),
        CandidateWrite::Remove => Some("Remove"),
    };
    columns
}
