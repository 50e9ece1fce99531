//! The one reconcile wrapper: span, timer, guard against malformed objects, deadline, status, event, next visit.

use std::{future::Future, sync::Arc, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource as _, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        Controller,
        controller::{Action, Config},
        events::{Event, EventType},
        reflector::ObjectRef,
    },
};
use tracing::Instrument as _;

use super::{
    backoff::spread,
    context::Context,
    kind::Kind,
    outcome::{self, Outcome},
    status::{self, Written},
    streams::Feed,
    texts,
};
use crate::{
    api::conditions::{ConditionSpec, ConditionType, Reason, Status},
    connector::CredentialError,
    store::StoreError,
    telemetry::{
        self,
        metrics::{KindLabels, ReconcileLabels},
    },
};

/// Reconciles that run at once, of all kinds together (D7); kube's own default is unbounded.
pub(crate) const CONCURRENCY: u16 = 16;
/// The longest reconcile. Nothing in one waits for an app, so what takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a visit came to.
#[derive(Debug)]
pub(crate) struct Visit<S> {
    /// What becomes Ready, and when the object is visited again.
    pub(crate) outcome: Outcome,
    /// The kind's own conditions.
    pub(crate) conditions: Vec<ConditionSpec>,
    /// The rest of the status.
    pub(crate) status: S,
}

/// A failed reconcile: transient, tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store failed.
    #[error("use the store")]
    Store(#[from] StoreError),
    /// The API server did not give out a Secret that it has.
    #[error("read a Secret")]
    Secret(#[source] CredentialError),
    /// The API server refused or did not answer.
    #[error("{step}")]
    Kube {
        /// What was tried.
        step: &'static str,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The deadline passed.
    #[error("the reconcile took longer than {} s", DEADLINE.as_secs())]
    Deadline,
}

impl Error {
    /// An error of the API server in this step.
    pub(crate) fn kube(step: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kube { step, source: Box::new(source) }
    }

    /// What the object says meanwhile (C4). `None`: it was saying something that failed.
    fn worth_telling(&self) -> Option<(Reason, String)> {
        match self {
            Self::Store(_) => {
                let message = "the store cannot be read or written; it is tried again by itself, and nothing is changed until then";
                Some((Reason::StoreUnavailable, message.to_owned()))
            }
            Self::Secret(error) => Some((Reason::DependencyNotReady, format!("{error}; it is tried again by itself"))),
            Self::Kube { step, .. } if *step == status::STEP => None,
            Self::Kube { step, source } => {
                // The code only: what an admission policy says may repeat what was asked.
                let answer = match source.as_ref() {
                    kube::Error::Api(answer) => format!("answered {}", answer.code),
                    _ => "did not answer".to_owned(),
                };
                let message = format!(
                    "the API server {answer} to the attempt to {step}; it is tried again by itself. Check the operator's rights, quotas \
                     and admission policies; the operator's log holds the answer."
                );
                Some((Reason::KubernetesRequestFailed, message))
            }
            Self::Deadline => {
                let message =
                    format!("{self}: the store or the API server is too slow; it is tried again by itself. Check the store's volume.");
                Some((Reason::StoreUnavailable, message))
            }
        }
    }

    fn category(&self) -> &'static str {
        match self {
            Self::Store(_) => "store_error",
            Self::Kube { .. } | Self::Secret(_) => "kube_error",
            Self::Deadline => "deadline",
        }
    }
}

/// Runs the controller of one kind until `cx.shutdown`.
pub(crate) async fn run<K, R, F>(feed: Feed<K>, cx: Arc<Context>, reconcile: R)
where
    K: Kind,
    R: Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Visit<K::Status>, Error>> + Send + 'static,
{
    let triggers = cx.bus.dependents::<K>(feed.cache.clone());
    let shutdown = cx.shutdown.clone();
    let written = Arc::new(Written::default());
    Controller::for_stream(feed.changes, feed.cache)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(triggers)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            move |object, cx| {
                let (reconcile, written) = (reconcile.clone(), Arc::clone(&written));
                async move { Ok::<Action, std::convert::Infallible>(visit(object, cx, reconcile, &written).await) }
            },
            |_, never, _| match *never {},
            cx,
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(kind = K::KIND, error = telemetry::chain(&error), "watch or queue");
            }
        })
        .await;
}

