//! The record of all that was asked and done.

use std::{collections::BTreeMap, time::Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request.
#[derive(Clone, Debug)]
pub struct Entry {
    pub method: String,
    /// Below the base, as it stood on the wire.
    pub path: String,
    /// As it stood on the wire.
    pub query: String,
    /// Names in lower case; without `authorization`.
    pub headers: BTreeMap<String, String>,
    /// As it stood on the wire.
    pub raw_body: Vec<u8>,
    /// The body, if it is JSON.
    pub body: Option<Value>,
    /// [`hash_of`] the `Authorization` header.
    pub authorization: Option<String>,
    pub at: Instant,
}

/// What tells credentials apart without keeping them.
pub fn hash_of(authorization: &str) -> String {
    hex::encode(Sha256::digest(authorization.as_bytes()))
}

/// What was done to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectKind {
    Create,
    Update,
    Activate,
    Deactivate,
    Delete,
}

/// A change of an account.
#[derive(Clone, Debug)]
pub struct Effect {
    pub kind: EffectKind,
    pub id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
}

impl Ledger {
    /// Notes a change; what changes nothing is no effect.
    pub fn effect(&mut self, id: &str, before: Option<Value>, after: Option<Value>) {
        let kind = match (&before, &after) {
            (None, _) => EffectKind::Create,
            (_, None) => EffectKind::Delete,
            (Some(before), Some(after)) if before == after => return,
            (Some(before), Some(after)) => match (is_active(before), is_active(after)) {
                (true, false) => EffectKind::Deactivate,
                (false, true) => EffectKind::Activate,
                _ => EffectKind::Update,
            },
        };
        self.effects.push(Effect { kind, id: id.to_owned(), before, after });
    }

    pub fn effects_per_account(&self) -> BTreeMap<(String, EffectKind), u64> {
        let mut counts = BTreeMap::new();
        for effect in &self.effects {
            *counts.entry((effect.id.clone(), effect.kind)).or_default() += 1;
        }
        counts
    }
}

fn is_active(user: &Value) -> bool {
    user.get("active").is_none_or(|active| active == true)
}
