//! The proof that a listing is complete (LS-2). Each way in which it can fail has its own text, of our words and numbers.

use std::collections::HashSet;

use super::Position;
use crate::{
    connector::{
        AppError, ListError, ListedRecord,
        scim::wire::{Counter, NoId, Page},
    },
    domain::{account::SeenIds, hash::ShortHash},
};

/// More accounts than any organisation has: an app that goes on beyond this never ends.
const MOST: u64 = 20_000_000;

/// What has been read so far, and what must still hold.
#[derive(Default)]
pub(super) struct Proof {
    seen: SeenIds,
    pages: u64,
    /// `totalResults`, as the first page that gave it did.
    total: Option<u64>,
    cursors: HashSet<ShortHash>,
    credential: Option<ShortHash>,
}

/// A listing that is not complete, and why.
pub(super) fn incomplete(why: String) -> ListError {
    ListError::Incomplete(why)
}

impl Proof {
    pub fn seen(&self) -> &SeenIds {
        &self.seen
    }

    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// The number of distinct accounts so far.
    pub fn collected(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Are as many accounts read as the app says there are?
    pub fn is_all(&self) -> bool {
        self.total == Some(self.collected())
    }

    /// Takes a page into account.
    pub fn page(&mut self, page: Page, at: &Position, credential: ShortHash) -> Result<Vec<ListedRecord>, ListError> {
        self.pages += 1;
        let number = self.pages;
        self.same_credential(credential)?;
        self.counters(&page, at)?;
        let records = self.records(page.records)?;
        let (collected, total) = (self.collected(), self.total);
        if let Some(total) = total.filter(|total| collected > *total) {
            return Err(incomplete(format!("{collected} accounts were listed although totalResults is {total}")));
        }
        if collected > MOST {
            return Err(incomplete(format!("it goes on after {collected} accounts")));
        }
        let goes_on = match at {
            Position::Index(_) => !self.is_all(),
            Position::Cursor(_) => self.cursor(page.next_cursor.as_deref())?,
            Position::Whole => false,
        };
        if goes_on && records.is_empty() {
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            return Err(incomplete(format!("page {number} is empty, after {collected}{of} accounts")));
        }
        if !goes_on && let Some(total) = total.filter(|total| *total != collected) {
            return Err(incomplete(format!("it ends after {collected} accounts although totalResults is {total}")));
        }
        Ok(records)
    }

    /// A 404 with a SCIM error instead of a page.
    pub fn nobody(&mut self) -> Result<(), ListError> {
        self.pages += 1;
        if self.pages == 1 { Ok(()) } else { Err(incomplete(format!("page {} was answered with 404", self.pages))) }
    }

    /// The page beyond the end: empty, 404, or, where paging is ignored, the same accounts again.
    pub fn end(&mut self, page: Option<Page>, credential: ShortHash) -> Result<(), ListError> {
        self.same_credential(credential)?;
        let Some(page) = page else { return Ok(()) };
        let collected = self.collected();
        let again = page.records.len() as u64;
        // Some servers count nothing beyond the end.
        if !matches!(page.total, Counter::Is(total) if Some(total) == self.total || (total == 0 && again == 0)) {
            return Err(incomplete(format!("totalResults changed from {collected} to something else at the end")));
        }
        if again == 0 {
            return Ok(());
        }
        let distinct: HashSet<_> = page.records.iter().flatten().map(|record| &record.id).filter(|id| self.seen.contains(id)).collect();
        if distinct.len() as u64 == collected && again == collected {
            return Ok(());
        }
        Err(incomplete(format!("there are {again} more accounts beyond the end that totalResults gives ({collected})")))
    }

    /// What a failure in the middle means.
    pub fn broken(&self, error: AppError, at: &Position) -> ListError {
        let number = self.pages + 1;
        match error {
            AppError::NotFound => incomplete(format!("page {number} was answered with 404")),
            AppError::NotScim(what) => incomplete(format!("page {number}: {what}")),
            AppError::Invalid { status, .. } if matches!(at, Position::Cursor(_)) => {
                incomplete(format!("the app no longer takes its cursor for page {number} ({status})"))
            }
            AppError::Invalid { status, .. } => incomplete(format!("the app refused page {number} ({status})")),
            other => other.into(),
        }
    }

    fn same_credential(&mut self, credential: ShortHash) -> Result<(), ListError> {
        if *self.credential.get_or_insert(credential) == credential {
            return Ok(());
        }
        Err(incomplete("the credentials changed meanwhile, and others may see other accounts".to_owned()))
    }

    fn counters(&mut self, page: &Page, at: &Position) -> Result<(), ListError> {
        let number = self.pages;
        if page.odd_counters || page.total == Counter::Malformed {
            return Err(incomplete(format!("page {number} has counters that are not integer counters")));
        }
        match (page.total, self.total) {
            (Counter::Is(now), Some(before)) if now != before => {
                Err(incomplete(format!("totalResults changed from {before} to {now} at page {number}")))
            }
            (Counter::Is(now), _) => {
                self.total = Some(now);
                Ok(())
            }
            _ if matches!(at, Position::Cursor(_)) => Ok(()),
            _ => Err(incomplete(format!("page {number} has no totalResults"))),
        }
    }

    fn records(&mut self, records: Vec<Result<ListedRecord, NoId>>) -> Result<Vec<ListedRecord>, ListError> {
        let number = self.pages;
        let mut listed = Vec::with_capacity(records.len());
        for (index, record) in records.into_iter().enumerate() {
            let Ok(record) = record else {
                return Err(incomplete(format!("record {} of page {number} has no id that is a text", index + 1)));
            };
            if !self.seen.insert(&record.id) {
                return Err(incomplete(format!("record {} of page {number} has an id that was listed before", index + 1)));
            }
            listed.push(record);
        }
        Ok(listed)
    }

    /// Notes the next cursor; is there one?
    fn cursor(&mut self, next: Option<&str>) -> Result<bool, ListError> {
        match next {
            None => Ok(false),
            Some(cursor) if self.cursors.insert(ShortHash::of(cursor.as_bytes())) => Ok(true),
            Some(_) => Err(incomplete(format!("page {} gives a cursor that was used before", self.pages))),
        }
    }
}
