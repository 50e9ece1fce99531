//! What else claims the mapping's integration.

use crate::{
    api::AttributeMapping,
    controller::{context::Context, rivals},
};

pub(super) struct Found {
    /// The name of an older mapping of the same integration, which counts instead (promise G5).
    pub(super) older: Option<String>,
}

pub(super) fn run(mapping: &AttributeMapping, cx: &Context) -> Found {
    Found { older: rivals::older(&cx.caches.mappings, mapping) }
}
