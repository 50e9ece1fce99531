//! A15: what cannot be decided takes nothing away. (A group that is missing: there are no groups yet.)

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use joinery::{
    connector::{BearerToken, Connector, CredentialError, CredentialSource},
    domain::{
        mapping::{Expression, Scope},
        report::{ImportEnd, ProvisionEnd},
    },
};
use serde_json::json;

use crate::{
    bench::{config, connectors},
    support::{
        long::scaled,
        scripted_app::{EffectKind, ScriptedApp},
    },
    world::{World, edit, effects, id_of, key, user, writes},
};

fn people() -> usize {
    scaled(250, 1000)
}

/// Everybody is in the directory and has an account.
async fn provisioned() -> World {
    let world = World::new(people()).await;
    world.import().await;
    world.provision().await;
    world.chat.clear_ledger();
    world
}

#[tokio::test]
async fn a15_a_condition_that_fails_removes_nobody_and_counts_everybody() {
    let world = provisioned().await;
    let before = world.chat.users();
    let mut job = world.provision_job();
    // Nobody has a department, and an operator fails on null.
    job.rules.assignments[0].condition =
        Expression::compile_condition("where", "user.department + \"x\" == \"Salesx\"", Scope::User).unwrap();
    let report = job.run().await.unwrap();
    assert_eq!((report.end, report.undecided, report.failed), (ProvisionEnd::Done, people() as u64, 0));
    assert_eq!((writes(&world.chat), world.chat.users()), (0, before));
}

#[tokio::test]
async fn a15_whoever_is_decided_is_not_held_up_by_whoever_is_not() {
    let world = provisioned().await;
    edit(&world.hr, &id_of(&world.hr, "user1"), |user| user["nickName"] = "not sales".into());
    world.import().await;
    let mut job = world.provision_job();
    job.rules.assignments[0].condition = Expression::compile_condition("where", "user.nickName + \"\" == \"sales\"", Scope::User).unwrap();
    let report = job.run().await.unwrap();
    assert_eq!((report.undecided, report.applied.deactivate), (people() as u64 - 1, 1));
    assert_eq!((effects(&world.chat, EffectKind::Deactivate), writes(&world.chat)), (1, 1));
    assert_eq!(world.chat.user(&id_of(&world.chat, "user1"))["active"], false);
}

#[tokio::test]
async fn a15_two_records_that_fit_one_person_end_and_link_nothing() {
    let world = provisioned().await;
    let (people_before, links) = (world.rows("person").await, world.counts("hr").await.linked);
    // A second source whose every user is there twice.
    let twice = ScriptedApp::start(crate::support::scripted_app::Options::default()).await;
    (0..people()).for_each(|number| {
        twice.put_user(user(number));
        twice.put_user(user(number));
    });
    let mut job = world.import_job();
    job.connector = crate::bench::connect(&twice);
    job.rules.integration = key("twice");
    let report = job.run().await.unwrap();
    assert_eq!((report.plan.pending, report.applied.changes()), (2 * people() as u64, 0), "{report:?}");
    assert_eq!(world.counts("twice").await.pending, 2 * people() as u64);
    assert_eq!((world.rows("person").await, world.counts("hr").await.linked), (people_before, links));
    world.provision().await;
    assert_eq!(writes(&world.chat), 0);
}

#[tokio::test]
async fn a15_two_accounts_that_fit_are_both_left_as_they_are() {
    let world = World::new(people()).await;
    world.import().await;
    let sample = World::new(people()).await;
    sample.import().await;
    sample.provision().await;
    // For everybody an account with the name, and another with the id, both of which are active.
    for (_, account) in sample.chat.users() {
        world.chat.put_user(json!({"userName": account["userName"], "active": true}));
        world
            .chat
            .put_user(json!({"userName": format!("other-{}", account["userName"]), "externalId": account["externalId"], "active": true}));
    }
    let before = world.chat.users();
    let report = world.provision_job().run().await.unwrap();
    assert_eq!((report.end, report.failed, report.applied.changes()), (ProvisionEnd::Done, people() as u64, 0));
    assert_eq!((writes(&world.chat), world.chat.users()), (0, before));
}

/// A Secret that is there for so many requests; for any number below nought.
struct Secret(AtomicI64);

#[async_trait]
impl CredentialSource for Secret {
    async fn bearer_token(&self, _host: &str) -> Result<BearerToken, CredentialError> {
        match self.0.load(Ordering::Relaxed) {
            0 => Err(CredentialError::SecretNotFound { secret: "chat".to_owned() }),
            left => {
                self.0.store(left - 1, Ordering::Relaxed);
                Ok(BearerToken("scripted-token".to_owned().into()))
            }
        }
    }
}

fn connect(app: &ScriptedApp, secret: &Arc<Secret>) -> Arc<dyn Connector> {
    connectors().scim(config(&app.base_url()), secret.clone()).unwrap()
}

#[tokio::test]
async fn a15_a_secret_that_comes_late_ends_no_link_and_is_nobodys_failure() {
    let world = provisioned().await;
    let before = world.dump().await;
    for number in 0..people() / 10 {
        edit(&world.hr, &id_of(&world.hr, &format!("user{number}")), |user| user["active"] = false.into());
    }
    // Missing from the start, and from some moment in the middle of the listing.
    for requests in [0, 1, 2] {
        let mut job = world.import_job();
        job.connector = connect(&world.hr, &Arc::new(Secret(requests.into())));
        let report = job.run().await.unwrap();
        let ImportEnd::AppFailed { reason, .. } = &report.end else { panic!("{requests}: {:?}", report.end) };
        assert_eq!((reason.as_str(), report.applied.changes()), ("SecretNotFound", 0), "{requests}");
        assert!(world.dump().await == before, "{requests}: something has changed");
    }
    assert_eq!(world.import().await.applied.deactivated, people() as u64 / 10);
    for requests in [0, 3] {
        let secret = Arc::new(Secret(requests.into()));
        let report = world.provision_job_of(connect(&world.chat, &secret)).run().await.unwrap();
        let ProvisionEnd::AppFailed { reason, .. } = &report.end else { panic!("{requests}: {:?}", report.end) };
        assert_eq!((reason.as_str(), report.failed), ("SecretNotFound", 0), "{requests}");
        assert!(report.next_attempt.is_some(), "{requests}");
        secret.0.store(-1, Ordering::Relaxed);
    }
    world.provision().await;
    assert_eq!(effects(&world.chat, EffectKind::Deactivate), people() / 10, "everybody who has left, and nobody twice");
}
