//! After a change of host: which listed records show themselves to be the accounts that links speak of (AI-9).

use std::collections::HashMap;

use super::ImportJob;
use crate::{
    connector::ListedRecord,
    domain::{account::Record, hash::ShortHash, id::AppId, proof::Remembered},
    store::{Claim, Result},
};

/// How many links are read at once.
const BATCH: u32 = 5000;

/// What the links that are not proved yet remember, by the hash of their app id.
#[derive(Default)]
pub(super) struct Unproven(HashMap<ShortHash, Remembered>);

impl Unproven {
    fn of(&self, id: &AppId) -> Option<&Remembered> {
        self.0.get(&ShortHash::of(id.as_str().as_bytes()))
    }
}

impl ImportJob {
    pub(super) async fn unproven(&self) -> Result<Unproven> {
        let mut unproven = Unproven::default();
        let mut after: Option<AppId> = None;
        loop {
            let page = self.store.unproven_accounts(&self.rules.integration, after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else { return Ok(unproven) };
            after = Some(last.link.app_id.clone());
            for known in &page {
                let id = ShortHash::of(known.link.app_id.as_str().as_bytes());
                unproven.0.insert(id, Remembered::of(&known.link, known.person.profile.user_name()));
            }
        }
    }

    /// Proves the links of those records of a page that show themselves. What is proved stays so, whether or not the listing
    /// turns out to be complete: it was read at the present host.
    pub(super) async fn prove_links(&self, claim: &Claim, unproven: &Unproven, page: &[ListedRecord]) -> Result<()> {
        let shown = |listed: &ListedRecord| {
            let remembered = unproven.of(&listed.id)?;
            let record = listed.parse().ok()?;
            let mapped = self.map(&record.resource).ok();
            remembered.is_shown_by(&record, mapped.as_ref().and_then(|mapped| mapped.profile.user_name())).then_some(record)
        };
        let shown: Vec<Record> = page.iter().filter_map(shown).collect();
        match shown.is_empty() {
            true => Ok(()),
            false => self.store.prove_links(claim, &shown).await,
        }
    }
}
