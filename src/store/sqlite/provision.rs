//! What a provisioning pass reads of people, and what it learns about them without a request.

use sqlx::FromRow;

use super::{
    SqliteStore,
    rows::{self, FailureRow, LinkRow, PersonRow, effective_source, link_columns, person_columns},
};
use crate::{
    domain::{
        hash::ShortHash,
        id::{IntegrationKey, PersonId},
        provision_plan::{Failure, ProvisionRow},
    },
    store::{Claim, Result},
};

#[derive(FromRow)]
struct ProvisionColumns {
    source: bool,
    #[sqlx(flatten)]
    person: PersonRow,
    #[sqlx(flatten)]
    link: LinkRow,
    #[sqlx(flatten)]
    failure: FailureRow,
}

pub(super) const CONFIRM: &str = "WITH confirmed AS MATERIALIZED (
        SELECT p.pk, unhex(k.value ->> 1) AS inputs FROM json_each(?3) k
        CROSS JOIN person p ON p.organisation = ?1 AND p.id = unhex(k.value ->> 0))
    UPDATE account INDEXED BY account_person SET inputs = confirmed.inputs, assigned = 1 FROM confirmed
    WHERE account.person = confirmed.pk AND account.integration = ?2 AND account.state = 'Live'";

/// An account that is as it should be has no failed attempt to be repeated.
const FORGIVE: &str = "DELETE FROM failure WHERE integration = ?2 AND person IN (SELECT p.pk FROM json_each(?3) k
    CROSS JOIN person p ON p.organisation = ?1 AND p.id = unhex(k.value ->> 0))";

impl SqliteStore {
    pub(super) async fn read_provision_page(
        &self,
        integration: &IntegrationKey,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<ProvisionRow>> {
        const PAGE: &str = concat!(
            "SELECT coalesce(a.state IN ('Live', 'UnprovenLive'), 0) AND ",
            effective_source!(),
            " AS source, ",
            person_columns!(),
            ", ",
            link_columns!(),
            ", f.inputs AS failed_inputs, f.attempts, f.next_attempt
            FROM person p LEFT JOIN account a ON a.person = p.pk AND a.integration = ?1
            LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id
            LEFT JOIN failure f ON f.integration = ?1 AND f.person = p.pk
            WHERE p.organisation = ?3 AND p.id > ?4 ORDER BY p.id LIMIT ?5"
        );
        let scope = self.scope(integration).await?;
        let page: Vec<ProvisionColumns> = sqlx::query_as(PAGE)
            .bind(scope.integration)
            .bind(scope.source)
            .bind(scope.organisation)
            .bind(rows::start_person(after.as_ref()))
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await?;
        page.into_iter().map(ProvisionColumns::read).collect()
    }

    pub(super) async fn store_unchanged(&self, claim: &Claim, people: &[(PersonId, ShortHash)]) -> Result<()> {
        let pairs: Vec<(String, ShortHash)> = people.iter().map(|(person, inputs)| (hex::encode(person.as_bytes()), *inputs)).collect();
        let pairs = rows::to_json(&pairs, "confirmed")?;
        let (mut write, scope) = self.write_as(claim).await?;
        for statement in [CONFIRM, FORGIVE] {
            sqlx::query(statement).bind(scope.organisation).bind(scope.integration).bind(&pairs).execute(&mut *write).await?;
        }
        write.commit().await
    }

    pub(super) async fn store_failures(&self, claim: &Claim, failures: &[(PersonId, Failure)]) -> Result<()> {
        const STORE: &str = "INSERT INTO failure (integration, person, inputs, attempts, next_attempt)
            SELECT ?2, p.pk, unhex(k.value ->> 1), k.value ->> 2, k.value ->> 3 FROM json_each(?3) k
            CROSS JOIN person p ON p.organisation = ?1 AND p.id = unhex(k.value ->> 0) WHERE true
            ON CONFLICT (integration, person) DO UPDATE SET
                inputs = excluded.inputs, attempts = excluded.attempts, next_attempt = excluded.next_attempt";
        let entries: Vec<(String, ShortHash, u32, i64)> = failures
            .iter()
            .map(|(person, failure)| {
                let next_attempt = failure.next_attempt.as_millisecond();
                (hex::encode(person.as_bytes()), failure.inputs, failure.attempts, next_attempt)
            })
            .collect();
        let entries = rows::to_json(&entries, "failures")?;
        let (mut write, scope) = self.write_as(claim).await?;
        sqlx::query(STORE).bind(scope.organisation).bind(scope.integration).bind(entries).execute(&mut *write).await?;
        write.commit().await
    }
}

impl ProvisionColumns {
    fn read(self) -> Result<ProvisionRow> {
        let link = self.link.read()?.map(|(link, _)| link);
        Ok(ProvisionRow { person: self.person.read()?, link, source: self.source, failure: self.failure.read()? })
    }
}
