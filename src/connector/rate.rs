//! One budget of requests per host and credential, over all connectors (RL-1, RL-2): a token bucket, a number of requests
//! under way, and a gate that closes for everybody when the app asks for a pause.

mod gate;
mod slots;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;

use self::{
    gate::{Entry, Gate},
    slots::{Slot, Slots},
};
use super::{AppError, config::RateLimit, retry_after::Pause};
use crate::{clock::SharedClock, domain::hash::ShortHash};

/// How long a call waits for a closed gate before it is told to come back.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a budget belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BudgetKey {
    /// Host and port.
    pub authority: String,
    /// A fingerprint of the credential.
    pub credential: ShortHash,
}

/// All budgets of the process.
pub(super) struct Budgets {
    clock: SharedClock,
    live: Mutex<HashMap<BudgetKey, Arc<Budget>>>,
}

impl Budgets {
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, live: Mutex::default() }
    }

    /// Takes part in the budget of this host and credential, until the membership is dropped.
    pub fn join(&self, key: &BudgetKey, limit: RateLimit) -> Membership {
        let mut live = lock(&self.live);
        // A budget whose gate is closed outlives its members, or leaving and coming back would open it.
        live.retain(|other, budget| other == key || !budget.is_idle());
        let budget = live.entry(key.clone()).or_insert_with(|| Arc::new(Budget::new(key, self.clock.clone(), limit)));
        Membership { id: budget.add(limit), budget: budget.clone() }
    }
}

/// A share in a [`Budget`].
pub(super) struct Membership {
    id: u64,
    pub budget: Arc<Budget>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.budget.remove(self.id);
    }
}

/// The budget of one host and credential.
pub(super) struct Budget {
    members: Mutex<Members>,
    pace: Mutex<Arc<DefaultDirectRateLimiter>>,
    slots: Slots,
    gate: Gate,
}

struct Members {
    next: u64,
    limits: HashMap<u64, RateLimit>,
    /// The limit in force.
    limit: RateLimit,
}

impl Budget {
    fn new(key: &BudgetKey, clock: SharedClock, limit: RateLimit) -> Self {
        Self {
            members: Mutex::new(Members { next: 0, limits: HashMap::new(), limit }),
            pace: Mutex::new(Arc::new(RateLimiter::direct(quota(limit)))),
            slots: Slots::new(limit.concurrency),
            gate: Gate::new(&key.authority, clock),
        }
    }

    /// Waits until a request may leave. `Err(RateLimited)` if the app wants to be left alone for longer than [`PATIENCE`].
    pub async fn admit(&self) -> Result<Pass<'_>, AppError> {
        let deadline = self.gate.deadline(PATIENCE);
        loop {
            self.gate.opened(deadline).await?;
            let slot = self.slots.take().await;
            let pace = lock(&self.pace).clone();
            pace.until_ready().await;
            // The gate may have closed while this request waited for its turn.
            if let Some(entry) = self.gate.enter() {
                return Ok(Pass { entry: Some(entry), _slot: slot });
            }
        }
    }

    fn is_idle(&self) -> bool {
        lock(&self.members).limits.is_empty() && self.gate.is_open()
    }

    fn add(&self, limit: RateLimit) -> u64 {
        let mut members = lock(&self.members);
        let id = members.next;
        members.next += 1;
        members.limits.insert(id, limit);
        self.apply(&mut members);
        id
    }

    fn remove(&self, id: u64) {
        let mut members = lock(&self.members);
        members.limits.remove(&id);
        self.apply(&mut members);
    }

    /// Puts the lowest of the members' limits into force.
    fn apply(&self, members: &mut Members) {
        let lowest = members.limits.values().copied().reduce(|a, b| RateLimit {
            requests_per_second: a.requests_per_second.min(b.requests_per_second),
            burst: a.burst.min(b.burst),
            concurrency: a.concurrency.min(b.concurrency),
        });
        let Some(lowest) = lowest.filter(|lowest| *lowest != members.limit) else { return };
        members.limit = lowest;
        self.slots.resize(lowest.concurrency);
        let pace = RateLimiter::direct(quota(lowest));
        // A new bucket is full; starting it empty keeps a change of limits from being a way to a second burst.
        let _ = pace.check_n(at_least_one(lowest.burst));
        *lock(&self.pace) = Arc::new(pace);
    }
}

/// The permission for one request. Dropping it without a word frees its place and says nothing about the app.
pub(super) struct Pass<'a> {
    entry: Option<Entry<'a>>,
    _slot: Slot<'a>,
}

impl Pass<'_> {
    /// The head of an answer came in, and with it the wish for a pause or not. Returns when the app may be asked again, if
    /// it wishes for one. The place among the requests under way is kept until the pass is dropped.
    pub fn answered(&mut self, pause: Option<Pause>) -> Option<Timestamp> {
        let entry = self.entry.take()?;
        let Some(asked) = pause else {
            entry.answered();
            return None;
        };
        Some(entry.throttled(asked))
    }
}

fn quota(limit: RateLimit) -> Quota {
    Quota::per_second(at_least_one(limit.requests_per_second)).allow_burst(at_least_one(limit.burst))
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// Locks; what a panicking holder left is taken as it is, since every holder leaves whole values.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
