//! The API server's audit log: one JSON object per request.

use std::{
    env, fs,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use serde_json::Value;

use crate::operator::USER;

fn path() -> PathBuf {
    let folder = env::var_os("JOINERY_CONTROLPLANE_DIR").expect("JOINERY_CONTROLPLANE_DIR, which `make test` sets");
    PathBuf::from(folder).join("audit.log")
}

/// Where the log ends now.
pub fn end() -> u64 {
    fs::metadata(path()).expect("an audit log").len()
}

/// The requests of a user that were logged from this place on.
pub fn of(user: &str, from: u64) -> Vec<Value> {
    let mut file = fs::File::open(path()).expect("an audit log");
    file.seek(SeekFrom::Start(from)).expect("a place in the log");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("text");
    let ours = text.lines().filter(|line| line.contains(user));
    // The last line may be half written.
    ours.filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|entry| entry["user"]["username"] == user).collect()
}

/// What the operator asked for in a namespace from this place on, watches apart.
pub fn requests(namespace: &str, from: u64) -> Vec<Value> {
    let ours = |entry: &Value| entry["objectRef"]["namespace"] == namespace && entry["verb"] != "watch";
    of(USER, from).into_iter().filter(ours).collect()
}

/// What the operator wrote in a namespace from this place on, events included.
pub fn writes(namespace: &str, from: u64) -> Vec<Value> {
    requests(namespace, from).into_iter().filter(is_write).collect()
}

pub fn is_write(request: &Value) -> bool {
    !matches!(request["verb"].as_str(), Some("get" | "list" | "watch"))
}
