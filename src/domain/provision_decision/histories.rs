//! Histories of a person, provisioned step by step into a small app in memory (A8, A15, B2, E5).

use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::{Map, Value, json};

use super::{
    Decision, link_after, resolve,
    testing::{Fake, id, row},
};
use crate::domain::{
    account::Record,
    assignment::Assigned,
    hash::ShortHash,
    id::AppId,
    link::LinkState,
    person::PersonState,
    provision_plan::{ProvisionAction, ProvisionKind, ProvisionRow},
    scim_path::ScimPath,
};

#[derive(Clone, Copy, Debug)]
enum Event {
    State(PersonState),
    Assigned,
    Unassigned,
    Undecided,
    Rename(u8),
    Title(u8),
    Department(Option<u8>),
    MappingBreaks,
    MappingIsBack,
    /// The store is lost: what was linked and written is forgotten.
    StoreLost,
}

fn event() -> impl Strategy<Value = Event> {
    use PersonState::{Active, Deactivated, Staged, Suspended};
    prop_oneof![
        prop_oneof![Just(Active), Just(Suspended), Just(Deactivated), Just(Staged)].prop_map(Event::State),
        prop_oneof![Just(Event::Assigned), Just(Event::Unassigned), Just(Event::Undecided)],
        (0..4_u8).prop_map(Event::Rename),
        (0..4_u8).prop_map(Event::Title),
        proptest::option::of(0..2_u8).prop_map(Event::Department),
        prop_oneof![Just(Event::MappingBreaks), Just(Event::MappingIsBack)],
    ]
}

struct World {
    policy: Fake,
    row: ProvisionRow,
    app: Vec<Record>,
}

impl World {
    fn new() -> Self {
        Self { policy: Fake::all_on(), row: row(PersonState::Active), app: Vec::new() }
    }

    fn happens(&mut self, event: Event) {
        let profile = &mut self.row.person.profile;
        match event {
            Event::State(state) => self.row.person.state = state,
            Event::Assigned => self.policy.assigned = Assigned::Yes(Map::new()),
            Event::Unassigned => self.policy.assigned = Assigned::No,
            Event::Undecided => self.policy.assigned = Assigned::Undecided,
            Event::Rename(name) => profile.set("userName", json!(format!("ada{name}"))),
            Event::Title(title) => profile.set("title", json!(title)),
            Event::Department(department) => profile.set("department", json!(department)),
            Event::MappingBreaks => self.policy.mapping = None,
            Event::MappingIsBack => self.policy.mapping = Some(ShortHash([2; 16])),
            Event::StoreLost => self.row.link = None,
        }
    }

    /// One pass; the action that was carried out, if there was one.
    fn pass(&mut self) -> Option<ProvisionKind> {
        match self.policy.decide(&self.row) {
            Decision::Nothing { confirm, .. } => {
                if let (Some(inputs), Some(link)) = (confirm, &mut self.row.link) {
                    (link.inputs, link.assigned) = (Some(inputs), true);
                }
                None
            }
            Decision::Undecided | Decision::Protected | Decision::Waiting { .. } => None,
            Decision::Act(action) => {
                let links: Vec<_> = self.row.link.iter().cloned().collect();
                let action = resolve::resolve(&self.row.person, &action, &self.app, &links, false, self.policy.policy());
                let shown = self.carry_out(&action);
                self.row.link = link_after(self.row.person.id, &action, self.row.link.as_ref(), shown);
                Some(action.kind)
            }
        }
    }

    fn carry_out(&mut self, action: &ProvisionAction) -> Option<Value> {
        match &action.kind {
            ProvisionKind::Blocked { .. } => None,
            ProvisionKind::Create { resource } => {
                let app_id = AppId::new(self.app.len().to_string());
                let mut resource = resource.clone();
                resource["id"] = json!(app_id.as_str());
                self.app.push(Record { id: app_id, resource: resource.clone() });
                Some(resource)
            }
            ProvisionKind::Adopt { app_id, changes, activate, .. } => Some(self.write(app_id, changes, activate.then_some(true))),
            ProvisionKind::Update { app_id, changes } => Some(self.write(app_id, changes, None)),
            ProvisionKind::Reactivate { app_id, changes } => Some(self.write(app_id, changes, Some(true))),
            ProvisionKind::Deactivate { app_id } => Some(self.write(app_id, &Map::new(), Some(false))),
        }
    }

