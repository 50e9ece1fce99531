//! The manifests of `deploy/samples`.

use std::{fs, path::Path};

/// Name and text of each sample, in the order in which they are applied.
pub fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the folder of the samples").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a readable file"))).collect()
}
