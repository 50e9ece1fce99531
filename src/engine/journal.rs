//! The journal's place in a pass: an intent is durable before its request leaves, results are recorded in groups, and what
//! a crash left open is settled by looking, before anything is sent again (RU-2, B9).

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    clock::SharedClock,
    domain::id::IntentId,
    store::{Claim, Intent, IntentResult, Result, Store, StoreError},
};

/// How many results are recorded in one transaction at most.
const GROUP: usize = 500;
/// How long a result waits for others. Nobody waits for it, and a commit costs the same for one as for a hundred; a crash
/// leaves the results of this time to be found again by looking.
const GATHER: Duration = Duration::from_millis(20);

/// Opens and closes the intents of one pass.
pub struct IntentLog {
    store: Arc<dyn Store>,
    claim: Claim,
    clock: SharedClock,
    results: mpsc::Sender<(IntentId, IntentResult)>,
}

/// The recording of the results of one pass.
pub struct Recording(JoinHandle<Result<()>>);

impl IntentLog {
    /// A log for the claimed pass, and what records its results.
    pub fn start(store: Arc<dyn Store>, claim: Claim, clock: SharedClock) -> (Self, Recording) {
        let (results, waiting) = mpsc::channel(GROUP);
        let recorder = tokio::spawn(record(Arc::clone(&store), claim.clone(), Arc::clone(&clock), waiting));
        (Self { store, claim, clock, results }, Recording(recorder))
    }

    /// Returns once the intents are on disk; their ids, in the same order.
    pub async fn open(&self, intents: &[Intent]) -> Result<Vec<IntentId>> {
        self.store.open_intents(&self.claim, intents, self.clock.now()).await
    }

    /// Hands a result to the recorder. Waits for nobody but a full queue.
    ///
    /// # Errors
    /// [`StoreError::LostEpoch`] if the recorder has ended early; [`Recording::finish`] says why.
    pub async fn close(&self, intent: IntentId, result: IntentResult) -> Result<()> {
        self.results.send((intent, result)).await.map_err(|_| StoreError::LostEpoch)
    }
}

impl Recording {
    /// Waits until every result is recorded: the log has to be dropped before.
    pub async fn finish(self) -> Result<()> {
        // A recorder that panicked has recorded nothing more: the next run settles what it left.
        self.0.await.unwrap_or(Err(StoreError::Corrupt { what: "the journal" }))
    }
}

async fn record(
    store: Arc<dyn Store>,
    claim: Claim,
    clock: SharedClock,
    mut waiting: mpsc::Receiver<(IntentId, IntentResult)>,
) -> Result<()> {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        tokio::time::sleep(GATHER).await;
        while group.len() < GROUP
            && let Ok(result) = waiting.try_recv()
        {
            group.push(result);
        }
        store.close_intents(&claim, &group, clock.now()).await?;
        group.clear();
    }
    Ok(())
}
