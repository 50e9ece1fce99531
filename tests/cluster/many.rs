//! Many objects: a broken one stops nobody, and beside it there is rest.

use std::time::Duration;

use serde_json::json;

use crate::{
    audit,
    failures::closed_port,
    scim::Scim,
    support,
    world::{NEVER, World, everybody, seen},
};

const REST: Duration = Duration::from_secs(15);

#[tokio::test]
async fn c1_one_broken_app_among_100_stops_nobody() {
    let apps: Vec<String> = (0..100).map(|number| format!("app-{number:03}")).collect();
    let world = World::new("many").await;
    let app = Scim::with_users("token", 3).await;
    world.secret("app", json!({"token": "token"}), Some("127.0.0.1")).await;
    let broken = &apps[apps.len() / 2];
    let nowhere = format!("http://127.0.0.1:{}/v2", closed_port().await);
    for name in &apps {
        let of = json!({"name": name});
        world.integration(name, if name == broken { &nowhere } else { &app.base_url }, "app", "Plan").await;
        world.apply("AttributeMapping", name, json!({"integrationRef": of})).await;
        world.apply("ProvisioningPolicy", name, everybody(name)).await;
        world.apply("ImportSchedule", name, json!({"integrationRef": of, "full": {"schedule": NEVER}})).await;
    }
    world.until("AppIntegration", broken, "Ready", "False", "Unreachable").await;
    for kind in ["AppIntegration", "AttributeMapping", "ProvisioningPolicy", "ImportSchedule"] {
        support::eventually(&format!("every other {kind} is ready"), async || {
            let objects = world.list(kind).await;
            assert_eq!(objects.len(), apps.len());
            let waiting = objects.iter().find(|object| object["metadata"]["name"] != **broken && seen(object, "Ready").status != "True");
            waiting.map_or(Ok(()), |object| Err(format!("{} {}", object["metadata"]["name"], object["status"])))
        })
        .await;
    }
    // The broken app is tried again every minute or more, and that may be told; between two attempts there is rest.
    support::eventually("there is rest", async || {
        let from = audit::end();
        tokio::time::sleep(REST).await;
        let mut all = audit::requests(&world.namespace, from);
        all.retain(|request| request["objectRef"]["resource"] != "events");
        let writes = all.iter().filter(|request| audit::is_write(request)).count();
        let quiet = writes == 0 && all.len() <= usize::try_from(REST.as_secs()).unwrap();
        quiet.then_some(()).ok_or(format!("{writes} writes among {} requests, such as {:#?}", all.len(), all.first()))
    })
    .await;
    crate::operator::Operator::assert_nothing_was_forbidden();
}