async fn visit<K, R, F>(object: Arc<DeserializeGuard<K>>, cx: Arc<Context>, reconcile: R, written: &Written<K::Status>) -> Action
where
    K: Kind,
    R: Fn(Arc<K>, Arc<Context>) -> F,
    F: Future<Output = Result<Visit<K::Status>, Error>>,
{
    let meta = object.meta();
    let (namespace, name) = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
    let span = tracing::info_span!("reconcile", kind = K::KIND, namespace, name, generation = meta.generation);
    async {
        let object = match &object.0 {
            Ok(object) => Arc::new(written.overlay(object, cx.clock.now())),
            Err(malformed) => {
                // Its change is told of; nothing can be written to what cannot be read.
                tracing::warn!(error = %malformed.error, "the object does not fit its schema; edit or delete it");
                return Action::await_change();
            }
        };
        if object.meta().deletion_timestamp.is_some() || !cx.caches_are_complete().await {
            return Action::await_change();
        }
        // In the order in which they come, so that no kind keeps the others waiting. The semaphore is never closed.
        let _turn = cx.turns.acquire().await;
        let started = tokio::time::Instant::now();
        let result = tokio::time::timeout(DEADLINE, complete(&object, &cx, reconcile, written)).await.unwrap_or(Err(Error::Deadline));
        cx.metrics.reconcile_seconds.get_or_create(&KindLabels { kind: K::KIND }).observe(started.elapsed().as_secs_f64());
        let uid = object.uid().unwrap_or_default();
        let (label, next) = match result {
            Ok((label, next)) => {
                cx.backoff.succeeded(&uid);
                (label, spread(next, &uid))
            }
            Err(error) => {
                tracing::warn!(error = telemetry::chain(&error), "reconcile failed; it is tried again");
                if (object.needs_store() || !matches!(error, Error::Store(_)))
                    && let Some((reason, message)) = error.worth_telling()
                {
                    tell(reason, message, &object, &cx, written).await;
                }
                (error.category(), cx.backoff.failed(&uid, cx.clock.now()))
            }
        };
        cx.metrics.reconciles.get_or_create(&ReconcileLabels { kind: K::KIND, outcome: label }).inc();
        Action::requeue(next)
    }
    .instrument(span)
    .await
}

async fn complete<K, R, F>(
    object: &Arc<K>,
    cx: &Arc<Context>,
    reconcile: R,
    written: &Written<K::Status>,
) -> Result<(&'static str, Duration), Error>
where
    K: Kind,
    R: Fn(Arc<K>, Arc<Context>) -> F,
    F: Future<Output = Result<Visit<K::Status>, Error>>,
{
    let visit = reconcile(Arc::clone(object), Arc::clone(cx)).await?;
    let generation = object.meta().generation.unwrap_or_default();
    let previous = object.status().map(K::conditions).unwrap_or_default();
    if let Some(conditions) = outcome::after_visit(&visit.outcome, &visit.conditions, previous, generation, cx.clock.now()) {
        let event = event(&visit.outcome, previous, &conditions, |ready, reason| object.event_reason(ready, reason));
        let mut new = visit.status;
        K::complete(&mut new, generation, conditions);
        if status::write(object.as_ref(), &new, written, cx).await?
            && let Some(event) = event
        {
            publish(object.as_ref(), &event, cx).await;
        }
    }
    Ok((visit.outcome.label(), visit.outcome.next_visit()))
}

/// Says on the object what failed (C4, C8). What was said before of everything else stays out: nobody knows.
async fn tell<K: Kind>(reason: Reason, message: String, object: &Arc<K>, cx: &Arc<Context>, written: &Written<K::Status>) {
    let visit = |object: Arc<K>, _| {
        let message = message.clone();
        async move {
            let outcome = Outcome::Waiting { reason, message, after: DEADLINE };
            Ok(Visit { outcome, conditions: Vec::new(), status: object.status().cloned().unwrap_or_default() })
        }
    };
    let told = tokio::time::timeout(DEADLINE, complete(object, cx, visit, written)).await.unwrap_or(Err(Error::Deadline));
    if let Err(error) = told {
        tracing::debug!(error = telemetry::chain(&error), "a failure was not told");
    }
}

/// One event per change of state: Ready's status or reason is another than before.
fn event(outcome: &Outcome, previous: &[Condition], new: &[Condition], word: impl FnOnce(Status, Reason) -> String) -> Option<Event> {
    let ready = |conditions: &[Condition]| {
        let ready = conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
        ready.map(|ready| (ready.status.clone(), ready.reason.clone(), ready.message.clone()))
    };
    let (status, reason, message) = ready(new)?;
    let changed = ready(previous).is_none_or(|(old_status, old_reason, old_message)| {
        (old_status, old_reason) != (status.clone(), reason.clone()) || is_another_plan(outcome, &old_message, &message)
    });
    if !changed || matches!(outcome, Outcome::Progressing { .. } | Outcome::Running { .. }) {
        return None;
    }
    let type_ = if outcome.is_warning() { EventType::Warning } else { EventType::Normal };
    let reason = match (Status::parse(&status), Reason::parse(&reason)) {
        (Some(status), Some(known)) => word(status, known),
        _ => reason,
    };
    Some(Event { type_, reason, note: Some(texts::note(&message)), action: action(outcome, &message), secondary: None })
}

/// The digits of the plan that is held. What a message names is what may be approved.
fn held_plan<'a>(outcome: &Outcome, message: &'a str) -> Option<&'a str> {
    let (_, rest) = message.split_once("sha256:").filter(|_| matches!(outcome, Outcome::Held { .. }))?;
    rest.split(|c: char| !c.is_ascii_hexdigit()).next()
}

/// Whoever was told of one held plan has not been told of the next.
fn is_another_plan(outcome: &Outcome, before: &str, now: &str) -> bool {
    let plan = held_plan(outcome, now);
    plan.is_some() && plan != held_plan(outcome, before)
}

