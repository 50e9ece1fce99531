//! Decide: record by record over the staging, in the order of their app ids.

use std::collections::HashSet;

use super::{Early, ImportJob, Planned};
use crate::{
    domain::{
        counts::ImportCounts,
        hash::DigestBuilder,
        id::{AppId, PersonId},
        import_decision::{self, Evidence, Twice},
        import_plan::{ImportAction, MappedRecord, MatchKeys, StagedRow},
        matching::{Candidates, PersonHit, exact_matches},
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

/// What every decision of a listing needs to know of the others.
pub(super) struct Given {
    repeated: Repeated,
    claimed: HashSet<PersonId>,
}

impl Planning {
    pub(super) fn add(&mut self, actions: &[ImportAction]) {
        for action in actions {
            self.counts += action.counts();
            self.rows += 1;
            if action.is_decided_on() {
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

/// Keys that more than one unlinked record has.
#[derive(Default)]
struct Repeated {
    user_names: HashSet<String>,
    emails: HashSet<String>,
    attributes: HashSet<String>,
    names: HashSet<String>,
}

/// Who may be the records of a page, by each of their keys: one list per record.
struct People {
    user_names: Vec<Vec<PersonHit>>,
    emails: Vec<Vec<PersonHit>>,
    attributes: Vec<Vec<PersonHit>>,
    names: Vec<Vec<PersonHit>>,
}

impl ImportJob {
    pub(super) async fn decide(&self, claim: &Claim) -> Result<Planning, Early> {
        let given = self.given(claim).await?;
        let mut planning = Planning::default();
        let mut after: Option<AppId> = None;
        loop {
            let rows = self.store.staged_page(claim, after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(planning) };
            after = Some(last.staged.app_id.clone());
            let mut actions = Vec::with_capacity(rows.len());
            for (row, decision) in rows.iter().zip(self.decide_page(claim, &rows, &given).await?) {
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

    /// What every decision of a listing needs to know of the others.
    pub(super) async fn given(&self, claim: &Claim) -> Result<Given, Early> {
        Ok(Given { repeated: self.repeated(claim).await?, claimed: self.claimed(claim).await? })
    }

    /// What becomes of each row; `None`: nothing.
    pub(super) async fn decide_page(&self, claim: &Claim, rows: &[StagedRow], given: &Given) -> Result<Vec<Option<ImportAction>>, Early> {
        let people = self.people(claim, rows).await?;
        let decide = |(index, row): (usize, &StagedRow)| {
            let candidates = people.of(index);
            let evidence = Evidence {
                row,
                candidates,
                twice: given.repeated.of(row),
                claimed: candidates.by_names.iter().any(|hit| given.claimed.contains(&hit.person.id)),
            };
            import_decision::decide(evidence, &self.rules)
        };
        Ok(rows.iter().enumerate().map(decide).collect())
    }

    async fn repeated(&self, claim: &Claim) -> Result<Repeated, Early> {
        let matching = &self.rules.matching;
        let mut repeated = Repeated { user_names: self.store.staged_duplicates(claim, PersonKey::UserName).await?, ..Repeated::default() };
        if matching.email {
            repeated.emails = self.store.staged_duplicates(claim, PersonKey::Email).await?;
        }
        if let Some(attribute) = &matching.attribute {
            repeated.attributes = self.store.staged_duplicates(claim, PersonKey::Attribute(attribute)).await?;
        }
        if matching.partial {
            repeated.names = self.store.staged_duplicates(claim, PersonKey::Names).await?;
        }
        Ok(repeated)
    }

    /// People whom unlinked records of this import match exactly, even if not only them. Asked only if partial matches are linked by
    /// themselves: otherwise two records could be linked to one person, and the order of their ids would tell which (MT-5).
    async fn claimed(&self, claim: &Claim) -> Result<HashSet<PersonId>, Early> {
        let mut claimed = HashSet::new();
        if !self.rules.matching.partial || !self.rules.confirmation.partial_automatic {
            return Ok(claimed);
        }
        let mut after: Option<AppId> = None;
        loop {
            let rows = self.store.staged_page(claim, after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(claimed) };
            after = Some(last.staged.app_id.clone());
            let people = self.people(claim, &rows).await?;
            for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.is_unlinked() && row.staged.active) {
                let Ok(mapped) = &row.staged.mapped else { continue };
                claimed.extend(exact_matches(mapped, people.of(index), &self.rules.matching).map(|hit| hit.person.id));
            }
        }
    }

    async fn people(&self, claim: &Claim, rows: &[StagedRow]) -> Result<People, Early> {
        let matching = &self.rules.matching;
        let user_names = keys(rows, |row| folded(row, |mapped| mapped.profile.user_name()));
        let emails = keys(rows, |row| folded(row, |mapped| mapped.profile.email()).filter(|_| matching.email));
        // Who is linked is not matched again (MT-1).
        let attributes = keys(rows, |row| row.staged.keys.attribute.clone().filter(|_| row.is_unlinked()));
        let names = keys(rows, |row| row.staged.keys.names.clone().filter(|_| row.is_unlinked()));
        let attribute = PersonKey::Attribute(matching.attribute.as_deref().unwrap_or_default());
        Ok(People {
            user_names: self.find(claim, PersonKey::UserName, &user_names).await?,
            emails: self.find(claim, PersonKey::Email, &emails).await?,
            attributes: self.find(claim, attribute, &attributes).await?,
            names: self.find(claim, PersonKey::Names, &names).await?,
        })
    }

    /// People under each of the keys; where there is no key there is nobody.
    async fn find(&self, claim: &Claim, key: PersonKey<'_>, keys: &[Option<String>]) -> Result<Vec<Vec<PersonHit>>, Early> {
        let wanted: Vec<String> = keys.iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return Ok(vec![Vec::new(); keys.len()]);
        }
        let mut found = self.store.people_by_key(claim, key, &wanted).await?.into_iter();
        Ok(keys.iter().map(|key| key.as_ref().and_then(|_| found.next()).unwrap_or_default()).collect())
    }
}

impl People {
    fn of(&self, index: usize) -> Candidates<'_> {
        Candidates {
            by_user_name: &self.user_names[index],
            by_email: &self.emails[index],
            by_attribute: &self.attributes[index],
            by_names: &self.names[index],
        }
    }
}

impl Repeated {
    fn of(&self, row: &StagedRow) -> Twice {
        // Nearly always there are none, and then no key is made.
        let is_in = |repeated: &HashSet<String>, key: &dyn Fn() -> Option<String>| {
            !repeated.is_empty() && key().is_some_and(|key| repeated.contains(&key))
        };
        let MatchKeys { attribute, names } = &row.staged.keys;
        Twice {
            user_name: is_in(&self.user_names, &|| folded(row, |mapped| mapped.profile.user_name())),
            email: is_in(&self.emails, &|| folded(row, |mapped| mapped.profile.email())),
            attribute: attribute.as_ref().is_some_and(|key| self.attributes.contains(key)),
            names: names.as_ref().is_some_and(|key| self.names.contains(key)),
        }
    }
}

fn keys(rows: &[StagedRow], key: impl Fn(&StagedRow) -> Option<String>) -> Vec<Option<String>> {
    rows.iter().map(key).collect()
}

fn folded(row: &StagedRow, value: impl Fn(&MappedRecord) -> Option<&str>) -> Option<String> {
    row.staged.mapped.as_ref().ok().and_then(value).filter(|text| !text.is_empty()).map(fold_key)
}
