//! The gate of a budget (RL-2): closed for all when the app asks for a pause, and opened again by one probe.

use std::{sync::Mutex, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time};

use super::lock;
use crate::{
    clock::SharedClock,
    connector::{
        AppError,
        retry_after::{self, Pause},
    },
    domain::hash::ShortHash,
};

pub(super) struct Gate {
    clock: SharedClock,
    /// What jitter is derived from, so that no two hosts come back in step.
    seed: String,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Closed until then, and from then on until a probe was answered. `None`: open.
    until: Option<Timestamp>,
    /// A probe is under way.
    probing: bool,
    /// Counts the times the gate closed: several answers to requests of one generation are one closing.
    generation: u64,
    /// Closings since the last good answer.
    strikes: u32,
}

/// A request that went through the gate.
pub(super) struct Entry<'a> {
    gate: &'a Gate,
    generation: u64,
    probe: bool,
}

/// What a request that wants in does next; with when the app may be asked again, where it cannot get in at once.
enum Next {
    Go,
    Sleep(Duration, Timestamp),
    AwaitProbe(Timestamp),
    GiveUp(Timestamp),
}

impl Gate {
    pub fn new(seed: &str, clock: SharedClock) -> Self {
        Self { clock, seed: seed.to_owned(), state: Mutex::default(), changed: Notify::new() }
    }

    pub fn is_open(&self) -> bool {
        lock(&self.state).until.is_none()
    }

    /// The moment so far from now.
    pub fn deadline(&self, patience: Duration) -> Timestamp {
        later(self.clock.now(), patience)
    }

    /// Waits until a request may try to enter; `Err(RateLimited)` as soon as it is clear that this will not be by the deadline.
    pub async fn opened(&self, deadline: Timestamp) -> Result<(), AppError> {
        let mut left = self.until(deadline);
        loop {
            let changed = self.changed.notified();
            let wait = match self.next(deadline) {
                Next::Go => return Ok(()),
                Next::GiveUp(retry_at) => return Err(AppError::RateLimited { retry_at }),
                // The clock may stand still, as it does in simulations; what was waited for counts all the same.
                Next::Sleep(_, retry_at) | Next::AwaitProbe(retry_at) if left.is_zero() => return Err(AppError::RateLimited { retry_at }),
                Next::Sleep(wait, _) => wait.min(left),
                Next::AwaitProbe(_) => left,
            };
            let started = time::Instant::now();
            let _ = time::timeout(wait, changed).await;
            left = left.saturating_sub(started.elapsed());
        }
    }

    /// Enters, if the gate is open or this request is the probe that may open it.
    pub fn enter(&self) -> Option<Entry<'_>> {
        let mut state = lock(&self.state);
        let probe = match state.until {
            None => false,
            Some(until) if self.clock.now() >= until && !state.probing => true,
            Some(_) => return None,
        };
        state.probing |= probe;
        Some(Entry { gate: self, generation: state.generation, probe })
    }

    fn next(&self, deadline: Timestamp) -> Next {
        let state = lock(&self.state);
        let now = self.clock.now();
        match state.until {
            None => Next::Go,
            Some(until) if until > deadline => Next::GiveUp(until),
            Some(until) if until > now => Next::Sleep(self.until(until), until),
            Some(_) if !state.probing => Next::Go,
            Some(until) if now < deadline => Next::AwaitProbe(until),
            Some(until) => Next::GiveUp(until.max(now)),
        }
    }

    /// The time from now to then.
    fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.clock.now())).unwrap_or_default()
    }

    /// 0 to 1; another one for each closing.
    fn jitter(&self, generation: u64) -> f64 {
        let ShortHash([high, low, ..]) = ShortHash::of_json(&(&self.seed, generation));
        f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
    }
}

impl Entry<'_> {
    /// The app answered normally: the gate opens.
    pub fn answered(self) {
        let mut state = lock(&self.gate.state);
        // An answer to a request from before the gate closed says nothing about now.
        if state.generation == self.generation {
            state.until = None;
            state.strikes = 0;
        }
    }

    /// The app asked for a pause: the gate closes. Returns until when.
    pub fn throttled(self, asked: Pause) -> Timestamp {
        let mut state = lock(&self.gate.state);
        if state.generation == self.generation || state.until.is_none() {
            state.generation += 1;
            state.strikes = state.strikes.saturating_add(1);
        }
        let pause = retry_after::length(asked, state.strikes - 1, self.gate.jitter(state.generation));
        let until = later(self.gate.clock.now(), pause).max(state.until.unwrap_or(Timestamp::MIN));
        state.until = Some(until);
        until
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.probe {
            lock(&self.gate.state).probing = false;
            self.gate.changed.notify_waiters();
        }
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
