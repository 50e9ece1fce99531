//! How many requests may be under way at once. Unlike a semaphore's, the number can be lowered while they are.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;

pub(super) struct Slots {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    taken: u32,
    limit: u32,
}

/// One request under way.
pub(super) struct Slot<'a>(&'a Slots);

impl Slots {
    pub fn new(limit: u32) -> Self {
        Self { state: Mutex::new(State { taken: 0, limit: limit.max(1) }), freed: Notify::new() }
    }

    /// Waits for a place.
    pub async fn take(&self) -> Slot<'_> {
        loop {
            let freed = self.freed.notified();
            if self.try_take() {
                return Slot(self);
            }
            freed.await;
        }
    }

    /// Changes the number; requests that are under way are left alone.
    pub fn resize(&self, limit: u32) {
        lock(&self.state).limit = limit.max(1);
        self.freed.notify_waiters();
    }

    fn try_take(&self) -> bool {
        let mut state = lock(&self.state);
        let free = state.taken < state.limit;
        if free {
            state.taken += 1;
        }
        free
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).taken -= 1;
        self.0.freed.notify_one();
    }
}
