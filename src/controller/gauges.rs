//! What metrics say of objects: made anew from the caches, so that what is gone is gone there, too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{ResourceExt as _, core::DeserializeGuard, runtime::reflector::Store};

use super::{context::Caches, kind::Kind};
use crate::{
    api::{ConditionType, ImportRun, ImportSchedule, ProvisioningPolicy, conditions::Status, import_run::RunState},
    connector::RequestObserver,
    domain::id::IntegrationKey,
    telemetry::metrics::{GaugeFamily, Metrics, RequestLabels},
};

/// Counts an integration's requests under its name.
pub(super) struct AppRequests {
    pub(super) metrics: Metrics,
    pub(super) app: IntegrationKey,
}

impl RequestObserver for AppRequests {
    fn request(&self, operation: &'static str, class: &'static str, seconds: f64) {
        let labels = RequestLabels::of(&self.app, operation, class);
        self.metrics.app_requests.get(&labels).inc();
        self.metrics.app_request_seconds.get(&labels).observe(seconds);
    }
}

type Series = BTreeMap<Vec<(&'static str, String)>, i64>;

#[derive(Default)]
struct Gauges {
    objects: Series,
    attention: Series,
    held: Series,
    last_success: Series,
}

/// The families that are made from objects.
pub(super) fn of(caches: &Caches) -> Vec<GaugeFamily> {
    let Caches { integrations, mappings, policies, schedules, runs, approvals, directories } = caches;
    let mut gauges = Gauges::default();
    each(integrations, |object| gauges.count(object));
    each(mappings, |object| gauges.count(object));
    each(approvals, |object| gauges.count(object));
    each(directories, |object| gauges.count(object));
    each(policies, |object| {
        gauges.count(object);
        gauges.hold(object);
    });
    each(schedules, |object| {
        gauges.count(object);
        gauges.succeed(object, last_success_of_schedule(object));
    });
    each(runs, |object| {
        gauges.count(object);
        gauges.succeed(object, success_of_run(object));
    });
    gauges.families()
}

fn each<K: Kind>(cache: &Store<DeserializeGuard<K>>, see: impl FnMut(&K)) {
    cache.state().iter().filter_map(|object| object.0.as_ref().ok()).for_each(see);
}

impl Gauges {
    fn count<K: Kind>(&mut self, object: &K) {
        let ready = condition(object, ConditionType::Ready);
        let status = ready.as_ref().map_or(Status::Unknown.as_str(), |(status, _)| status);
        *self.objects.entry(vec![("kind", K::KIND.to_owned()), ("ready", status.to_owned())]).or_default() += 1;
        if let Some((_, reason)) = ready.filter(|_| needs_attention(object)) {
            let labels =
                vec![("kind", K::KIND.to_owned()), ("namespace", namespace(object)), ("name", object.name_any()), ("reason", reason)];
            self.attention.insert(labels, 1);
        }
    }

    /// A policy that does not count holds nothing, whatever it said before.
    fn hold(&mut self, policy: &ProvisioningPolicy) {
        if condition(policy, ConditionType::Accepted).is_none_or(|(status, _)| status != Status::True.as_str()) {
            return;
        }
        for held in policy.status.iter().flat_map(|status| &status.held) {
            let class = format!("{:?}", held.class);
            self.held.insert(vec![("namespace", namespace(policy)), ("integration", policy.integration()), ("class", class)], held.count);
        }
    }

    fn succeed<K: Kind>(&mut self, object: &K, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let labels = vec![("namespace", namespace(object)), ("integration", object.integration()), ("type", "full".to_owned())];
        let newest = self.last_success.entry(labels).or_default();
        *newest = at.as_second().max(*newest);
    }

    fn families(self) -> Vec<GaugeFamily> {
        let Self { objects, attention, held, last_success } = self;
        let family = |name, help, series| GaugeFamily { name, help, series };
        vec![
            family("objects", "Objects by kind and Ready", objects),
            family("attention", "1 for each object that somebody should look at", attention),
            family("held_actions", "Actions that a limit holds back", held),
            family("last_success_timestamp_seconds", "When an import last succeeded", last_success),
        ]
    }
}

/// Rows 2 to 5 of operations.md §3. What a run meets is said by its schedule.
fn needs_attention<K: Kind>(object: &K) -> bool {
    let is = |kind, wanted: Status| condition(object, kind).is_some_and(|(status, _)| status == wanted.as_str());
    match K::KIND {
        ImportRun::KIND => false,
        ImportSchedule::KIND if is(ConditionType::LastRunSucceeded, Status::False) => is(ConditionType::Ready, Status::False),
        _ => is(ConditionType::Stalled, Status::True),
    }
}

fn last_success_of_schedule(schedule: &ImportSchedule) -> Option<Timestamp> {
    schedule.status.as_ref()?.last_successful_time.as_ref().map(|time| time.0)
}

fn success_of_run(run: &ImportRun) -> Option<Timestamp> {
    let status = run.status.as_ref().filter(|status| status.state == Some(RunState::Succeeded))?;
    status.completion_time.as_ref().map(|time| time.0)
}

/// Status and reason of a condition.
fn condition<K: Kind>(object: &K, kind: ConditionType) -> Option<(String, String)> {
    let conditions = object.status().map(K::conditions).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == kind.as_str()).map(|found| (found.status.clone(), found.reason.clone()))
}

