//! What a manifest that says only what it must turns on: nothing (A14).

use joinery::api::yaml::{self, Manifest};
use serde_json::{Value, json};

fn spec(kind: &str, spec: &str) -> Value {
    let text = format!("{{apiVersion: joinery.dev/v1alpha1, kind: {kind}, metadata: {{name: chat}}, spec: {spec}}}");
    let manifests = yaml::manifests(&text).unwrap();
    let object = match manifests.into_iter().next().unwrap() {
        Manifest::AppIntegration(object) => serde_json::to_value(object),
        Manifest::ProvisioningPolicy(object) => serde_json::to_value(object),
        other => panic!("{other:?}"),
    };
    object.unwrap()["spec"].take()
}

#[test]
fn a14_whatever_is_left_out_of_a_manifest_is_off() {
    let integration = spec(
        "AppIntegration",
        "{connector: {scim: {baseURL: 'https://chat.example.com'}}, authentication: {bearerToken: {secretRef: {name: chat, key: token}}}}",
    );
    assert_eq!((&integration["mode"], &integration["pushNullValues"]), (&json!("Plan"), &json!(false)));
    let bare = spec("ProvisioningPolicy", "{integrationRef: {name: chat}}");
    assert!(bare["toApp"].is_null() && bare["toDirectory"].is_null(), "{bare}");
    let open = spec("ProvisioningPolicy", "{integrationRef: {name: chat}, toApp: {}, toDirectory: {}}");
    for switch in ["createUsers", "updateUserAttributes", "deactivateUsers"] {
        assert_eq!(open["toApp"][switch], false, "{switch}");
    }
    assert!(open["toApp"]["assignments"].as_array().is_none_or(Vec::is_empty), "{open}");
    let to_directory = &open["toDirectory"];
    assert_eq!(to_directory["confirmation"]["exactMatches"], "Manual");
    assert_eq!(to_directory["confirmation"]["newUsers"], "Manual");
    assert_eq!(to_directory["sourcing"]["enabled"], false);
}
