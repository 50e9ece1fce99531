//! The plan of a provisioning pass.

use jiff::Timestamp;

use super::{
    SqliteStore, bulk,
    rows::{self, FiguresRow},
    tally::Tally as _,
};
use crate::{
    domain::{
        counts::ProvisionCounts,
        id::{AppId, PersonId},
        provision_plan::{ProvisionAction, ProvisionKind},
        report::ActionClass,
        safeguard::RemovalFigures,
    },
    store::{Claim, Direction, Result},
};

const PAGE: &str = "SELECT person, action FROM provision_action WHERE run = ?1 AND class = ?2 AND person > ?3
    ORDER BY person LIMIT ?4";

impl SqliteStore {
    pub(super) async fn put_provision_plan(&self, claim: &Claim, actions: &[(PersonId, ProvisionAction)]) -> Result<()> {
        const INTO: &str = "INSERT INTO provision_action (run, person, class, counts, removes, action) ";
        const REPLACING: &str = " ON CONFLICT (run, person) DO UPDATE SET
            class = excluded.class, counts = excluded.counts, removes = excluded.removes, action = excluded.action";
        let texts: Vec<(&PersonId, &ProvisionKind, String)> = actions
            .iter()
            .map(|(person, action)| Ok((person, &action.kind, rows::to_json(action, "provision_action.action")?)))
            .collect::<Result<_>>()?;
        let (mut write, _) = self.write_as(claim).await?;
        bulk::insert(&mut write, INTO, REPLACING, &texts, |mut values, (person, kind, text)| {
            let removes = removed_account(kind);
            values.push_bind(claim.run.0).push_bind(person.as_bytes().as_slice()).push_bind(class_word(kind.class()));
            values.push_bind(kind.counts().bits()).push_bind(removes.map(AppId::as_str)).push_bind(text.as_str());
        })
        .await?;
        write.commit().await
    }

    pub(super) async fn read_provision_plan(
        &self,
        claim: &Claim,
        class: Option<ActionClass>,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_actions_under(claim, class_word(class), after, limit).await
    }

    pub(super) async fn read_provision_texts(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, String)>> {
        self.read_plan_page(PAGE, claim, class.as_str(), after, limit).await
    }

    pub(super) async fn read_new_account_names(
        &self,
        claim: &Claim,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, String)>> {
        const NAMES: &str = "SELECT person, action ->> '$.kind.Create.resource.userName' AS name FROM provision_action
            WHERE run = ?1 AND class = ?2 AND person > ?3 AND name IS NOT NULL ORDER BY person LIMIT ?4";
        self.read_plan_page(NAMES, claim, ActionClass::Creates.as_str(), after, limit).await
    }

    pub(super) async fn read_provision_plan_of(&self, claim: &Claim, people: &[PersonId]) -> Result<Vec<(PersonId, ProvisionAction)>> {
        const OF: &str = "SELECT a.person, a.action FROM json_each(?2) k
            CROSS JOIN provision_action a ON a.run = ?1 AND a.person = unhex(k.value)";
        let ids: Vec<String> = people.iter().map(|person| hex::encode(person.as_bytes())).collect();
        let found: Vec<(Vec<u8>, String)> =
            sqlx::query_as(OF).bind(claim.run.0).bind(rows::to_json(&ids, "people")?).fetch_all(&self.connections.readers).await?;
        found.into_iter().map(|(person, text)| read_action(&(rows::person_id(&person)?, text))).collect()
    }

    /// The next actions that stand under this word for their class.
    pub(super) async fn read_actions_under(
        &self,
        claim: &Claim,
        class: &'static str,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_plan_page(PAGE, claim, class, after, limit).await?.iter().map(read_action).collect()
    }

    /// A page of a statement over the run (`?1`), a class (`?2`) and the people after one (`?3`).
    async fn read_plan_page(
        &self,
        statement: &'static str,
        claim: &Claim,
        class: &'static str,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, String)>> {
        let page: Vec<(Vec<u8>, String)> = sqlx::query_as(statement)
            .bind(claim.run.0)
            .bind(class)
            .bind(rows::start_person(after.as_ref()))
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await?;
        page.into_iter().map(|(person, text)| Ok((rows::person_id(&person)?, text))).collect()
    }

    pub(super) async fn count_provision_plan(&self, claim: &Claim) -> Result<ProvisionCounts> {
        const COUNT: &str = "SELECT counts, count(*) FROM provision_action WHERE run = ?1 GROUP BY counts";
        let sums: Vec<(i64, i64)> = sqlx::query_as(COUNT).bind(claim.run.0).fetch_all(&self.connections.readers).await?;
        let mut counts = ProvisionCounts::default();
        for (bits, times) in sums {
            counts.add_bits(bits, rows::count(times));
        }
        Ok(counts)
    }

    pub(super) async fn figure_provision_removals(&self, claim: &Claim, since: Timestamp) -> Result<RemovalFigures> {
        const FIGURES: &str = concat!(
            "WITH s AS (SELECT DISTINCT removes AS app_id FROM provision_action WHERE run = ?1 AND removes IS NOT NULL), ",
            rows::removal_figures!()
        );
        let scope = self.scope(&claim.integration).await?;
        let figures: FiguresRow = sqlx::query_as(FIGURES)
            .bind(claim.run.0)
            .bind(scope.integration)
            .bind(Direction::ToApp.as_str())
            .bind(since.as_millisecond())
            .fetch_one(&self.connections.readers)
            .await?;
        Ok(figures.read())
    }
}

fn read_action((person, text): &(PersonId, String)) -> Result<(PersonId, ProvisionAction)> {
    Ok((*person, rows::from_json(text, "provision_action.action")?))
}

fn class_word(class: Option<ActionClass>) -> &'static str {
    class.map_or("None", ActionClass::as_str)
}

/// The account that an action takes away.
fn removed_account(kind: &ProvisionKind) -> Option<&AppId> {
    match kind {
        ProvisionKind::Deactivate { app_id } => Some(app_id),
        _ => None,
    }
}
