//! G4: in whatever order the objects of an organisation are applied, they end in the same state.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    long,
    operator::Operator,
    random::Random,
    scripted_app::{Options, ScriptedApp},
    support,
    world::{KINDS, NEVER, World, everybody, source_of_people},
};

const TOKEN: &str = "any-order";
const PEOPLE: usize = 3;
/// Orders that are tried side by side. A Secret that comes late is looked for every minute, and these minutes overlap.
const SIDE_BY_SIDE: usize = 36;

/// What is applied, each at its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Secret,
    Integration,
    Mapping,
    Policy,
    Schedule,
    Target,
}

const PARTS: [Part; 6] = [Part::Secret, Part::Integration, Part::Mapping, Part::Policy, Part::Schedule, Part::Target];

/// All orders of these parts.
fn orders(parts: &[Part]) -> Vec<Vec<Part>> {
    if parts.is_empty() {
        return vec![Vec::new()];
    }
    let first = |first: &Part| {
        let rest: Vec<Part> = parts.iter().copied().filter(|part| part != first).collect();
        orders(&rest).into_iter().map(|order| [vec![*first], order].concat()).collect::<Vec<_>>()
    };
    parts.iter().flat_map(first).collect()
}

/// As many of the orders as this run tries.
fn drawn() -> Vec<Vec<Part>> {
    let mut all = orders(&PARTS);
    Random::start("g4").shuffle(&mut all);
    all.truncate(long::scaled(36, all.len()));
    all
}

fn integration(app: &ScriptedApp) -> Value {
    json!({
        "connector": {"scim": {"baseURL": app.base_url()}},
        "authentication": {"bearerToken": {"secretRef": {"name": "app", "key": "token"}}},
        "mode": "Enforce",
        "rateLimit": {"requestsPerSecond": 1000, "burst": 1000, "concurrency": 8},
    })
}

/// Applies a part and waits until the operator has seen it: what comes next meets what it has made of it.
async fn apply(world: &World, part: Part, hr: &ScriptedApp, chat: &ScriptedApp) {
    let of = json!({"name": "hr"});
    let objects: Vec<(&str, &str, Value)> = match part {
        Part::Secret => return world.secret("app", json!({"token": TOKEN}), Some("127.0.0.1")).await,
        Part::Integration => vec![("AppIntegration", "hr", integration(hr))],
        Part::Mapping => {
            let spec = json!({"integrationRef": of, "toDirectory": [{"target": "nickName", "expression": "upper(app.name.familyName)"}]});
            vec![("AttributeMapping", "hr", spec)]
        }
        Part::Policy => vec![("ProvisioningPolicy", "hr", source_of_people("hr"))],
        Part::Schedule => vec![("ImportSchedule", "hr", json!({"integrationRef": of, "full": {"schedule": NEVER}}))],
        Part::Target => vec![("AppIntegration", "chat", integration(chat)), ("ProvisioningPolicy", "chat", everybody("chat"))],
    };
    for (kind, name, spec) in objects {
        let annotations = if kind == "ImportSchedule" { json!({"joinery.dev/requested-at": "at once"}) } else { json!({}) };
        world.apply_annotated(kind, name, annotations, spec).await;
        support::eventually(&format!("{kind} {name} is seen"), async || {
            let object = world.get(kind, name).await;
            let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            seen.then_some(()).ok_or(object["status"].to_string())
        })
        .await;
    }
}

/// Everything that is the same whichever way it came about: no times, no ids, no names that are made of ids.
#[derive(Clone, Debug, PartialEq)]
struct End {
    /// Kind and name → type, status and reason of each condition. Runs are history: how much each had to do depends on what
    /// was there at its time, and only that it succeeded counts.
    conditions: BTreeMap<String, Vec<[String; 3]>>,
    /// Integration → its counts.
    accounts: BTreeMap<String, Value>,
    /// The accounts in the target, by username.
    people: BTreeMap<String, Value>,
}

