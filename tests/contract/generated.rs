//! What is generated and committed is what the code says.

use std::path::Path;

use joinery::api::crd;

#[test]
fn the_definitions_in_crds_are_up_to_date() {
    let drift = crd::drift(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")).unwrap();
    let text: Vec<String> = drift.iter().map(ToString::to_string).collect();
    assert!(drift.is_empty(), "run `cargo run --bin crdgen`:\n{}", text.join("\n"));
}

#[test]
fn a_definition_fits_into_a_client_side_apply() {
    for (file, text) in crd::files().unwrap() {
        assert!(text.len() < 200 * 1024, "{file} has {} bytes; kubectl keeps a copy in an annotation of at most 256 KiB", text.len());
    }
}