/// Events of one action are counted as one: each held plan is an action of its own.
fn action(outcome: &Outcome, message: &str) -> String {
    const DIGITS: usize = 12;
    held_plan(outcome, message).map_or("Reconcile".to_owned(), |plan| format!("Hold-{}", &plan[..plan.len().min(DIGITS)]))
}

async fn publish<K: Kind>(object: &K, event: &Event, cx: &Context) {
    // A lost event loses nothing: the condition says the same.
    if let Err(error) = cx.recorder.publish(event, &object.object_ref(&())).await {
        tracing::debug!(error = telemetry::chain(&error), "an event was not recorded");
    }
}

/// The objects of a kind that the cache holds in a namespace.
pub(crate) fn in_namespace<K: Kind>(
    cache: &kube::runtime::reflector::Store<DeserializeGuard<K>>,
    namespace: &str,
) -> Vec<Arc<DeserializeGuard<K>>> {
    cache.state().into_iter().filter(|object| object.meta().namespace.as_deref() == Some(namespace)).collect()
}

/// One object of the cache.
pub(crate) fn cached<K: Kind>(cache: &kube::runtime::reflector::Store<DeserializeGuard<K>>, namespace: &str, name: &str) -> Option<K> {
    let object = cache.get(&ObjectRef::<DeserializeGuard<K>>::new(name).within(namespace))?;
    object.0.as_ref().ok().cloned()
}

/// An API for the object's namespace.
pub(crate) fn api<K: Kind>(object: &K, cx: &Context) -> Api<K> {
    Api::namespaced(cx.client.clone(), &object.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing;

    fn refused(step: &'static str) -> Error {
        Error::kube(step)(kube::Error::Api(Box::new(kube::core::Status::failure("s3cret", "Forbidden").with_code(403))))
    }

    #[test]
    fn c4_every_failed_reconcile_is_told_unless_telling_failed() {
        let unread = || StoreError::Corrupt { what: "person" };
        let secret = CredentialError::Unavailable { secret: "chat".to_owned(), message: "the API server answered 503".to_owned() };
        let all = [Error::Store(unread()), Error::Secret(secret), refused("create an ImportRun"), Error::Deadline];
        for error in &all {
            match error {
                Error::Store(_) | Error::Secret(_) | Error::Kube { .. } | Error::Deadline => {}
            }
            let (reason, message) = error.worth_telling().unwrap_or_else(|| panic!("{error:?} is not told"));
            testing::assert_helps(reason, &message);
            assert!(!message.contains("s3cret"), "{message}");
        }
        assert_eq!(refused("create an ImportRun").worth_telling().unwrap().0, Reason::KubernetesRequestFailed);
        assert_eq!(refused(status::STEP).worth_telling(), None);
    }

    #[test]
    fn d3_every_held_plan_is_one_event() {
        let held = Outcome::held(Reason::RunHeld, "m", false);
        for (before, now, told) in [
            ("21 of 60. The plan is sha256:aa11. Import again.", "21 of 60. The plan is sha256:bb22. Import again.", true),
            ("21 of 60. The plan is sha256:aa11. Import again.", "22 of 60. The plan is sha256:aa11. Import again.", false),
            ("the store is another one", "21 of 60. The plan is sha256:aa11.", true),
            ("21 of 60. The plan is sha256:aa11.", "the store is another one", false),
        ] {
            assert_eq!(is_another_plan(&held, before, now), told, "{before} -> {now}");
            assert!(!is_another_plan(&held, now, now));
        }
        assert_eq!(action(&held, "The plan is sha256:0123456789abcdef."), "Hold-0123456789ab");
        assert_eq!(action(&held, "the store is another one"), "Reconcile");
        let waiting = Outcome::Waiting { reason: Reason::RunHeld, message: String::new(), after: DEADLINE };
        assert!(!is_another_plan(&waiting, "sha256:aa", "sha256:bb"), "only what is held");
    }

    #[test]
    fn d3_a_change_of_state_is_one_event_and_no_other_is_any() {
        let waiting = |message: &str| Outcome::Waiting { reason: Reason::Unreachable, message: message.to_owned(), after: DEADLINE };
        let conditions =
            |outcome: &Outcome, previous: &[Condition]| outcome::after_visit(outcome, &[], previous, 1, testing::now()).unwrap();
        let word = |_, reason: Reason| reason.to_string();
        let first = conditions(&waiting("a"), &[]);
        assert!(event(&waiting("a"), &[], &first, word).is_some());
        let again = conditions(&waiting("b"), &first);
        assert!(event(&waiting("b"), &first, &again, word).is_none(), "another message is no other state");
        let held = Outcome::held(Reason::AwaitingApproval, "ü".repeat(1_000_000), false);
        let now = conditions(&held, &again);
        let note = event(&held, &again, &now, word).unwrap().note.unwrap();
        assert!(note.len() <= 1024, "{} bytes", note.len());
        assert!(event(&held, &now, &conditions(&held, &now), word).is_none());
    }
}