impl End {
    async fn of(world: &World, chat: &ScriptedApp) -> Self {
        let mut end = Self { conditions: BTreeMap::new(), accounts: BTreeMap::new(), people: BTreeMap::new() };
        for kind in KINDS {
            for object in world.list(kind).await {
                let name = object["metadata"]["name"].as_str().unwrap();
                let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let words =
                    |condition: &Value| ["type", "status", "reason"].map(|word| condition[word].as_str().unwrap_or_default().to_owned());
                let mut words: Vec<[String; 3]> = conditions.iter().map(words).collect();
                if kind == "ImportRun" {
                    for [_, _, reason] in &mut words {
                        reason.clear();
                    }
                }
                end.conditions.insert(format!("{kind}/{name}"), words);
                if kind == "AppIntegration" {
                    end.accounts.insert(name.to_owned(), object["status"]["accounts"].clone());
                }
            }
        }
        for mut user in chat.users().into_values() {
            let name = user["userName"].as_str().unwrap().to_owned();
            for theirs in ["id", "externalId", "meta"] {
                user.as_object_mut().unwrap().remove(theirs);
            }
            assert!(end.people.insert(name, user).is_none(), "one account for each person");
        }
        end
    }
}

/// Applies everything in this order, imports once more when all is there, as the next slot would, and waits for the end.
async fn converge(order: &[Part], hr: &ScriptedApp) -> End {
    let world = World::new("order").await;
    let chat = ScriptedApp::start(Options { token: TOKEN.into(), ..Options::default() }).await;
    for part in order {
        apply(&world, *part, hr, &chat).await;
    }
    for kind in KINDS {
        for object in world.list(kind).await {
            world.until(kind, object["metadata"]["name"].as_str().unwrap(), "Ready", "True", "*").await;
        }
    }
    assert_eq!(world.list("ImportRun").await.len(), 1, "{order:?}: the import that was asked for with the schedule");
    world.import("hr", "when all is there").await;
    support::eventually(&format!("{order:?}: everybody has an account by the mapping"), async || {
        let users = chat.users();
        let done = users.len() == PEOPLE && users.values().all(|user| user["nickName"].is_string());
        done.then_some(()).ok_or(format!("{users:?}"))
    })
    .await;
    // The last import has nothing left to do, whatever those before it had.
    world.import("hr", "once more").await;
    support::eventually(&format!("{order:?}: all is settled"), async || {
        let end = End::of(&world, &chat).await;
        let counted = ["hr", "chat"].iter().all(|name| end.accounts[*name]["linked"] == PEOPLE);
        let says = |name: &str, word: [&str; 3]| end.conditions[name].contains(&word.map(str::to_owned));
        let settled = end.conditions.keys().all(|name| name.starts_with("ImportRun/") || says(name, ["Ready", "True", "Succeeded"]));
        let over = [["Scheduled", "True", "NextRunPlanned"], ["LastRunSucceeded", "True", "NothingToDo"]];
        (counted && settled && over.into_iter().all(|word| says("ImportSchedule/hr", word))).then(|| end.clone()).ok_or(format!("{end:#?}"))
    })
    .await
}

#[tokio::test]
async fn g4_any_order_of_applying_converges() {
    let hr = ScriptedApp::with_users(PEOPLE, Options { token: TOKEN.into(), ..Options::default() }).await;
    let usual = async { (PARTS.to_vec(), converge(&PARTS, &hr).await) };
    let others = stream::iter(drawn()).map(|order| {
        let hr = &hr;
        async move {
            let end = converge(&order, hr).await;
            (order, end)
        }
    });
    let others = others.buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>();
    let ((_, usual), others) = futures::join!(usual, others);
    for (order, end) in others {
        assert_eq!(end, usual, "{order:?} ends otherwise than {PARTS:?}");
    }
    Operator::assert_nothing_was_forbidden();
}
