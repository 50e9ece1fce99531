//! Directory: what holds for all people and apps of a namespace. What it says is kept in the store, where it stays in force
//! when the object is gone.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    context::Context,
    driver::{self, Error, Visit},
    kind::{Kind, status_access},
    namespaces,
    streams::Source,
};
use crate::{
    api::{Directory, DirectoryStatus},
    domain::{
        directory::DirectorySettings,
        id::Organisation,
        mapping::{Expression, Problem, Scope},
        protection::Protection,
    },
    store::Store,
};

mod dereference;
mod status;
mod validate;

/// The only name that counts.
const NAME: &str = "default";
const WHERE: &str = "spec.protectedUsers.where";

pub(crate) async fn reconcile(directory: Arc<Directory>, cx: Arc<Context>) -> Result<Visit<DirectoryStatus>, Error> {
    let namespace = Organisation::new(directory.namespace().unwrap_or_default());
    namespaces::meet(directory.as_ref(), &cx).await?;
    let store = cx.store()?;
    in_force(&namespace, store.as_ref(), &cx).await?;
    let found = dereference::run(&directory, &namespace, store.as_ref(), &cx).await?;
    Ok(match validate::run(&directory, &found) {
        Ok(()) => status::run(found),
        Err(obstacle) => status::obstacle(found, &obstacle),
    })
}

/// What holds for an organisation: what its Directory says, or what the last one has said.
pub(crate) async fn in_force(namespace: &Organisation, store: &dyn Store, cx: &Context) -> Result<DirectorySettings, Error> {
    match driver::cached::<Directory>(&cx.caches.directories, namespace.as_str(), NAME) {
        Some(directory) => {
            let settings = settings(&directory);
            // Here too, and not only when the Directory is visited: nothing runs by what it said before.
            store.set_directory(namespace, &settings).await?;
            Ok(settings)
        }
        None => Ok(store.directory(namespace).await?.unwrap_or_default()),
    }
}

fn settings(directory: &Directory) -> DirectorySettings {
    let spec = &directory.spec;
    DirectorySettings {
        profile_sources: spec.profile_sources.clone(),
        protected: spec.protected_users.as_ref().map(|protected| protected.condition.clone()),
    }
}

/// SO-5: a condition that does not compile protects everybody.
pub(crate) fn protection(settings: &DirectorySettings) -> Protection {
    match settings.protected.as_deref().map(compile) {
        None => Protection::Nobody,
        Some(Ok(condition)) => Protection::Where(condition),
        Some(Err(_)) => Protection::Everybody,
    }
}

fn compile(condition: &str) -> Result<Expression, Problem> {
    Expression::compile_condition(WHERE, condition, Scope::User)
}

impl Kind for Directory {
    type Status = DirectoryStatus;

    const KIND: &'static str = "Directory";
    const SOURCE: Source = Source::DirectorySettings;

    fn depends_on(source: Source) -> bool {
        match source {
            Source::AppIntegration | Source::ProvisioningPolicy | Source::Directory | Source::Store => true,
            Source::AttributeMapping
            | Source::ImportSchedule
            | Source::ImportRun
            | Source::ChangeApproval
            | Source::DirectorySettings
            | Source::Job => false,
        }
    }

    /// It concerns all integrations of the namespace.
    fn integration(&self) -> String {
        String::new()
    }

    status_access!();
}

/// What is said of a directory in a namespace that has nothing else.
#[cfg(test)]
pub(super) fn judge(directory: &Directory) -> Visit<DirectoryStatus> {
    let found = dereference::Found::default();
    match validate::run(directory, &found) {
        Ok(()) => status::run(found),
        Err(obstacle) => status::obstacle(found, &obstacle),
    }
}
