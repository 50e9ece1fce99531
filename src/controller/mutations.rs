//! G1: whatever a manifest holds, reading and judging it ends, in a status that is legal; what is wrong with it is said with
//! its field. What the API server says of the same manifests is tried in `tests/cluster/mutations.rs`.

use serde::de::DeserializeOwned;
use serde_json::Value;

#[path = "../../tests/support/cases.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cases;
#[path = "../../tests/support/long.rs"]
mod long;
#[path = "../../tests/support/mutate.rs"]
mod mutate;
#[path = "../../tests/support/random.rs"]
mod random;

use super::{
    app_integration, attribute_mapping, change_approval, directory, driver::Visit, import_run, import_schedule, kind::Kind,
    outcome::Outcome, provisioning_policy, testing,
};

/// Manifests that were judged, and those of them that were stalled.
#[derive(Debug, Default)]
struct Tally {
    judged: usize,
    stalled: usize,
}

fn judge<K: Kind + DeserializeOwned>(object: &Value, judge: impl FnOnce(&K) -> Visit<K::Status>, tally: &mut Tally) {
    // What has other types is refused by the API server, and left out by the watch.
    let Ok(typed) = serde_json::from_value::<K>(object.clone()) else { return };
    tally.judged += 1;
    let visit = judge(&typed);
    let stalled = match &visit.outcome {
        Outcome::Invalid { message, .. } => Some(message.clone()),
        _ => None,
    };
    testing::written::<K>(visit);
    if let Some(message) = stalled {
        tally.stalled += 1;
        assert!(message.contains("spec."), "{}: {message:?} names no field of {object}", K::KIND);
        testing::assert_helps(crate::api::Reason::InvalidSpec, &format!("{message} correct it"));
    }
}

#[test]
fn g1_no_manifest_makes_reading_or_judging_it_panic() {
    let mut random = random::Random::start("g1");
    for table in cases::tables() {
        let mut tally = Tally::default();
        let trials = long::scaled(500, 10_000);
        for number in 0..trials {
            let mut object = mutate::mutated(&table, &format!("m{number}"), &mut random);
            object["metadata"]["namespace"] = "acme".into();
            match table.kind.as_str() {
                "AppIntegration" => judge(&object, app_integration::judge, &mut tally),
                "AttributeMapping" => judge(&object, attribute_mapping::judge, &mut tally),
                "ChangeApproval" => judge(&object, change_approval::judge, &mut tally),
                "Directory" => judge(&object, directory::judge, &mut tally),
                "ImportRun" => judge(&object, import_run::judge, &mut tally),
                "ImportSchedule" => judge(&object, import_schedule::judge, &mut tally),
                "ProvisioningPolicy" => judge(&object, provisioning_policy::judge, &mut tally),
                other => panic!("{other} is not tried"),
            }
        }
        println!("{}: {tally:?} of {trials}", table.kind);
        assert!(tally.judged * 10 > trials, "{}: hardly any was read: {tally:?}", table.kind);
        assert!(tally.stalled > 0 || matches!(table.kind.as_str(), "ImportRun" | "ChangeApproval"), "{}: none was stalled", table.kind);
    }
}
