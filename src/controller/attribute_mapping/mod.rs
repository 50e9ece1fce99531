//! AttributeMapping: compiles the expressions and runs the tests.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    streams::Source,
};
use crate::api::{AttributeMapping, AttributeMappingStatus};

mod dereference;
mod status;
mod validate;

pub(crate) use validate::{Compiled, Effective, effective, reason};

pub(crate) async fn reconcile(mapping: Arc<AttributeMapping>, cx: Arc<Context>) -> Result<Visit<AttributeMappingStatus>, Error> {
    let found = dereference::run(&mapping, &cx);
    Ok(match validate::run(&mapping, &found, &cx) {
        Ok(compiled) => status::run(&compiled),
        Err(problem) => status::invalid(&problem),
    })
}

impl Kind for AttributeMapping {
    type Status = AttributeMappingStatus;

    const KIND: &'static str = "AttributeMapping";
    const SOURCE: Source = Source::AttributeMapping;

    fn depends_on(source: Source) -> bool {
        // Another mapping of the same integration may have come or gone.
        matches!(source, Source::AttributeMapping)
    }

    fn integration(&self) -> String {
        self.spec.integration_ref.name.clone()
    }

    status_access!();
}

/// What is said of a mapping that is alone.
#[cfg(test)]
pub(super) fn judge(mapping: &AttributeMapping) -> Visit<AttributeMappingStatus> {
    match validate::judge(mapping) {
        Ok(compiled) => status::run(&compiled),
        Err(problem) => status::invalid(&problem),
    }
}
