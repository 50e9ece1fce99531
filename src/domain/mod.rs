//! What the product decides. Pure and synchronous: no clock, no IO, no Kubernetes; time comes as an argument.
//!
//! - [`id`], [`hash`]: newtypes for every id, digests of plans
//! - [`person`], [`profile`], [`account`], [`link`]: what the directory consists of
//! - [`fold`]: which texts count as equal
//! - [`proof`]: whether an account is still a link's after its app has moved
//! - [`scim_path`], [`mapping`]: which attribute becomes which
//! - [`matching`], [`sourcing`], [`import_decision`], [`import_plan`], [`candidate`]: from an app to the directory
//! - [`assignment`], [`provision_decision`], [`provision_plan`]: from the directory to an app
//! - [`safeguard`]: whether a plan may be applied, and nowhere else
//! - [`schedule`]: when imports run
//! - [`store_mark`]: whether the store is the one that statuses speak of
//! - [`counts`], [`report`]: what is said of it

pub mod account;
pub mod approval;
pub mod assignment;
pub mod candidate;
pub mod counts;
pub mod directory;
pub mod fold;
pub mod hash;
pub mod id;
pub mod import_decision;
pub mod import_plan;
pub mod link;
pub mod mapping;
pub mod matching;
pub mod person;
pub mod profile;
pub mod proof;
pub mod protection;
pub mod provision_decision;
pub mod provision_plan;
pub mod report;
pub mod safeguard;
pub mod schedule;
pub mod scim_path;
pub mod sourcing;
pub mod store_mark;
