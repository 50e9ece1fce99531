//! Accounts: user resources in apps, as an import or a provisioning pass has read them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{hash::ShortHash, id::AppId};

/// A user resource as it was read from an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The resource's `id`.
    pub id: AppId,
    /// The whole resource.
    pub resource: Value,
}

impl Record {
    /// `active`; an app that does not say is taken to mean active. `"True"`/`"False"` read as booleans (SC-1).
    pub fn active(&self) -> bool {
        says_active(&self.resource)
    }

    /// `externalId`, where there is one.
    pub fn external_id(&self) -> Option<&str> {
        self.resource.get("externalId").and_then(Value::as_str)
    }

    /// `userName`, where there is one.
    pub fn user_name(&self) -> Option<&str> {
        self.resource.get("userName").and_then(Value::as_str)
    }
}

/// See [`Record::active`].
pub fn says_active(resource: &Value) -> bool {
    match resource.get("active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) => !text.eq_ignore_ascii_case("false"),
        _ => true,
    }
}

/// The ids that a listing has returned, as 16-byte hashes (about 30 bytes each): what proves that no id came twice, and
/// what absences are found by.
#[derive(Debug, Default)]
pub struct SeenIds {
    hashes: HashSet<ShortHash>,
    first: Option<AppId>,
}

impl SeenIds {
    /// Notes an id; `false` if it was there already.
    pub fn insert(&mut self, id: &AppId) -> bool {
        self.first.get_or_insert_with(|| id.clone());
        self.hashes.insert(ShortHash::of(id.as_str().as_bytes()))
    }

    /// One of the ids.
    pub fn sample(&self) -> Option<&AppId> {
        self.first.as_ref()
    }

    /// Was this id returned?
    pub fn contains(&self, id: &AppId) -> bool {
        self.hashes.contains(&ShortHash::of(id.as_str().as_bytes()))
    }

    /// The number of distinct ids.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Was no id returned at all?
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// What is remembered of records that are linked and decided: the hash of each as it was last read, under the same
/// mapping and policy. A record that has not changed is not even parsed.
#[derive(Debug, Default)]
pub struct KnownRecords(HashMap<ShortHash, ShortHash>);

impl KnownRecords {
    /// Notes the hash of the record of `id`.
    pub fn insert(&mut self, id: &AppId, record: ShortHash) {
        self.0.insert(ShortHash::of(id.as_str().as_bytes()), record);
    }

    /// Is this the record that is remembered?
    pub fn is_unchanged(&self, id: &AppId, record: ShortHash) -> bool {
        self.0.get(&ShortHash::of(id.as_str().as_bytes())) == Some(&record)
    }
}
