//! A10: removal is `active: false`. Nothing that happens sends a DELETE.

use joinery::domain::mapping::{Expression, Scope};

use crate::{
    support::{
        long::scaled,
        random::Random,
        scripted_app::{EffectKind, Fault, Options, What},
    },
    world::{World, assert_one_account_each, edit, effects, id_of, requests, user},
};

const PEOPLE: usize = 12;
const DAY: i64 = 25 * 3600;

/// Something that may happen to a directory, its source, its target or its policy.
fn happen(world: &World, random: &mut Random, where_: &mut &str, context: &mut Vec<String>) {
    let number = random.below(PEOPLE);
    let name = format!("user{number}");
    let there = world.hr.users().into_values().find(|user| user["userName"] == name.as_str());
    let event = *random.pick(&["leaves", "returns", "vanishes", "nobody", "everybody", "some", "fails", "recovers", "disabled by hand"]);
    context.push(format!("{event} {number}"));
    match (event, there) {
        ("leaves", Some(user)) => edit(&world.hr, user["id"].as_str().unwrap(), |user| user["active"] = false.into()),
        ("returns", Some(user)) => edit(&world.hr, user["id"].as_str().unwrap(), |user| user["active"] = true.into()),
        ("returns", None) => drop(world.hr.put_user(user(number))),
        ("vanishes", Some(user)) => world.hr.remove_user(user["id"].as_str().unwrap()),
        ("nobody", _) => *where_ = "false",
        ("everybody", _) => *where_ = "true",
        ("some", _) => *where_ = "user.userName.endsWith(\"1\")",
        ("fails", _) => {
            let faults = [What::StatusAfter(500), What::LoseReply, What::error(404, None), What::IgnoreActive, What::error(400, None)];
            let what = random.pick(&faults).clone();
            world.chat.inject(Fault::on(["PATCH", "PUT", "POST", "GET"][random.below(4)], "*", what).times(3));
        }
        ("recovers", _) => world.chat.clear_faults(),
        ("disabled by hand", _) => {
            for (id, account) in world.chat.users().into_iter().filter(|(_, account)| account["userName"] == name.as_str()) {
                world.chat.put_user({
                    let mut account = account;
                    account["id"] = id.into();
                    account["active"] = false.into();
                    account
                });
            }
        }
        _ => {}
    }
}

async fn history(random: &mut Random, patch: bool) {
    let world = World::with_target(PEOPLE, Options { patch, ..Options::default() }).await;
    let (mut where_, mut context) = ("true", Vec::new());
    for _ in 0..12 {
        happen(&world, random, &mut where_, &mut context);
        let mut import = world.import_job();
        import.rules.limits.max_unassigned_percent = 100;
        import.run().await.unwrap();
        let mut job = world.provision_job();
        job.rules.assignments[0].condition = Expression::compile_condition("where", where_, Scope::User).unwrap();
        job.rules.deactivate_users = random.percent(90);
        job.run().await.unwrap();
        world.clock.advance(DAY);
    }
    assert_eq!((requests(&world.chat, "DELETE"), effects(&world.chat, EffectKind::Delete)), (0, 0), "{context:?}");
    assert_eq!((requests(&world.hr, "DELETE"), world.hr.effects().len()), (0, 0), "{context:?}");
}

#[tokio::test]
async fn a10_no_history_sends_a_delete() {
    let mut random = Random::start("a10");
    for number in 0..scaled(20, 400) {
        history(&mut random, number % 3 != 0).await;
    }
}

#[tokio::test]
async fn a10_whoever_leaves_keeps_an_inactive_account_and_gets_it_back() {
    for patch in [true, false] {
        let world = World::with_target(PEOPLE, Options { patch, ..Options::default() }).await;
        world.import().await;
        world.provision().await;
        let (leaver, account) = (id_of(&world.hr, "user3"), id_of(&world.chat, "user3"));
        let before = world.chat.user(&account);
        edit(&world.hr, &leaver, |user| user["active"] = false.into());
        world.import().await;
        world.provision().await;
        let mut inactive = before.clone();
        inactive["active"] = false.into();
        assert_eq!(world.chat.user(&account), inactive, "nothing but `active` has changed");
        // As long as anybody may be gone: no later moment deletes it either.
        for _ in 0..5 {
            world.clock.advance(30 * DAY);
            world.import().await;
            world.provision().await;
        }
        assert_eq!((world.chat.user(&account), requests(&world.chat, "DELETE")), (inactive, 0));
        edit(&world.hr, &leaver, |user| user["active"] = true.into());
        world.import().await;
        world.provision().await;
        assert_eq!((world.chat.user(&account), requests(&world.chat, "DELETE")), (before, 0));
        assert_one_account_each(&world.chat, PEOPLE, "after the return");
    }
}
