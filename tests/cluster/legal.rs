//! What conditions may look like at any moment, checked on every version of every object of ours in a test's namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;
use joinery::api::conditions::{ConditionType, Reason};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher,
};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::world::KINDS;

/// There only while they are true.
const NEGATIVE: [&str; 4] = ["Reconciling", "Stalled", "SafeguardTripped", "AwaitingApproval"];

/// What the API server takes at most (promise D3).
const MESSAGE: usize = 1024;

/// Watches a namespace; when it is dropped, the test fails if anything illegal was seen.
pub struct Watched {
    problems: Arc<Mutex<BTreeSet<String>>>,
    watches: Vec<JoinHandle<()>>,
}

impl Watched {
    pub fn start(client: &Client, namespace: &str) -> Self {
        let problems = Arc::new(Mutex::new(BTreeSet::new()));
        let watches = KINDS.map(|kind| {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("joinery.dev", "v1alpha1", kind));
            let api = Api::namespaced_with(client.clone(), namespace, &resource);
            tokio::spawn(watch(api, Arc::clone(&problems)))
        });
        Self { problems, watches: watches.into() }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(problems.is_empty() || std::thread::panicking(), "illegal conditions: {problems:#?}");
    }
}

async fn watch(api: Api<DynamicObject>, problems: Arc<Mutex<BTreeSet<String>>>) {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    let mut events = watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { continue };
        let object = serde_json::to_value(object).expect("JSON");
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let what = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let found = problems_of(last.get(&uid), &object).into_iter().map(|problem| format!("{what}: {problem}; {}", object["status"]));
        problems.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        last.insert(uid, object);
    }
}

fn conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map_or(&[], Vec::as_slice)
}

/// What is illegal about an object, seen after its previous version.
fn problems_of(previous: Option<&Value>, object: &Value) -> Vec<String> {
    let all = conditions(object);
    let (generation, observed) = (object["metadata"]["generation"].as_i64(), object["status"]["observedGeneration"].as_i64());
    let mut problems = Vec::new();
    let mut require = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    // A prefix says that a condition is somebody else's.
    for condition in all.iter().filter(|condition| condition["type"].as_str().is_none_or(|name| !name.contains('/'))) {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let name = text("type");
        require(ConditionType::parse(name).is_some(), format!("{name} is no type of condition"));
        require(Reason::parse(text("reason")).is_some(), format!("{name}: {} is no reason", text("reason")));
        require(["True", "False", "Unknown"].contains(&text("status")), format!("{name}: {} is no status", text("status")));
        require((1..=MESSAGE).contains(&text("message").chars().count()), format!("{name}: nothing, or too much, is said"));
        require(condition["observedGeneration"].as_i64() == observed, format!("{name} is of another generation than the status"));
        require(!NEGATIVE.contains(&name) || text("status") == "True", format!("{name} is there without being true"));
        let same = |other: &&Value| other["type"] == condition["type"] && other["status"] == condition["status"];
        if let Some(before) = previous.and_then(|previous| conditions(previous).iter().find(same)) {
            let stays = before["lastTransitionTime"] == condition["lastTransitionTime"];
            require(stays, format!("{name}: lastTransitionTime moved without the status"));
        }
    }
    let names: BTreeSet<&str> = all.iter().filter_map(|condition| condition["type"].as_str()).collect();
    require(names.len() == all.len(), "a type of condition is there twice".to_owned());
    require(all.is_empty() || names.contains("Ready"), "there is no Ready".to_owned());
    require(observed <= generation, "a generation is observed that does not exist".to_owned());
    let ready = all.iter().find(|condition| condition["type"] == "Ready").and_then(|ready| ready["status"].as_str());
    let kstatus = (ready, names.contains("Reconciling"), names.contains("Stalled"));
    let held_run = object["kind"] == "ImportRun" && names.contains("AwaitingApproval");
    let legal = match kstatus {
        (None | Some("True"), reconciling, stalled) => !reconciling && !stalled,
        (Some("False"), reconciling, stalled) => reconciling != stalled,
        (Some(_), reconciling, stalled) => reconciling != held_run && !stalled,
    };
    require(legal, format!("Ready {ready:?} does not go with Reconciling and Stalled"));
    problems
}

#[test]
fn illegal_conditions_are_found() {
    use serde_json::json;
    let condition = |name: &str, status: &str, time: &str| json!({"type": name, "status": status, "reason": "Succeeded", "message": "m", "observedGeneration": 1, "lastTransitionTime": time});
    let object =
        |conditions: &[Value]| json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}});
    let ready = condition("Ready", "True", "1");
    let first = object(std::slice::from_ref(&ready));
    assert_eq!(problems_of(None, &first), Vec::<String>::new());
    let with = |field: &str, value: Value| {
        let mut ready = ready.clone();
        ready[field] = value;
        object(&[ready])
    };
    let (reconciling, stalled) = (condition("Reconciling", "True", "1"), condition("Stalled", "True", "1"));
    let illegal = [
        ("reason", with("reason", "Because".into())),
        ("generation", with("observedGeneration", 2.into())),
        ("moved time", with("lastTransitionTime", "2".into())),
        ("no message", with("message", "".into())),
        ("ready and at work", object(&[ready.clone(), reconciling.clone()])),
        ("failed, and nobody has to act", object(&[condition("Ready", "False", "1")])),
        ("both", object(&[condition("Ready", "False", "1"), reconciling.clone(), stalled])),
        ("false", object(&[ready.clone(), condition("SafeguardTripped", "False", "1")])),
        ("twice", object(&[ready.clone(), ready.clone()])),
        ("no Ready", object(&[condition("Compiled", "True", "1")])),
        ("unknown, and nothing comes of it", object(&[condition("Ready", "Unknown", "1")])),
    ];
    for (why, object) in illegal {
        assert_ne!(problems_of(Some(&first), &object), Vec::<String>::new(), "{why}");
    }
}
