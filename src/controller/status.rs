//! The one place that writes status: server-side apply, all of it, by one field manager, and only when it differs.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{context::Context, driver, driver::Error, kind::Kind};
use crate::api::names::{FIELD_MANAGER, GROUP, VERSION};

/// What this is called where it fails.
pub(super) const STEP: &str = "write the status";

/// Statuses that were written and that the cache may not show yet. Without them a second visit would take the old status for
/// the present one, and move a transition time for nothing.
pub(crate) struct Written<S>(Mutex<HashMap<String, (Option<String>, S)>>);

impl<S: Clone> Written<S> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The object with the status that was written last, if the cache still shows the version that it was written upon.
    pub(crate) fn overlay<K: Kind<Status = S>>(&self, object: &K) -> K {
        let mut object = object.clone();
        let Some(uid) = object.uid() else { return object };
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(&uid) {
            Some((version, status)) if *version == object.resource_version() => object.set_status(status.clone()),
            Some(_) => {
                written.remove(&uid);
            }
            None => {}
        }
        object
    }

    fn note<K: Kind<Status = S>>(&self, object: &K, status: &S) {
        if let Some(uid) = object.uid() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, (object.resource_version(), status.clone()));
        }
    }
}

/// Writes the status if it differs from what the object shows. `false`: nothing was written.
pub(crate) async fn write<K: Kind>(object: &K, status: &K::Status, written: &Written<K::Status>, cx: &Context) -> Result<bool, Error> {
    if object.status() == Some(status) {
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
        Ok(_) => {
            written.note(object, status);
            Ok(true)
        }
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Ok(false),
        Err(error) => Err(Error::kube(STEP)(error)),
    }
}