    fn write(&mut self, app_id: &AppId, changes: &Map<String, Value>, active: Option<bool>) -> Value {
        let account = self.app.iter_mut().find(|account| account.id == *app_id).unwrap();
        for (path, value) in changes {
            path.parse::<ScimPath>().unwrap().set(&mut account.resource, value.clone());
        }
        if let Some(active) = active {
            account.resource["active"] = json!(active);
        }
        account.resource.clone()
    }

    fn holds(&self) -> bool {
        matches!(self.policy.assigned, Assigned::Yes(_))
    }
}

fn cases() -> Config {
    let cases = if std::env::var_os("JOINERY_LONG").is_some() { 10_000 } else { 500 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a8_one_person_is_one_account_through_every_history(history in vec(vec(event(), 0..4), 1..24)) {
        let mut world = World::new();
        world.pass();
        for events in history {
            for event in events {
                world.happens(event);
            }
            let done = world.pass();
            let again = world.pass();
            prop_assert_eq!(again, None, "what is done is not done again (E5)");
            prop_assert_eq!(world.app.len(), 1, "never a second account");
            prop_assert!(!matches!(done, Some(ProvisionKind::Create { .. })), "never a second POST");

            let state = world.row.person.state;
            if matches!(done, Some(ProvisionKind::Deactivate { .. })) {
                let unassigned = world.policy.assigned == Assigned::No;
                prop_assert!(state == PersonState::Deactivated || (unassigned && state != PersonState::Staged));
            }
            if world.policy.assigned == Assigned::Undecided && state != PersonState::Deactivated {
                prop_assert_eq!(&done, &None, "A15");
            }
            let account = &world.app[0];
            if state == PersonState::Deactivated || (world.policy.assigned == Assigned::No && state != PersonState::Staged) {
                prop_assert!(!account.active());
            }
            if state == PersonState::Active && world.holds() && world.policy.mapping.is_some() {
                let profile = &world.row.person.profile;
                prop_assert!(account.active());
                prop_assert_eq!(account.user_name(), profile.user_name());
                prop_assert_eq!(account.resource.get("title"), profile.get("title"));
                let department: ScimPath = super::testing::DEPARTMENT.parse().unwrap();
                prop_assert_eq!(department.get(&account.resource).filter(|value| !value.is_null()), profile.get("department"));
            }
        }
    }

    #[test]
    fn j6_an_account_whose_link_was_lost_is_found_again(history in vec(vec(event(), 0..3), 1..8)) {
        let mut world = World::new();
        world.pass();
        for events in history {
            for event in events {
                world.happens(event);
            }
            world.pass();
            world.happens(Event::StoreLost);
            let done = world.pass();
            prop_assert_eq!(world.app.len(), 1);
            let ours = id("ada").to_string();
            prop_assert_eq!(world.app[0].external_id(), Some(ours.as_str()));
            if let Some(ProvisionKind::Adopt { ours, activate, .. }) = done {
                prop_assert!(ours && !activate);
            }
            if let Some(link) = &world.row.link {
                prop_assert_eq!(link.state, LinkState::Live);
            }
        }
    }

    #[test]
    fn a13_no_pass_takes_the_account_of_a_protected_person(history in vec(vec(event(), 0..4), 1..24)) {
        let mut world = World::new();
        world.policy.protected = true;
        world.pass();
        for events in history {
            for event in events {
                // An account that is forgotten with the store is nobody's to take.
                if !matches!(event, Event::StoreLost) {
                    world.happens(event);
                }
            }
            let done = world.pass();
            prop_assert!(!matches!(done, Some(ProvisionKind::Deactivate { .. })), "{done:?}");
            prop_assert!(world.app.iter().all(Record::active));
        }
    }
}
