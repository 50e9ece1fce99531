//! G5: of two policies or mappings for one integration the older counts and the other says so, whatever happens in between.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    operator::Operator,
    scim::Scim,
    world::{World, everybody, seen},
};

/// A kind of which only one counts for an integration.
struct Rival {
    kind: &'static str,
    /// The condition that says whether it counts.
    condition: &'static str,
    conflict: &'static str,
    spec: fn(&str) -> Value,
}

const RIVALS: [Rival; 2] = [
    Rival { kind: "ProvisioningPolicy", condition: "Accepted", conflict: "ConflictingPolicy", spec: everybody },
    Rival {
        kind: "AttributeMapping",
        condition: "Compiled",
        conflict: "ConflictingMapping",
        spec: |name| json!({"integrationRef": {"name": name}}),
    },
];

/// Two objects of a kind for one integration.
struct Pair {
    rival: &'static Rival,
    integration: String,
    /// In the order in which they were created.
    names: [String; 2],
}

impl Pair {
    /// Creation times are whole seconds; among those created in one the name decides.
    async fn ranked(&self, world: &World) -> [String; 2] {
        let mut ranked = Vec::new();
        for name in &self.names {
            let object = world.get(self.rival.kind, name).await;
            ranked.push((object["metadata"]["creationTimestamp"].as_str().unwrap().to_owned(), name.clone()));
        }
        ranked.sort();
        [ranked[0].1.clone(), ranked[1].1.clone()]
    }

    async fn until_decided(&self, world: &World, winner: &str, loser: &str) {
        let Rival { kind, condition, conflict, .. } = self.rival;
        world.until(kind, winner, "Ready", "True", "*").await;
        let loser = world.until(kind, loser, "Ready", "False", conflict).await;
        let said = seen(&loser, condition);
        assert_eq!((said.status.as_str(), said.reason.as_str()), ("False", *conflict), "{kind} for {}", self.integration);
        assert_eq!(seen(&loser, "Stalled").status, "True");
        assert!(said.message.contains(&format!("`{winner}`")), "it says which one counts: {}", said.message);
    }
}

/// Both orders of names, created in different seconds and, if the clock lets them, in the same one.
async fn pairs(world: &World, app: &Scim) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (rival, tag) in RIVALS.iter().zip(["policy", "mapping"]) {
        for (order, [first, second]) in [["a", "z"], ["z", "a"]].into_iter().enumerate() {
            for apart in [true, false] {
                let integration = format!("{tag}-{order}-{}", if apart { "apart" } else { "together" });
                world.integration(&integration, &app.base_url, "app", "Plan").await;
                let names = [first, second].map(|name| format!("{name}-{integration}"));
                pairs.push((Pair { rival, integration, names }, apart));
            }
        }
    }
    for (pair, apart) in &pairs {
        let spec = (pair.rival.spec)(&pair.integration);
        world.apply(pair.rival.kind, &pair.names[0], spec.clone()).await;
        if !apart {
            world.apply(pair.rival.kind, &pair.names[1], spec).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for (pair, _) in pairs.iter().filter(|(_, apart)| *apart) {
        world.apply(pair.rival.kind, &pair.names[1], (pair.rival.spec)(&pair.integration)).await;
    }
    pairs.into_iter().map(|(pair, _)| pair).collect()
}

#[tokio::test]
async fn g5_the_older_wins_also_after_a_restart_and_the_other_takes_over() {
    let world = World::new("rivals").await;
    let app = Scim::with_users("token", 0).await;
    world.secret("app", json!({"token": "token"}), Some("127.0.0.1")).await;
    let pairs = pairs(&world, &app).await;
    let mut ranks = Vec::new();
    for pair in &pairs {
        let ranked = pair.ranked(&world).await;
        if pair.integration.ends_with("apart") {
            assert_eq!(ranked, pair.names, "the first one is the older");
        }
        pair.until_decided(&world, &ranked[0], &ranked[1]).await;
        ranks.push(ranked);
    }

    // A new operator has seen neither come first.
    let decided = transitions(&world).await;
    let world = world.restarted().await;
    for (pair, ranked) in pairs.iter().zip(&ranks) {
        // Its visit after the restart tells no news, so what proves it is that a change is answered.
        world.merge(pair.rival.kind, &ranked[1], json!({"spec": changed(pair.rival.kind)})).await;
        pair.until_decided(&world, &ranked[0], &ranked[1]).await;
    }
    assert_eq!(transitions(&world).await, decided, "nobody has won or lost because of a restart, not even for a moment");

    for (pair, [winner, loser]) in pairs.iter().zip(&ranks) {
        world.delete(pair.rival.kind, winner).await;
        world.until(pair.rival.kind, loser, "Ready", "True", "*").await;
    }
    // The one that comes back is the younger now.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for (pair, [winner, loser]) in pairs.iter().zip(&ranks) {
        world.apply(pair.rival.kind, winner, (pair.rival.spec)(&pair.integration)).await;
        pair.until_decided(&world, loser, winner).await;
    }
    Operator::assert_nothing_was_forbidden();
}

/// When each of the rivals last won or lost: the time moves with the condition's status alone.
async fn transitions(world: &World) -> BTreeMap<String, Value> {
    let mut times = BTreeMap::new();
    for Rival { kind, condition, .. } in &RIVALS {
        for object in world.list(kind).await {
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let of = |name: &str| conditions.iter().find(|found| found["type"] == name).map(|found| found["lastTransitionTime"].clone());
            let name = format!("{kind}/{}", object["metadata"]["name"]);
            times.insert(name, json!([of("Ready"), of(condition)]));
        }
    }
    times
}

/// A change of a spec that leaves it valid.
fn changed(kind: &str) -> Value {
    match kind {
        "ProvisioningPolicy" => json!({"toApp": {"updateUserAttributes": false}}),
        _ => json!({"preset": "None"}),
    }
}