fn namespace<K: Kind>(object: &K) -> String {
    object.namespace().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::AppIntegration;

    fn object<K: Kind>(name: &str, spec: &Value, status: &Value) -> K {
        let object = json!({
            "apiVersion": "joinery.dev/v1alpha1", "kind": K::KIND, "metadata": {"name": name, "namespace": "acme"},
            "spec": spec, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn conditions(all: &[(&str, &str, &str)]) -> Value {
        let of = |(kind, status, reason): &(&str, &str, &str)| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        all.iter().map(of).collect()
    }

    fn integration(name: &str, all: &[(&str, &str, &str)]) -> AppIntegration {
        let spec = json!({
            "connector": {"scim": {"baseURL": "https://chat.example.com/scim/v2"}},
            "authentication": {"bearerToken": {"secretRef": {"name": "chat", "key": "token"}}},
        });
        object(name, &spec, &json!({"conditions": conditions(all)}))
    }

    fn schedule(name: &str, all: &[(&str, &str, &str)], last: &str) -> ImportSchedule {
        let spec = json!({"integrationRef": {"name": "hr"}, "full": {"schedule": "0 2 * * *"}});
        object(name, &spec, &json!({"conditions": conditions(all), "lastSuccessfulTime": last}))
    }

    fn policy(name: &str, accepted: &str) -> ProvisioningPolicy {
        let all = [("Ready", "False", "AwaitingApproval"), ("Stalled", "True", "AwaitingApproval"), ("Accepted", accepted, "Succeeded")];
        let status = json!({"conditions": conditions(&all), "held": [{"class": "Removals", "count": 300}]});
        object(name, &json!({"integrationRef": {"name": "chat"}}), &status)
    }

    fn shown(series: &Series) -> Vec<String> {
        let line = |(labels, value): (&Vec<(&str, String)>, &i64)| {
            let labels: Vec<&str> = labels.iter().map(|(_, value)| value.as_str()).collect();
            format!("{} {value}", labels.join(" "))
        };
        series.iter().map(line).collect()
    }

    #[test]
    fn objects_are_counted_and_what_somebody_should_look_at_is_named() {
        let mut gauges = Gauges::default();
        gauges.count(&integration("well", &[("Ready", "True", "Succeeded")]));
        gauges.count(&integration("waits", &[("Ready", "False", "Unreachable"), ("Reconciling", "True", "Unreachable")]));
        gauges.count(&integration("refused", &[("Ready", "False", "Unauthorized"), ("Stalled", "True", "Unauthorized")]));
        gauges.count(&integration("new", &[]));
        gauges.count(&schedule(
            "failed",
            &[("Ready", "False", "Unreachable"), ("LastRunSucceeded", "False", "Unreachable")],
            "2026-01-01T00:00:00Z",
        ));
        let run = json!({"integrationRef": {"name": "hr"}, "type": "Full"});
        let failed = [("Ready", "False", "Unreachable"), ("Stalled", "True", "Unreachable")];
        gauges.count(&object::<ImportRun>("run", &run, &json!({"conditions": conditions(&failed)})));
        assert_eq!(
            shown(&gauges.objects),
            ["AppIntegration False 2", "AppIntegration True 1", "AppIntegration Unknown 1", "ImportRun False 1", "ImportSchedule False 1"]
        );
        assert_eq!(shown(&gauges.attention), ["AppIntegration acme refused Unauthorized 1", "ImportSchedule acme failed Unreachable 1"]);
    }

    #[test]
    fn only_the_policy_that_counts_holds_something() {
        let mut gauges = Gauges::default();
        gauges.hold(&policy("older", "True"));
        assert_eq!(shown(&gauges.held), ["acme chat Removals 300"]);
        let mut gauges = Gauges::default();
        gauges.hold(&policy("newer", "False"));
        assert!(gauges.held.is_empty());
    }

    #[test]
    fn the_newest_success_of_schedules_and_runs_counts() {
        let mut gauges = Gauges::default();
        let kept = schedule("hr", &[], "2026-01-02T00:00:00Z");
        gauges.succeed(&kept, last_success_of_schedule(&kept));
        for (state, at) in [("Succeeded", "2026-01-03T00:00:00Z"), ("Failed", "2026-01-04T00:00:00Z")] {
            let status = json!({"state": state, "completionTime": at});
            let run: ImportRun = object(state, &json!({"integrationRef": {"name": "hr"}, "type": "Full"}), &status);
            gauges.succeed(&run, success_of_run(&run));
        }
        let newest: Timestamp = "2026-01-03T00:00:00Z".parse().unwrap();
        assert_eq!(shown(&gauges.last_success), [format!("acme hr full {}", newest.as_second())]);
    }
}
