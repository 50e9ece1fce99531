//! D3: whoever watches events hears of every plan that is held, and of each once.

use std::collections::BTreeSet;

use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    directory::Directory,
    support,
    world::{Space, World, seen},
};

/// Takes so many people away in the source and imports; gives the digest of the plan that is held.
async fn held_without(space: &Space, directory: &Directory, people: usize, text: &str) -> String {
    for id in directory.hr.users().into_keys().take(people) {
        directory.hr.remove_user(&id);
    }
    space.ask("hr", text).await;
    let run = support::eventually("the import is held", async || {
        let runs = space.list("ImportRun").await;
        let asked = runs.into_iter().find(|run| run["metadata"]["annotations"]["joinery.dev/requested-at"] == text);
        let held = asked.as_ref().is_some_and(|run| run["status"]["state"] == "Held");
        asked.clone().filter(|_| held).ok_or(format!("{asked:?}"))
    })
    .await;
    let digest = run["status"]["plan"]["digest"].as_str().unwrap_or_default().to_owned();
    support::eventually("the schedule says so", async || {
        let said = seen(&space.get("ImportSchedule", "hr").await, "Ready");
        (said.reason == "RunHeld" && said.message.contains(&digest)).then_some(()).ok_or(said.message)
    })
    .await;
    digest
}

#[tokio::test]
async fn d3_every_held_plan_is_one_event_of_its_schedule() {
    let world = World::new("held").await;
    let directory = Directory::new(&world, "ada", 10).await;
    directory.apply(&world).await;
    let safeguards = json!({"import": {"minPopulation": 0, "missingFullImports": 1}});
    world.merge("ProvisioningPolicy", "hr", json!({"spec": {"safeguards": safeguards}})).await;
    world.import("hr", "first").await;
    let first = held_without(&world, &directory, 4, "second").await;
    let second = held_without(&world, &directory, 1, "third").await;
    assert_ne!(first, second);

    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let heard = support::eventually("both are heard of", async || {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let of_schedule = events.into_iter().filter(|event| {
            let regarding = event.regarding.as_ref().and_then(|regarding| regarding.kind.as_deref());
            regarding == Some("ImportSchedule") && event.reason.as_deref() == Some("RunHeld")
        });
        let notes: Vec<String> = of_schedule.filter_map(|event| event.note).collect();
        let both = [&first, &second].iter().all(|digest| notes.iter().any(|note| note.contains(digest.as_str())));
        both.then_some(notes.clone()).ok_or(format!("{notes:?}"))
    })
    .await;
    let plans: BTreeSet<&String> = heard.iter().collect();
    assert_eq!((heard.len(), plans.len()), (2, 2), "one each: {heard:?}");
}
