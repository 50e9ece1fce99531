//! Changing an account: attributes (SC-7, SC-8) and `active` (SC-9).

use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::Value;
use tracing::debug;

use super::{Scim, exact, patch, quirks::Verb, wire};
use crate::{
    connector::{AppError, AttributeChange, http::Answer},
    domain::{account::Record, id::AppId, scim_path::ScimPath},
};

impl Scim {
    /// Writes these attributes and no others.
    pub(super) async fn write_changes(
        &self,
        id: &AppId,
        known: Option<&Record>,
        changes: &[AttributeChange],
    ) -> Result<Option<Record>, AppError> {
        if changes.is_empty() {
            return Ok(known.cloned());
        }
        let verb = self.verb().await?;
        if verb != Verb::Put {
            match self.patch_changes(id, known, changes, verb).await {
                Err(AppError::Unsupported { .. }) if self.may_fall_back() => {}
                other => return other,
            }
        }
        self.put("update", id, changes).await
    }

    /// Sets `active`, and sees to it that the account shows it.
    pub(super) async fn write_active(&self, id: &AppId, active: bool) -> Result<(), AppError> {
        let operation = if active { "activate" } else { "deactivate" };
        let shown = self.send_active(operation, id, active).await?;
        let is = |resource: &Value| wire::active(resource) == Some(active);
        if shown.is_some_and(|record| is(&record.resource)) {
            return Ok(());
        }
        let now = self.client.read(id).await?;
        // An account that does not say is active (RFC 7643 leaves `active` optional).
        if is(&now.resource) || (active && wire::active(&now.resource).is_none()) { Ok(()) } else { Err(AppError::NotApplied) }
    }

    async fn send_active(&self, operation: &'static str, id: &AppId, active: bool) -> Result<Option<Record>, AppError> {
        let verb = self.verb().await?;
        if verb != Verb::Put {
            let body = patch::active(active, verb == Verb::Patch);
            match self.client.write(operation, Method::PATCH, &["Users", id.as_str()], &body).await {
                Err(AppError::Unsupported { .. }) if self.may_fall_back() => {}
                other => return Ok(shown(&other?, id)),
            }
        }
        let path = ScimPath { schema: None, attribute: "active".into(), filter: None, sub_attribute: None };
        self.put(operation, id, &[AttributeChange { path, value: Some(active.into()) }]).await
    }

    async fn patch_changes(
        &self,
        id: &AppId,
        known: Option<&Record>,
        changes: &[AttributeChange],
        verb: Verb,
    ) -> Result<Option<Record>, AppError> {
        let read;
        let current = match known {
            Some(known) => Some(&known.resource),
            None if patch::needs_current(changes) => {
                read = self.client.read(id).await?;
                Some(&read.resource)
            }
            None => None,
        };
        let message = match verb {
            Verb::PatchPathless => patch::without_paths(changes, current),
            Verb::Patch | Verb::Put => patch::with_paths(changes, current),
        };
        let Some(message) = message else { return Ok(known.cloned()) };
        let answer = self.client.write("update", Method::PATCH, &["Users", id.as_str()], &message).await?;
        Ok(shown(&answer, id))
    }

    /// PUT of what the app shows now, with the changes.
    async fn put(&self, operation: &'static str, id: &AppId, changes: &[AttributeChange]) -> Result<Option<Record>, AppError> {
        let (current, sent) = self.client.read_with_text(id).await?;
        let resource = patch::whole(current.resource.clone(), changes);
        let text = exact::text(&sent, &current.resource, &resource);
        let answer = self.client.write_text(operation, Method::PUT, &["Users", id.as_str()], text).await?;
        Ok(shown(&answer, id))
    }

    /// 405 or 501 to a PATCH that was only advertised: PUT from now on.
    fn may_fall_back(&self) -> bool {
        let may = self.quirks.verb().is_none();
        if may && !self.patch_refused.swap(true, Ordering::Relaxed) {
            debug!("the app advertises PATCH and refuses it; PUT from now on");
        }
        may
    }
}

/// The account, if the answer to a write shows it. The write has been done either way.
fn shown(answer: &Answer, id: &AppId) -> Option<Record> {
    wire::resource(answer).ok().filter(|record| record.id == *id)
}
