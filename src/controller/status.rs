//! The one place that writes status: server-side apply, all of it, by one field manager, and only when it differs.

use jiff::{SignedDuration, Timestamp};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{aged::Aged, context::Context, driver, driver::Error, kind::Kind};
use crate::api::{
    ConditionType,
    names::{FIELD_MANAGER, GROUP, VERSION},
};

/// What this is called where it fails.
pub(super) const STEP: &str = "write the status";

/// Statuses that were written and that the cache may not show yet, with the version that the write made. Without them a second
/// visit would take the old status for the present one, and move a transition time for nothing.
pub(crate) struct Written<S>(Aged<(String, S)>);

/// A cache that lags behind by more than this is none.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(10);

impl<S: Clone> Default for Written<S> {
    fn default() -> Self {
        Self(Aged::new(KEPT_FOR))
    }
}

impl<S: Clone> Written<S> {
    /// The object with the status that was written last, if the cache does not show it yet.
    pub(crate) fn overlay<K: Kind<Status = S>>(&self, object: &K, now: Timestamp) -> K {
        let mut object = object.clone();
        let Some(uid) = object.uid() else { return object };
        match self.0.get(&uid, now) {
            Some((version, status)) if is_before(object.resource_version().as_deref(), &version) => object.set_status(status),
            Some(_) => self.0.remove(&uid, now),
            None => {}
        }
        object
    }

    fn note<K: Kind<Status = S>>(&self, written: &K, status: &S, now: Timestamp) {
        if let (Some(uid), Some(version)) = (written.uid(), written.resource_version()) {
            self.0.put(uid, (version, status.clone()), now);
        }
    }
}

/// Versions of one object are numbers that grow (KEP-5504). Of what is no number nothing is known, and the cache is believed.
fn is_before(shown: Option<&str>, written: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    shown.and_then(number).zip(number(written)).is_some_and(|(shown, written)| shown < written)
}

/// Does the object show this status? Conditions that others have put beside ours are theirs: they are no difference (D2).
fn shows<K: Kind>(object: &K, status: &K::Status) -> bool {
    let Some(shown) = object.status() else { return false };
    let ours = K::conditions(shown).iter().filter(|condition| ConditionType::parse(&condition.type_).is_some());
    if !ours.eq(K::conditions(status)) {
        return false;
    }
    let mut beside_others = status.clone();
    K::complete(&mut beside_others, object.meta().generation.unwrap_or_default(), K::conditions(shown).to_vec());
    *shown == beside_others
}

/// Writes the status if it differs from what the object shows. `false`: nothing was written.
pub(crate) async fn write<K: Kind>(object: &K, status: &K::Status, written: &Written<K::Status>, cx: &Context) -> Result<bool, Error> {
    if shows(object, status) {
        return Ok(false);
    }
    // With the UID an object that has vanished answers 409 and does not come back.
    let patch = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": K::KIND,
        "metadata": {"name": object.name_any(), "namespace": object.namespace(), "uid": object.meta().uid},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match driver::api(object, cx).patch_status(&object.name_any(), &params, &Patch::Apply(patch)).await {
        Ok(now_there) => {
            written.note(&now_there, status, cx.clock.now());
            Ok(true)
        }
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Ok(false),
        Err(error) => Err(Error::kube(STEP)(error)),
    }
}
