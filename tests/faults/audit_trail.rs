//! The audit trail: one line per effect, with what somebody needs who looks into it later, and without a value.

use std::{cell::RefCell, io};

use serde_json::Value;

use crate::world::{World, edit, id_of};

thread_local! {
    /// What this thread has logged. Tests run side by side, each in a thread of its own.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of effects.
fn effects() -> Vec<Value> {
    let text = LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap());
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "audit" && line["message"] == "effect").collect()
}

#[tokio::test]
async fn each_effect_leaves_a_line_with_its_plan_and_attributes_and_no_values() {
    // For the whole process: what a thread without a subscriber meets first would be logged nowhere.
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Log).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let world = World::new(3).await;
    world.import().await;
    let created = world.provision().await;
    edit(&world.hr, &id_of(&world.hr, "user1"), |user| user["title"] = "Chief".into());
    edit(&world.hr, &id_of(&world.hr, "user2"), |user| user["active"] = false.into());
    let mut import = world.import_job();
    import.rules.limits.max_unassigned_percent = 100;
    import.run().await.unwrap();
    let changed = world.provision().await;

    let effects = effects();
    let of = |action: &str| effects.iter().filter(|line| line["action"] == action).collect::<Vec<_>>();
    assert_eq!((of("create").len(), of("update").len(), of("deactivate").len(), effects.len()), (3, 1, 1, 5), "{effects:#?}");
    for (report, actions) in [(&created, &["create"][..]), (&changed, &["update", "deactivate"][..])] {
        for line in actions.iter().flat_map(|action| of(action)) {
            assert_eq!(line["digest"], report.digest.unwrap().to_string(), "{line:#}");
            assert_eq!((&line["result"], &line["integration"]), (&"applied".into(), &"acme/chat".into()), "{line:#}");
            assert!(line["run"].is_i64() && line["person"].as_str().is_some_and(|id| id.starts_with("p-")), "{line:#}");
        }
    }
    assert_eq!(of("update")[0]["attributes"], "title");
    assert_eq!(of("deactivate")[0]["attributes"], "active");
    let attributes = of("create")[0]["attributes"].as_str().unwrap();
    for path in ["active", "userName", "name.familyName", "title"] {
        assert!(attributes.split(',').any(|written| written == path), "{path} in {attributes}");
    }
    let mut sequence: Vec<i64> = effects.iter().map(|line| line["sequence"].as_i64().unwrap()).collect();
    sequence.sort_unstable();
    sequence.dedup();
    assert_eq!(sequence.len(), 5, "each line has a number of its own");
    for value in ["Chief", "Clerk", "user1", "Family1", "example.com"] {
        assert!(effects.iter().all(|line| !line.to_string().contains(value)), "{value} is somebody's");
    }
}
