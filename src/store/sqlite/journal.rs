//! The intent journal: what is about to be sent, on the disk before it is sent (RU-2, B9).
//!
//! One task writes. All that waits goes into one transaction, because the disk takes as long for one row as for a hundred;
//! whoever asked waits for that transaction only.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use sqlx::{FromRow, SqlitePool};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    SqliteStore, rows,
    scope::{self, Scope, Write},
    settle,
};
use crate::{
    domain::{
        id::{Epoch, IntegrationKey, IntentId},
        provision_plan::ProvisionAction,
        report::ActionClass,
    },
    store::{Claim, Direction, Intent, IntentResult, Result, StoreError},
};

/// Requests that may wait; a run has at most its concurrency.
const QUEUE: usize = 1_024;
/// Requests of one transaction.
const GROUP: usize = 256;

/// Entries as their texts, made by whoever asks and not by the one task that writes.
pub(super) enum Entries {
    /// Intents.
    Open(Vec<settle::NewIntent>),
    /// Results.
    Close(Vec<settle::Settlement>),
}

struct Request {
    claim: Claim,
    entries: Entries,
    now: Timestamp,
    answer: oneshot::Sender<Result<Vec<IntentId>>>,
}

/// The way to the task that writes.
pub(super) struct Journal {
    /// `None` once it is stopped.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the task. It ends when the journal is stopped or dropped, after what waits is written.
    pub fn start(pool: SqlitePool, gate: Arc<Mutex<()>>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(Writer { pool, gate }.run(receiver));
        Self { requests: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) }
    }

    /// Writes what waits and ends the task.
    pub async fn stop(&self) {
        drop(self.requests.lock().await.take());
        if let Some(task) = self.task.lock().await.take() {
            // A task that has panicked has answered nobody, which is all that matters here.
            let _ = task.await;
        }
    }

    pub async fn open(&self, claim: &Claim, intents: &[Intent], now: Timestamp) -> Result<Vec<IntentId>> {
        let entries = intents.iter().map(settle::NewIntent::new).collect::<Result<_>>()?;
        self.ask(claim, Entries::Open(entries), now).await
    }

    pub async fn close(&self, claim: &Claim, results: &[(IntentId, IntentResult)], now: Timestamp) -> Result<()> {
        let entries = results.iter().map(|(id, result)| settle::Settlement::new(*id, result)).collect::<Result<_>>()?;
        self.ask(claim, Entries::Close(entries), now).await.map(drop)
    }

    async fn ask(&self, claim: &Claim, entries: Entries, now: Timestamp) -> Result<Vec<IntentId>> {
        let closed = || StoreError::Database(sqlx::Error::PoolClosed);
        let requests = self.requests.lock().await.clone().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        requests.send(Request { claim: claim.clone(), entries, now, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// What the task works with.
struct Writer {
    pool: SqlitePool,
    gate: Arc<Mutex<()>>,
}

impl Writer {
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP);
        while requests.recv_many(&mut group, GROUP).await > 0 {
            match self.commit(&group).await {
                Ok(answers) => {
                    for (request, answer) in group.drain(..).zip(answers) {
                        // Whoever asked may have gone; what is written is settled by the next run.
                        let _ = request.answer.send(answer);
                    }
                }
                // One entry must not fail for another: each gets its own transaction and its own error.
                Err(_) => self.commit_each(&mut group).await,
            }
        }
    }

    async fn commit_each(&self, group: &mut Vec<Request>) {
        for request in group.drain(..) {
            let answer = match self.commit(std::slice::from_ref(&request)).await {
                Ok(mut answers) => answers.pop().unwrap_or(Ok(Vec::new())),
                Err(error) => Err(error),
            };
            let _ = request.answer.send(answer);
        }
    }

    /// Writes all requests in one transaction, except those that have lost their epoch.
    async fn commit(&self, group: &[Request]) -> Result<Vec<Result<Vec<IntentId>>>> {
        let mut write = Write::begin(self.gate.clone().lock_owned().await, &self.pool).await?;
        let mut fences = Fences::default();
        let mut batch = settle::Batch::starting_after(settle::last_intent(&mut write).await?);
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            answers.push(match fences.scope(&mut write, &request.claim).await? {
                None => Err(StoreError::LostEpoch),
                Some(scope) => Ok(batch.add(scope, &request.claim, &request.entries, request.now)),
            });
        }
        batch.write(&mut write).await?;
        write.commit().await?;
        Ok(answers)
    }
}

/// Which claims hold: asked once per claim and transaction.
#[derive(Default)]
struct Fences<'a>(HashMap<(&'a IntegrationKey, Direction, i64), Option<Scope>>);

impl<'a> Fences<'a> {
    async fn scope(&mut self, write: &mut Write, claim: &'a Claim) -> Result<Option<Scope>> {
        let key = (&claim.integration, claim.direction, claim.epoch.0);
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        let scope = match scope::fence(write, claim).await {
            Ok(scope) => Some(scope),
            Err(StoreError::LostEpoch) => None,
            Err(error) => return Err(error),
        };
        self.0.insert(key, scope);
        Ok(scope)
    }
}

#[derive(FromRow)]
struct UnsettledRow {
    id: i64,
    person: Vec<u8>,
    removes: bool,
    action: String,
}

impl SqliteStore {
    pub(super) async fn find_unsettled(&self, claim: &Claim) -> Result<Vec<(IntentId, Intent)>> {
        const FIND: &str = "SELECT id, person, removes, action FROM intent WHERE integration = ?1 AND epoch < ?2 ORDER BY id";
        let scope = self.scope(&claim.integration).await?;
        let Epoch(epoch) = claim.epoch;
        let found: Vec<UnsettledRow> =
            sqlx::query_as(FIND).bind(scope.integration).bind(epoch).fetch_all(&self.connections.readers).await?;
        let read = |row: &UnsettledRow| {
            let action: ProvisionAction = rows::from_json(&row.action, "intent.action")?;
            let approved = !row.removes && action.kind.class() == Some(ActionClass::Removals);
            let intent = Intent { person: rows::person_id(&row.person)?, action, approved };
            Ok((IntentId(row.id), intent))
        };
        found.iter().map(read).collect()
    }
}
