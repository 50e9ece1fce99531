//! At which host an integration's links were made, and which of them are proved at the present one (AI-9).

use super::{
    SqliteStore,
    rows::{self, KnownRow, known_columns},
};
use crate::{
    domain::{
        account::Record,
        id::{AppId, IntegrationKey},
        import_plan::KnownAccount,
    },
    store::{Claim, Result, StoreError},
};

const UNPROVE: &str = "UPDATE account SET state = CASE state
        WHEN 'Live' THEN 'UnprovenLive' WHEN 'EndedByAbsence' THEN 'UnprovenAbsence' ELSE 'UnprovenRemoval' END
    WHERE integration = ?1 AND state IN ('Live', 'EndedByAbsence', 'EndedByRemoval')";

/// Whom a record was proposed for says nothing of the record that has its id at another host.
const FORGET_CANDIDATES: &str = "DELETE FROM candidate WHERE integration = ?1";

/// What a run of the other direction still hears from the former host is no news of the present one.
const END_OTHER_RUNS: &str = "UPDATE lease SET epoch = epoch + 1 WHERE integration = ?1 AND direction <> ?2";

/// What was kept of the account was how it looked at the former host.
pub(super) const REFRESH: &str = "INSERT INTO account_values (integration, app_id, written, resource)
    SELECT v.integration, v.app_id, v.written, k.value -> 1 FROM json_each(?2) k
    CROSS JOIN account a ON a.integration = ?1 AND a.app_id = k.value ->> 0
    CROSS JOIN account_values v ON v.integration = ?1 AND v.app_id = a.app_id
    WHERE a.state >= 'Unproven' AND v.resource IS NOT NULL ON CONFLICT (integration, app_id) DO UPDATE SET resource = excluded.resource";

pub(super) const PROVE: &str = "UPDATE account SET missing = 0, state = CASE state
        WHEN 'UnprovenLive' THEN 'Live' WHEN 'UnprovenAbsence' THEN 'EndedByAbsence' ELSE 'EndedByRemoval' END
    WHERE integration = ?1 AND app_id IN (SELECT k.value ->> 0 FROM json_each(?2) k)
      AND state >= 'Unproven'";

/// The next accounts (`?4`) with an unproven link after `?3`.
pub(super) const UNPROVEN: &str = concat!(
    "SELECT ",
    known_columns!(),
    " FROM account a INDEXED BY account_unproven CROSS JOIN person p ON p.pk = a.person
    LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id
    WHERE a.integration = ?1 AND a.app_id > ?3 AND a.state >= 'Unproven' ORDER BY a.app_id LIMIT ?4"
);

impl SqliteStore {
    pub(super) async fn move_to_host(&self, claim: &Claim, host: &str) -> Result<Option<u64>> {
        let (mut write, scope) = self.write_as(claim).await?;
        let before: Option<String> =
            sqlx::query_scalar("SELECT host FROM integration WHERE id = ?1").bind(scope.integration).fetch_one(&mut *write).await?;
        if before.as_deref() == Some(host) {
            return Ok(None);
        }
        sqlx::query("UPDATE integration SET host = ?1 WHERE id = ?2").bind(host).bind(scope.integration).execute(&mut *write).await?;
        let mut unproven = None;
        if before.is_some() {
            sqlx::query(UNPROVE).bind(scope.integration).execute(&mut *write).await?;
            sqlx::query(FORGET_CANDIDATES).bind(scope.integration).execute(&mut *write).await?;
            sqlx::query(END_OTHER_RUNS).bind(scope.integration).bind(claim.direction.as_str()).execute(&mut *write).await?;
            let links = sqlx::query_scalar("SELECT count(*) FROM account WHERE integration = ?1");
            unproven = Some(rows::count(links.bind(scope.integration).fetch_one(&mut *write).await?));
        }
        write.commit().await?;
        Ok(unproven)
    }

    pub(super) async fn read_unproven_accounts(
        &self,
        integration: &IntegrationKey,
        after: Option<&AppId>,
        limit: u32,
    ) -> Result<Vec<KnownAccount>> {
        let scope = self.scope(integration).await?;
        let page: Vec<KnownRow> = sqlx::query_as(UNPROVEN)
            .bind(scope.integration)
            .bind(scope.policy_source)
            .bind(rows::start(after))
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await?;
        page.into_iter().map(|row| row.read()?.ok_or(StoreError::Corrupt { what: "account" })).collect()
    }

    pub(super) async fn store_proofs(&self, claim: &Claim, accounts: &[Record]) -> Result<()> {
        let accounts: Vec<_> = accounts.iter().map(|account| (&account.id, &account.resource)).collect();
        let accounts = rows::to_json(&accounts, "account_values.resource")?;
        let (mut write, scope) = self.write_as(claim).await?;
        for statement in [REFRESH, PROVE] {
            sqlx::query(statement).bind(scope.integration).bind(&accounts).execute(&mut *write).await?;
        }
        write.commit().await
    }
}
