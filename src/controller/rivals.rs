//! Several objects for one integration: the oldest counts, the others say so (promise G5).

use std::cmp::Ordering;

use kube::{ResourceExt as _, core::DeserializeGuard, runtime::reflector::Store};

use super::kind::Kind;

/// The object that counts for an integration of a namespace.
pub(crate) fn oldest<K: Kind>(cache: &Store<DeserializeGuard<K>>, namespace: &str, integration: &str) -> Option<K> {
    let all = cache.state();
    let candidates = all.iter().filter_map(|object| object.0.as_ref().ok()).filter(|object| {
        object.meta().namespace.as_deref() == Some(namespace)
            && object.meta().deletion_timestamp.is_none()
            && object.integration() == integration
    });
    candidates.min_by(|a, b| by_age(*a, *b)).cloned()
}

/// The name of an older object for the same integration.
pub(crate) fn older<K: Kind>(cache: &Store<DeserializeGuard<K>>, object: &K) -> Option<String> {
    let oldest = oldest(cache, &object.namespace().unwrap_or_default(), &object.integration())?;
    (oldest.uid() != object.uid() && by_age(&oldest, object) == Ordering::Less).then(|| oldest.name_any())
}

/// Creation times are whole seconds; among those created in one, the name decides.
fn by_age<K: Kind>(a: &K, b: &K) -> Ordering {
    let age = |object: &K| object.meta().creation_timestamp.as_ref().map(|time| time.0);
    age(a).cmp(&age(b)).then_with(|| a.name_any().cmp(&b.name_any()))
}
