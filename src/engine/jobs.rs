//! The bounded pool in which runs live. A reconcile starts a run or asks after it, and never waits for an app: one app
//! that hangs stops nobody else (promise C1).

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::stop::StopToken;
use crate::domain::{hash::ShortHash, report::StopCause};

/// Jobs of one sort, at most one per key, told apart by the fingerprint of their inputs.
pub struct Jobs<K, R> {
    slots: Arc<Mutex<HashMap<K, Slot<R>>>>,
    permits: Arc<Semaphore>,
    finished: mpsc::UnboundedSender<K>,
    tasks: TaskTracker,
}

struct Slot<R> {
    fingerprint: ShortHash,
    stop: StopToken,
    running: bool,
    /// The last result for this fingerprint.
    result: Option<Arc<R>>,
}

/// What a job looks like at the moment.
#[derive(Debug)]
pub enum Polled<R> {
    /// It was started just now or is under way. While it is repeated for the same inputs, the last result still stands.
    Running(Option<Arc<R>>),
    /// It is over.
    Done(Arc<R>),
}

impl<K, R> Jobs<K, R>
where
    K: Clone + Eq + Hash + Send + 'static,
    R: Send + Sync + 'static,
{
    /// A pool that runs so many jobs at once. Keys of finished jobs are sent to `finished`.
    pub fn new(at_once: usize, finished: mpsc::UnboundedSender<K>) -> Self {
        Self { slots: Arc::default(), permits: Arc::new(Semaphore::new(at_once)), finished, tasks: TaskTracker::new() }
    }

    /// The job's result for these inputs. Starts the job if there is none, or if `is_due` says of the result that there is
    /// that it has to be had anew. A job under way for other inputs is left to end first, unless it is stopped.
    pub fn poll<D, F, Fut>(&self, key: &K, fingerprint: ShortHash, is_due: D, start: F) -> Polled<R>
    where
        D: FnOnce(&R) -> bool,
        F: FnOnce(StopToken) -> Fut,
        Fut: Future<Output = R> + Send + 'static,
    {
        let mut slots = lock(&self.slots);
        let last = match slots.get(key) {
            Some(slot) if slot.running => {
                let same = slot.fingerprint == fingerprint;
                return Polled::Running(slot.result.clone().filter(|_| same));
            }
            Some(slot) if slot.fingerprint == fingerprint => match &slot.result {
                Some(result) if !is_due(result) => return Polled::Done(Arc::clone(result)),
                last => last.clone(),
            },
            Some(_) | None => None,
        };
        let stop = StopToken::new();
        slots.insert(key.clone(), Slot { fingerprint, stop: stop.clone(), running: true, result: last.clone() });
        drop(slots);
        self.spawn(key.clone(), start(stop));
        Polled::Running(last)
    }

    /// Is the job under way?
    pub fn is_running(&self, key: &K) -> bool {
        lock(&self.slots).get(key).is_some_and(|slot| slot.running)
    }

    /// The last result, whatever inputs it was for.
    pub fn last(&self, key: &K) -> Option<Arc<R>> {
        lock(&self.slots).get(key).and_then(|slot| slot.result.clone())
    }

    /// Stops a job before its next write.
    pub fn stop(&self, key: &K, cause: StopCause) {
        if let Some(slot) = lock(&self.slots).get(key) {
            slot.stop.stop(cause);
        }
    }

    /// Forgets a result, so that it is had anew at the next poll. A job under way goes on.
    pub fn expire(&self, key: &K) {
        lock(&self.slots).retain(|other, slot| slot.running || other != key);
    }

    /// Forgets the results of jobs whose object is gone. Those under way are stopped; they are forgotten by the first call
    /// after their end.
    pub fn forget_unless(&self, exists: impl Fn(&K) -> bool) {
        lock(&self.slots).retain(|key, slot| {
            let exists = exists(key);
            if slot.running && !exists {
                slot.stop.stop(StopCause::Superseded);
            }
            slot.running || exists
        });
    }

    /// Stops every job and waits until all have recorded what they did (promise C6).
    pub async fn shut_down(&self) {
        for slot in lock(&self.slots).values() {
            slot.stop.stop(StopCause::Shutdown);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn spawn(&self, key: K, job: impl Future<Output = R> + Send + 'static) {
        let (slots, permits, finished) = (Arc::clone(&self.slots), Arc::clone(&self.permits), self.finished.clone());
        self.tasks.spawn(async move {
            let abandoned = Abandoned { slots: Arc::clone(&slots), key: key.clone() };
            // The semaphore is never closed; without a permit the job would only be less bounded.
            let _permit = permits.acquire().await;
            let result = job.await;
            if let Some(slot) = lock(&slots).get_mut(&key) {
                slot.result = Some(Arc::new(result));
                slot.running = false;
            }
            drop(abandoned);
            // Nobody listens any more only while the process is going down.
            let _listener_gone = finished.send(key);
        });
    }
}

/// Frees the slot of a job that panicked, so that its object is not stuck for ever. Nobody is told: whoever asks again does so
/// after their own pause, and a job that always panics does not go round without one.
struct Abandoned<K: Eq + Hash, R> {
    slots: Arc<Mutex<HashMap<K, Slot<R>>>>,
    key: K,
}

impl<K: Eq + Hash, R> Drop for Abandoned<K, R> {
    fn drop(&mut self) {
        let mut slots = lock(&self.slots);
        if slots.get(&self.key).is_some_and(|slot| slot.running) {
            slots.remove(&self.key);
        }
    }
}

/// A lock that a panic elsewhere has poisoned still guards a sound map: every change to it is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the pool passes results by reference")]
    fn never(_: &u32) -> bool {
        false
    }

    fn hash(text: &str) -> ShortHash {
        ShortHash::of(text.as_bytes())
    }

    #[tokio::test]
    async fn a_result_is_kept_for_its_inputs_and_its_end_is_told() {
        let (finished, mut ended) = mpsc::unbounded_channel();
        let jobs: Jobs<&str, u32> = Jobs::new(1, finished);
        assert!(matches!(jobs.poll(&"a", hash("1"), never, |_| async { 7 }), Polled::Running(None)));
        assert_eq!(ended.recv().await, Some("a"));
        assert!(matches!(jobs.poll(&"a", hash("1"), never, |_| async { 8 }), Polled::Done(result) if *result == 7));
        assert!(matches!(jobs.poll(&"a", hash("1"), |_| true, |_| async { 8 }), Polled::Running(Some(last)) if *last == 7));
        assert_eq!(ended.recv().await, Some("a"));
        assert!(matches!(jobs.poll(&"a", hash("2"), never, |_| async { 9 }), Polled::Running(None)));
        assert_eq!(ended.recv().await, Some("a"));
        assert_eq!(jobs.last(&"a").as_deref(), Some(&9));
    }

    #[tokio::test]
    async fn a_job_that_panics_frees_its_slot() {
        let (finished, mut ended) = mpsc::unbounded_channel();
        let jobs: Jobs<&str, u32> = Jobs::new(1, finished);
        jobs.poll(&"a", hash("1"), never, |_| async { panic!("as a test") });
        while jobs.is_running(&"a") {
            tokio::task::yield_now().await;
        }
        assert!(ended.try_recv().is_err(), "told at once it would go round without a pause");
        assert!(matches!(jobs.poll(&"a", hash("1"), never, |_| async { 7 }), Polled::Running(None)));
    }

    #[tokio::test]
    async fn jobs_of_what_is_gone_are_stopped_and_forgotten() {
        let (finished, mut ended) = mpsc::unbounded_channel();
        let jobs: Jobs<&str, StopCause> = Jobs::new(2, finished);
        jobs.poll(&"a", hash("1"), |_| false, |stop| async move { stop.stopped().await });
        jobs.forget_unless(|_| true);
        assert!(jobs.is_running(&"a"));
        jobs.forget_unless(|_| false);
        assert_eq!(ended.recv().await, Some("a"));
        assert_eq!(jobs.last(&"a").as_deref(), Some(&StopCause::Superseded));
        jobs.forget_unless(|_| false);
        assert_eq!(jobs.last(&"a"), None);
    }

    #[tokio::test]
    async fn shutting_down_stops_what_runs() {
        let (finished, _ended) = mpsc::unbounded_channel();
        let jobs: Jobs<&str, StopCause> = Jobs::new(1, finished);
        jobs.poll(&"a", hash("1"), |_| false, |stop| async move { stop.stopped().await });
        jobs.shut_down().await;
        assert_eq!(jobs.last(&"a").as_deref(), Some(&StopCause::Shutdown));
    }
}
