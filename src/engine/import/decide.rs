//! Decide: record by record over the staging, in the order of their app ids.

use std::collections::HashSet;

use super::{Early, ImportJob, Planned};
use crate::{
    domain::{
        counts::ImportCounts,
        hash::DigestBuilder,
        id::AppId,
        import_decision::{self, Evidence},
        import_plan::{ImportAction, MappedRecord, StagedRow},
        matching::{Candidates, PersonHit},
    },
    store::{Claim, PersonKey, fold_key},
};

/// How many records are decided at once.
pub(super) const BATCH: u32 = 1000;

/// A plan in the making.
#[derive(Default)]
pub(super) struct Planning {
    counts: ImportCounts,
    digest: DigestBuilder,
    rows: u64,
}

/// What more than one record of a listing has.
pub(super) struct Twice {
    user_names: HashSet<String>,
    emails: HashSet<String>,
}

impl Planning {
    pub(super) fn add(&mut self, actions: &[ImportAction]) {
        for action in actions {
            self.counts += action.counts();
            self.rows += 1;
            if action.changes_directory() {
                action.feed(&mut self.digest);
            }
        }
    }

    pub(super) fn add_unchanged(&mut self, unchanged: u64) {
        self.counts.unchanged += unchanged;
    }

    pub(super) fn finish(self) -> Planned {
        Planned { counts: self.counts, digest: self.digest.finish(), rows: self.rows }
    }
}

impl ImportJob {
    pub(super) async fn decide(&self, claim: &Claim) -> Result<Planning, Early> {
        let twice = self.twice(claim).await?;
        let mut planning = Planning::default();
        let mut after: Option<AppId> = None;
        loop {
            let rows = self.store.staged_page(claim, after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(planning) };
            after = Some(last.staged.app_id.clone());
            let mut actions = Vec::with_capacity(rows.len());
            for (row, decision) in rows.iter().zip(self.decide_page(claim, &rows, &twice).await?) {
                match decision {
                    Some(action) => {
                        let quiet = row.known.is_some() && !action.changes_directory() && action.counts() == ImportCounts::default();
                        planning.counts.unchanged += u64::from(quiet);
                        actions.push(action);
                    }
                    None => planning.counts.unchanged += 1,
                }
            }
            self.store.plan_import(claim, &actions).await?;
            planning.add(&actions);
        }
    }

    pub(super) async fn twice(&self, claim: &Claim) -> Result<Twice, Early> {
        Ok(Twice {
            user_names: self.store.staged_duplicates(claim, PersonKey::UserName).await?,
            emails: match self.rules.matching.email {
                true => self.store.staged_duplicates(claim, PersonKey::Email).await?,
                false => HashSet::new(),
            },
        })
    }

    /// What becomes of each row; `None`: nothing.
    pub(super) async fn decide_page(&self, claim: &Claim, rows: &[StagedRow], twice: &Twice) -> Result<Vec<Option<ImportAction>>, Early> {
        let by_user_name = self.people(claim, PersonKey::UserName, rows, |mapped| mapped.profile.user_name()).await?;
        let by_email = match self.rules.matching.email {
            true => self.people(claim, PersonKey::Email, rows, |mapped| mapped.profile.email()).await?,
            false => vec![Vec::new(); rows.len()],
        };
        let decide = |(index, row): (usize, &StagedRow)| {
            let evidence = Evidence {
                row,
                candidates: Candidates { by_user_name: &by_user_name[index], by_email: &by_email[index] },
                user_name_twice: is_twice(row, &twice.user_names, |mapped| mapped.profile.user_name()),
                email_twice: is_twice(row, &twice.emails, |mapped| mapped.profile.email()),
            };
            import_decision::decide(evidence, &self.rules)
        };
        Ok(rows.iter().enumerate().map(decide).collect())
    }

    /// People under the key of each row; a row without that attribute has none.
    async fn people<'a>(
        &self,
        claim: &Claim,
        key: PersonKey,
        rows: &'a [StagedRow],
        value: impl Fn(&'a MappedRecord) -> Option<&'a str>,
    ) -> Result<Vec<Vec<PersonHit>>, Early> {
        let keys: Vec<Option<String>> = rows.iter().map(|row| folded(row, &value)).collect();
        let wanted: Vec<String> = keys.iter().flatten().cloned().collect();
        let mut found = self.store.people_by_key(claim, key, &wanted).await?.into_iter();
        Ok(keys.iter().map(|key| key.as_ref().and_then(|_| found.next()).unwrap_or_default()).collect())
    }
}

fn folded<'a>(row: &'a StagedRow, value: &impl Fn(&'a MappedRecord) -> Option<&'a str>) -> Option<String> {
    row.staged.mapped.as_ref().ok().and_then(value).filter(|text| !text.is_empty()).map(fold_key)
}

fn is_twice<'a>(row: &'a StagedRow, twice: &HashSet<String>, value: impl Fn(&'a MappedRecord) -> Option<&'a str>) -> bool {
    !twice.is_empty() && folded(row, &value).is_some_and(|key| twice.contains(&key))
}
