//! The bounded pool in which runs live. A reconcile starts a run or asks after it, and never waits for an app: one app
//! that hangs stops nobody else (promise C1). Of jobs that exclude each other one runs and the others wait.

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
    excludes: fn(&K, &K) -> bool,
    permits: Arc<Semaphore>,
    finished: mpsc::UnboundedSender<K>,
    tasks: TaskTracker,
}

/// What a job is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The hash of everything that the result depends on.
    pub fingerprint: ShortHash,
    /// The hash of that part of it by which the job may write at all: when it changes, nothing more is begun under the old one.
    pub terms: ShortHash,
}

struct Slot<R> {
    inputs: Inputs,
    stop: StopToken,
    running: bool,
    /// The last result for this fingerprint.
    result: Option<Arc<R>>,
}

/// What a job looks like at the moment.
#[derive(Debug)]
pub enum Polled<K, R> {
    /// It was started just now or is under way. While it is repeated for the same inputs, the last result still stands.
    Running(Option<Arc<R>>),
    /// It is over.
    Done(Arc<R>),
    /// It was not started: this job, which excludes it, is under way.
    Behind(K),
}

impl<K, R> Jobs<K, R>
where
    K: Clone + Eq + Hash + Send + 'static,
    R: Send + Sync + 'static,
{
    /// A pool that runs so many jobs at once, and never two of which one `excludes` the other. Keys of finished jobs are sent
    /// to `finished`.
    pub fn new(at_once: usize, excludes: fn(&K, &K) -> bool, finished: mpsc::UnboundedSender<K>) -> Self {
        Self { slots: Arc::default(), excludes, permits: Arc::new(Semaphore::new(at_once)), finished, tasks: TaskTracker::new() }
    }

    /// The job's result for these inputs. Starts the job if there is none, or if `is_due` says of the result that there is
    /// that it has to be had anew. A job under way for other inputs is left to end first, unless it is stopped.
    pub fn poll<D, F, Fut>(&self, key: &K, inputs: Inputs, is_due: D, start: F) -> Polled<K, R>
    where
        D: FnOnce(&R) -> bool,
        F: FnOnce(StopToken) -> Fut,
        Fut: Future<Output = R> + Send + 'static,
    {
        let mut slots = lock(&self.slots);
        let last = match slots.get(key) {
            Some(slot) if slot.running => {
                let same = slot.inputs.fingerprint == inputs.fingerprint;
                return Polled::Running(slot.result.clone().filter(|_| same));
            }
            Some(slot) if slot.inputs.fingerprint == inputs.fingerprint => match &slot.result {
                Some(result) if !is_due(result) => return Polled::Done(Arc::clone(result)),
                last => last.clone(),
            },
            Some(_) | None => None,
        };
        // Under the lock in which the job is entered: of two that are asked for at the same moment one is second.
        if let Some((other, _)) = slots.iter().find(|(other, slot)| slot.running && *other != key && (self.excludes)(key, other)) {
            return Polled::Behind(other.clone());
        }
        let stop = StopToken::new();
        slots.insert(key.clone(), Slot { inputs, stop: stop.clone(), running: true, result: last.clone() });
        drop(slots);
        self.spawn(key.clone(), start(stop));
        Polled::Running(last)
    }

    /// Is the job under way?
    pub fn is_running(&self, key: &K) -> bool {
        lock(&self.slots).get(key).is_some_and(|slot| slot.running)
    }

    /// The jobs that are under way.
    pub fn running(&self) -> Vec<K> {
        lock(&self.slots).iter().filter(|(_, slot)| slot.running).map(|(key, _)| key.clone()).collect()
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

    /// Stops a job that was started under other terms, before its next write.
    pub fn stop_unless(&self, key: &K, terms: ShortHash) {
        if let Some(slot) = lock(&self.slots).get(key).filter(|slot| slot.inputs.terms != terms) {
            slot.stop.stop(StopCause::Changed);
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

    fn hash(text: &str) -> Inputs {
        Inputs { fingerprint: ShortHash::of(text.as_bytes()), terms: ShortHash::of(b"terms") }
    }

    fn pool<R: Send + Sync + 'static>(at_once: usize) -> (Jobs<&'static str, R>, mpsc::UnboundedReceiver<&'static str>) {
        let (finished, ended) = mpsc::unbounded_channel();
        (Jobs::new(at_once, |_, _| false, finished), ended)
    }

    #[tokio::test]
    async fn a_result_is_kept_for_its_inputs_and_its_end_is_told() {
        let (jobs, mut ended) = pool::<u32>(1);
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
        let (jobs, mut ended) = pool::<u32>(1);
        jobs.poll(&"a", hash("1"), never, |_| async { panic!("as a test") });
        while jobs.is_running(&"a") {
            tokio::task::yield_now().await;
        }
        assert!(ended.try_recv().is_err(), "told at once it would go round without a pause");
        assert!(matches!(jobs.poll(&"a", hash("1"), never, |_| async { 7 }), Polled::Running(None)));
    }

    #[tokio::test]
    async fn jobs_of_what_is_gone_are_stopped_and_forgotten() {
        let (jobs, mut ended) = pool::<StopCause>(2);
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
        let (jobs, _ended) = pool::<StopCause>(1);
        jobs.poll(&"a", hash("1"), |_| false, |stop| async move { stop.stopped().await });
        jobs.shut_down().await;
        assert_eq!(jobs.last(&"a").as_deref(), Some(&StopCause::Shutdown));
    }

    #[tokio::test]
    async fn a_job_is_stopped_by_new_terms_and_not_by_other_inputs() {
        let (jobs, mut ended) = pool::<StopCause>(1);
        let start = |inputs| jobs.poll(&"a", inputs, |_| false, |stop| async move { stop.stopped().await });
        start(hash("1"));
        assert!(matches!(start(hash("2")), Polled::Running(None)), "left to end first");
        jobs.stop_unless(&"a", hash("2").terms);
        assert!(jobs.is_running(&"a"));
        jobs.stop_unless(&"a", ShortHash::of(b"other terms"));
        assert_eq!(ended.recv().await, Some("a"));
        assert_eq!(jobs.last(&"a").as_deref(), Some(&StopCause::Changed));
        assert!(matches!(start(hash("2")), Polled::Running(None)), "begun afresh");
        jobs.shut_down().await;
    }

    #[tokio::test]
    async fn of_jobs_that_exclude_each_other_one_runs_and_the_others_wait() {
        let (finished, mut ended) = mpsc::unbounded_channel();
        let jobs: Jobs<&str, StopCause> = Jobs::new(9, |a, b| a[..1] == b[..1], finished);
        let start = |key| jobs.poll(&key, hash("1"), |_| false, |stop| async move { stop.stopped().await });
        assert!(matches!(start("a1"), Polled::Running(None)));
        assert!(matches!(start("a2"), Polled::Behind("a1")));
        assert!(matches!(start("b1"), Polled::Running(None)), "another app");
        assert!(!jobs.is_running(&"a2"));
        jobs.stop(&"a1", StopCause::Superseded);
        assert_eq!(ended.recv().await, Some("a1"));
        assert!(matches!(start("a2"), Polled::Running(None)));
        assert!(matches!(start("a1"), Polled::Done(_)), "a result is told whoever runs");
        jobs.shut_down().await;
    }
}
