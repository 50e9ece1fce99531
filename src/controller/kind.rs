//! What the driver asks of a kind.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};

use super::streams::Source;
use crate::api::{Reason, conditions::Status};

/// A kind of ours: it refers to one integration and has a status with conditions.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The status.
    type Status: Clone + Debug + Default + PartialEq + Serialize + Send + Sync;

    /// The kind's name.
    const KIND: &'static str;
    /// What a change of an object of this kind is told as.
    const SOURCE: Source;

    /// Has an object of this kind to look when something happens to its integration's `source`?
    fn depends_on(source: Source) -> bool;

    /// The integration that the object belongs to.
    fn integration(&self) -> String;

    /// Does what is said of the object depend on the store at all?
    fn needs_store(&self) -> bool {
        true
    }

    /// The word by which an event tells of a change of state.
    fn event_reason(&self, _ready: Status, reason: Reason) -> String {
        reason.to_string()
    }

    /// The status as the API server has it.
    fn status(&self) -> Option<&Self::Status>;

    /// Replaces the status, where the cache is known to lag behind what was written.
    fn set_status(&mut self, status: Self::Status);

    /// The conditions of a status.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// Puts in what every status has.
    fn complete(status: &mut Self::Status, generation: i64, conditions: Vec<Condition>);
}

/// The access to its status that every kind gives in the same way.
macro_rules! status_access {
    () => {
        fn status(&self) -> Option<&Self::Status> {
            self.status.as_ref()
        }

        fn set_status(&mut self, status: Self::Status) {
            self.status = Some(status);
        }

        fn conditions(status: &Self::Status) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
            &status.conditions
        }

        fn complete(
            status: &mut Self::Status,
            generation: i64,
            conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
        ) {
            status.observed_generation = Some(generation);
            status.conditions = conditions;
        }
    };
}

pub(crate) use status_access;
