//! What `kubectl get` shows of each kind, with and without `-o wide` (operations.md §4), compared with `tests/cluster/golden`.
//! `JOINERY_GOLDEN=write` writes those files anew.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    directory::Directory,
    plane::repository,
    support,
    world::{KINDS, NEVER, World},
};

/// Columns whose values are another at every run.
const VOLATILE: [&str; 5] = ["AGE", "LAST-RUN", "NEXT-RUN", "NEXT-ATTEMPT", "PLAN"];

fn kubectl(world: &World, kind: &str, more: &[&str]) -> String {
    let output = Command::new("kubectl").args(["get", &kind.to_lowercase(), "-n", &world.namespace]).args(more).output().expect("kubectl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Where columns begin; their names hold no spaces.
fn columns(header: &str) -> Vec<usize> {
    let begins = |at: usize| !header[at..].starts_with(' ') && (at == 0 || header[..at].ends_with(' '));
    (0..header.len()).filter(|at| begins(*at)).collect()
}

/// The table without what no two runs share; columns are one `|` apart.
fn stable(table: &str) -> String {
    let header = table.lines().next().expect("a header");
    let begins = columns(header);
    let cells = |line: &str| -> Vec<String> {
        let ends = begins.iter().skip(1).copied().chain([line.len()]);
        begins.iter().zip(ends).map(|(from, to)| line.get(*from..to.min(line.len())).unwrap_or_default().trim().to_owned()).collect()
    };
    let names = cells(header);
    let lines = table.lines().enumerate().map(|(number, line)| {
        let cells = cells(line).into_iter().zip(&names).map(|(cell, name)| {
            // Whether there is a value is stable.
            let hidden = number > 0 && VOLATILE.contains(&name.as_str()) && !matches!(cell.as_str(), "" | "<none>");
            match cell.split_once(':') {
                _ if hidden => "…".to_owned(),
                Some((host @ "127.0.0.1", _port)) => format!("{host}:…"),
                _ => cell,
            }
        });
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// One object of each sort of state, with names that do not change.
async fn show(world: &World) -> Directory {
    let directory = Directory::new(world, "person", 5).await;
    directory.apply(world).await;
    world.apply("ImportRun", "hr-by-hand", json!({"integrationRef": {"name": "hr"}, "type": "Full"})).await;
    world.until("ImportRun", "hr-by-hand", "Succeeded", "True", "*").await;
    directory.provisioned(world).await;
    let of = json!({"name": "missing"});
    world.integration("missing", &directory.hr.base_url(), "missing", "Plan").await;
    world.apply("AttributeMapping", "missing", json!({"integrationRef": of, "preset": "None"})).await;
    world.apply("ProvisioningPolicy", "missing", json!({"integrationRef": of})).await;
    let schedule = json!({"integrationRef": of, "full": {"schedule": NEVER}, "timeZone": "Europe/Berlin", "suspend": true});
    world.apply("ImportSchedule", "missing", schedule).await;
    world.apply("ImportRun", "missing", json!({"integrationRef": of, "type": "Full"})).await;
    world.until("AppIntegration", "missing", "Ready", "False", "SecretNotFound").await;
    world.organise(&["hr"]).await;
    for (name, run) in [("other-plan", "hr-by-hand"), ("nowhere", "nowhere")] {
        let digest = format!("sha256:{}", "0".repeat(64));
        let spec = json!({"target": {"kind": "ImportRun", "name": run}, "planDigest": digest, "decision": "Approve"});
        world.apply("ChangeApproval", name, spec).await;
    }
    world.until("ChangeApproval", "other-plan", "Accepted", "False", "DigestMismatch").await;
    world.until("ChangeApproval", "nowhere", "Accepted", "False", "TargetNotFound").await;
    for kind in ["ProvisioningPolicy", "ImportRun"] {
        world.until(kind, "missing", "Ready", "False", "IntegrationNotReady").await;
    }
    world.until("AttributeMapping", "missing", "Ready", "True", "Succeeded").await;
    world.until("ImportSchedule", "missing", "Ready", "True", "Suspended").await;
    support::eventually("the directory counts its people", async || {
        let directory = world.get("Directory", "default").await;
        (directory["status"]["people"]["active"] == 5).then_some(()).ok_or(directory["status"].to_string())
    })
    .await;
    support::eventually("the source counts its links", async || {
        let hr = world.get("AppIntegration", "hr").await;
        (hr["status"]["accounts"]["linked"] == 5).then_some(()).ok_or(hr["status"].to_string())
    })
    .await;
    directory
}

#[tokio::test]
async fn kubectl_get_shows_the_golden_columns() {
    let world = World::new("golden").await;
    let _directory = show(&world).await;
    for kind in KINDS {
        let (narrow, wide) = (stable(&kubectl(&world, kind, &[])), stable(&kubectl(&world, kind, &["-o", "wide"])));
        let shown = format!("$ kubectl get {0}\n{narrow}\n$ kubectl get {0} -o wide\n{wide}", kind.to_lowercase());
        let file = repository(&format!("tests/cluster/golden/{}.txt", kind.to_lowercase()));
        if std::env::var("JOINERY_GOLDEN").is_ok_and(|asked| asked == "write") {
            fs::write(&file, &shown).expect("a golden file");
        }
        let golden = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(shown, golden, "{kind}: if this is as it should be, JOINERY_GOLDEN=write writes {file} anew");
    }
}

#[test]
fn only_what_changes_at_every_run_is_left_out() {
    let table = "NAME   FULL           ACTIVE   LAST-RUN   AGE\nhr     0 0 29 2 *              <none>     91d\n";
    assert_eq!(stable(table), "NAME | FULL | ACTIVE | LAST-RUN | AGE\nhr | 0 0 29 2 * |  | <none> | …\n");
}
