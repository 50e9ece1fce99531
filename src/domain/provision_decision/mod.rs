//! From a person, their link and the policy to an action on the account. Rules TA-1 to TA-19, SC-4, SC-6, MA-4, MA-5.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    account::Record,
    assignment::{Assigned, Assignment},
    hash::ShortHash,
    id::IntegrationKey,
    link::{Link, LinkState},
    mapping::{Expression, Mapping},
    person::{Person, PersonState},
    profile::Profile,
    provision_plan::{ProvisionAction, ProvisionKind, ProvisionRow},
    safeguard::ProvisionLimits,
};

mod after;
mod attributes;
mod evaluate;
mod resolve;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod testing;

use attributes::{Baseline, Changes};
use evaluate::{Policy, Switches};

pub use after::{link_after, link_after_activation, still_stands};

/// What a policy says of provisioning.
#[derive(Clone, Debug)]
pub struct ProvisionRules {
    /// The integration that is provisioned.
    pub integration: IntegrationKey,
    /// `createUsers`
    pub create_users: bool,
    /// `updateUserAttributes`
    pub update_user_attributes: bool,
    /// `deactivateUsers`
    pub deactivate_users: bool,
    /// Who gets an account.
    pub assignments: Vec<Assignment>,
    /// The account's username; a text over `user`.
    pub user_name_format: Expression,
    /// The attributes. `None` if the mapping does not compile: creates and updates stop, removals go on (MA-7).
    pub mapping: Option<Mapping>,
    /// The limits.
    pub limits: ProvisionLimits,
    /// The rolling window of the limits, in seconds.
    pub window_seconds: u32,
    /// The hash of everything above that decides about values: part of each action's inputs.
    pub digest: ShortHash,
}

/// What a pass decides about one person.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nobody needs to do anything. `confirm`: remember that these inputs need no write.
    Nothing {
        /// The inputs to remember with the live link, and that an assignment holds it (TA-19).
        confirm: Option<ShortHash>,
        /// Is there a live account, so that it counts as unchanged?
        counted: bool,
    },
    /// The assignment is undecided (TA-17).
    Undecided,
    /// The last attempt failed, and it is not time for the next one (RL-3).
    Waiting {
        /// When it is.
        next_attempt: Timestamp,
    },
    /// An action.
    Act(ProvisionAction),
}

/// Everything that a decision is made from. Equal inputs need no second evaluation and no second attempt. The switches are
/// part of it, so that turning one on is not mistaken for something that was settled while it was off (TA-6).
#[derive(Serialize)]
struct Inputs<'a> {
    profile: &'a Profile,
    state: PersonState,
    source: bool,
    switches: Switches,
    mapping: Option<ShortHash>,
    /// `None` where no assignment matters, which keeps removals apart from everything else: one is never delayed because
    /// something else has failed (RL-3).
    assignment: Option<&'a Map<String, Value>>,
}

/// Decides about one person. Whether an account has to be looked up before it is created is left to [`resolve`]. About a link
/// that is not proved at the app's present host it is decided as if it were: whoever acts on it proves it first (AI-9).
pub fn decide(row: &ProvisionRow, rules: &ProvisionRules, now: Timestamp) -> Decision {
    match &row.link {
        Some(link) if link.state.is_unproven() => {
            let proved = Link { state: link.state.proved(), ..link.clone() };
            decide_by(&ProvisionRow { link: Some(proved), ..row.clone() }, Policy::of(rules), now)
        }
        _ => decide_by(row, Policy::of(rules), now),
    }
}

/// The table of semantics.md §7.
fn decide_by(row: &ProvisionRow, policy: Policy<'_>, now: Timestamp) -> Decision {
    let live = row.link.as_ref().filter(|link| link.state == LinkState::Live);
    let idle = Decision::Nothing { confirm: None, counted: live.is_some() };
    match row.person.state {
        PersonState::Staged => idle,
        PersonState::Deactivated => match live {
            // TA-18: to the app that said so itself, only what an assignment gave there is taken back.
            Some(link) if link.assigned || !row.source => remove(row, link, policy, now),
            _ => idle,
        },
        PersonState::Active | PersonState::Suspended => match policy.values.assigned(&row.person) {
            Assigned::Undecided => Decision::Undecided,
            Assigned::No => match live {
                // TA-19: a link that no assignment ever held is not "unassigned".
                Some(link) if link.assigned => remove(row, link, policy, now),
                _ => idle,
            },
            // What is written already may be what the undecided assignment gives.
            Assigned::Partly(_) if live.is_some() => Decision::Undecided,
            Assigned::Yes(values) | Assigned::Partly(values) => provide(row, &values, policy, now),
        },
    }
}

/// TA-10.
fn remove(row: &ProvisionRow, link: &Link, policy: Policy<'_>, now: Timestamp) -> Decision {
    if !policy.switches.deactivate_users {
        return Decision::Nothing { confirm: None, counted: true };
    }
    let inputs = inputs(row, policy, None);
    waiting(row, inputs, now).unwrap_or_else(|| {
        Decision::Act(ProvisionAction {
            kind: ProvisionKind::Deactivate { app_id: link.app_id.clone() },
            inputs,
            written: link.written.clone(),
        })
    })
}

/// Someone who is assigned.
fn provide(row: &ProvisionRow, values: &Map<String, Value>, policy: Policy<'_>, now: Timestamp) -> Decision {
    let inputs = inputs(row, policy, Some(values));
    match &row.link {
        Some(link) if link.state == LinkState::Live => update(row, link, values, inputs, policy, now),
        // TA-12
        _ if row.person.state == PersonState::Suspended => Decision::Nothing { confirm: None, counted: false },
        Some(link) if link.state == LinkState::EndedByRemoval => reactivate(row, link, values, inputs, policy, now),
        _ => create(row, values, inputs, policy, now),
    }
}

/// TA-7, TA-12, TA-18.
fn update(row: &ProvisionRow, link: &Link, values: &Map<String, Value>, inputs: ShortHash, policy: Policy<'_>, now: Timestamp) -> Decision {
    if link.assigned && link.inputs == Some(inputs) {
        return Decision::Nothing { confirm: None, counted: true };
    }
    let settled = Decision::Nothing { confirm: Some(inputs), counted: true };
    // On return to Active the inputs are others, so that differences go out then.
    if row.person.state == PersonState::Suspended || !writes(row, policy) {
        return settled;
    }
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    match changes(row, Some(link), values, policy) {
        None => Decision::Nothing { confirm: None, counted: true },
        Some(Err(kind)) => Decision::Act(ProvisionAction { kind, inputs, written: link.written.clone() }),
        Some(Ok(Changes { changes, .. })) if changes.is_empty() => settled,
        Some(Ok(Changes { changes, written })) => {
            Decision::Act(ProvisionAction { kind: ProvisionKind::Update { app_id: link.app_id.clone(), changes }, inputs, written })
        }
    }
}

/// TA-11. Without `deactivateUsers` an account that was removed stays as it is: drift.
fn reactivate(
    row: &ProvisionRow,
    link: &Link,
    values: &Map<String, Value>,
    inputs: ShortHash,
    policy: Policy<'_>,
    now: Timestamp,
) -> Decision {
    let nothing = Decision::Nothing { confirm: None, counted: false };
    if !policy.switches.deactivate_users {
        return nothing;
    }
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    match changes(row, Some(link), values, policy) {
        None => nothing,
        Some(Err(kind)) => Decision::Act(ProvisionAction { kind, inputs, written: link.written.clone() }),
        Some(Ok(differing)) => {
            let Changes { changes, written } =
                if writes(row, policy) { differing } else { Changes { changes: Map::new(), written: link.written.clone() } };
            Decision::Act(ProvisionAction { kind: ProvisionKind::Reactivate { app_id: link.app_id.clone(), changes }, inputs, written })
        }
    }
}

/// TA-2, TA-5: looked up also when nothing may be created.
fn create(row: &ProvisionRow, values: &Map<String, Value>, inputs: ShortHash, policy: Policy<'_>, now: Timestamp) -> Decision {
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    if policy.values.mapping().is_none() {
        return Decision::Nothing { confirm: None, counted: false };
    }
    let (kind, written) = match policy.values.wanted(&row.person, values, None) {
        Ok(wanted) => {
            let (resource, written) = wanted.resource(row.person.id);
            (ProvisionKind::Create { resource }, written)
        }
        Err(reason) => (ProvisionKind::Blocked { reason }, Map::new()),
    };
    Decision::Act(ProvisionAction { kind, inputs, written })
}

/// What differs from what was written last; `None` if the mapping is not ready (MA-7).
fn changes(
    row: &ProvisionRow,
    link: Option<&Link>,
    values: &Map<String, Value>,
    policy: Policy<'_>,
) -> Option<Result<Changes, ProvisionKind>> {
    policy.values.mapping()?;
    let resource = link.and_then(|link| link.resource.as_ref());
    let nothing = Map::new();
    let baseline = Baseline { written: link.map_or(&nothing, |link| &link.written), resource };
    let wanted = policy.values.wanted(&row.person, values, resource);
    Some(wanted.map(|wanted| wanted.changes(baseline)).map_err(|reason| ProvisionKind::Blocked { reason }))
}

/// Are attributes written to an account that is there? Not to the app that they come from (TA-18).
fn writes(row: &ProvisionRow, policy: Policy<'_>) -> bool {
    policy.switches.update_user_attributes && !row.source
}

fn inputs(row: &ProvisionRow, policy: Policy<'_>, assignment: Option<&Map<String, Value>>) -> ShortHash {
    ShortHash::of_json(&Inputs {
        profile: &row.person.profile,
        state: row.person.state,
        source: row.source,
        switches: policy.switches,
        mapping: policy.values.mapping(),
        assignment,
    })
}

/// RL-3: the same attempt is not made again before its time.
fn waiting(row: &ProvisionRow, inputs: ShortHash, now: Timestamp) -> Option<Decision> {
    let failure = row.failure.as_ref().filter(|failure| failure.inputs == inputs && failure.next_attempt > now)?;
    Some(Decision::Waiting { next_attempt: failure.next_attempt })
}

/// Is a creation carried out as it was planned, now that the app was looked into (SC-4)? `hits` and `name_twice` as for
/// [`resolve`], which says what is done instead; `None`: nobody can say whether the app has the account.
pub fn creation_stands(hits: Option<&[Record]>, name_twice: bool, rules: &ProvisionRules) -> bool {
    rules.create_users && !name_twice && hits.is_some_and(<[_]>::is_empty)
}

/// Turns a creation into what is to be done, now that the app was looked into (SC-4). `hits` are the accounts whose
/// `externalId` is the person's id or whose `userName` is the account name; `links` are the links of those accounts;
/// `name_twice`: another person of this pass needs the same account name.
///
/// An inactive account is made active only if the person's own link to it ended by removal: who else disabled it, and why,
/// cannot be told from the account (TA-9). Found by `externalId` it is linked and stays inactive.
pub fn resolve(
    person: &Person,
    creation: &ProvisionAction,
    hits: &[Record],
    links: &[Link],
    name_twice: bool,
    rules: &ProvisionRules,
) -> ProvisionAction {
    resolve::resolve(person, creation, hits, links, name_twice, Policy::of(rules))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        testing::{DEPARTMENT, Fake, link, map, now, provisioned, row, written},
        *,
    };
    use crate::domain::{
        account::Record,
        id::AppId,
        link::LinkOrigin,
        person::PersonState::{Active, Deactivated, Staged, Suspended},
        provision_plan::{BlockReason, Failure},
    };

    const IDLE: Decision = Decision::Nothing { confirm: None, counted: false };
    const UNCHANGED: Decision = Decision::Nothing { confirm: None, counted: true };

    fn with_link(state: PersonState, change: impl FnOnce(&mut Link)) -> ProvisionRow {
        let mut row = provisioned(state);
        row.link.iter_mut().for_each(|link| link.assigned = true);
        if let Some(link) = &mut row.link {
            change(link);
        }
        row
    }

    fn titled(mut row: ProvisionRow, title: &str) -> ProvisionRow {
        row.person.profile.set("title", json!(title));
        row
    }

    fn kind_of(decision: Decision) -> &'static str {
        match decision {
            Decision::Nothing { .. } => "nothing",
            Decision::Undecided => "undecided",
            Decision::Waiting { .. } => "waiting",
            Decision::Act(action) => match action.kind {
                ProvisionKind::Create { .. } => "create",
                ProvisionKind::Adopt { .. } => "adopt",
                ProvisionKind::Update { .. } => "update",
                ProvisionKind::Reactivate { .. } => "reactivate",
                ProvisionKind::Deactivate { .. } => "deactivate",
                ProvisionKind::Blocked { .. } => "blocked",
            },
        }
    }

    /// The table of semantics.md §7.
    #[test]
    fn each_state_leads_to_its_outcome() {
        let yes = Fake::all_on();
        let no = Fake::nobody();
        let ended = |state| with_link(state, |link| link.state = LinkState::EndedByRemoval);
        let absent = |state| with_link(state, |link| link.state = LinkState::EndedByAbsence);
        for (why, decision, expected) in [
            ("active, assigned, none", yes.decide(&row(Active)), "create"),
            ("active, assigned, live, equal", yes.decide(&provisioned(Active)), "nothing"),
            ("active, assigned, live, changed", yes.decide(&titled(provisioned(Active), "boss")), "update"),
            ("active, assigned, removed", yes.decide(&ended(Active)), "reactivate"),
            ("active, assigned, absent", yes.decide(&absent(Active)), "create"),
            ("active, not assigned, live", no.decide(&provisioned(Active)), "deactivate"),
            ("suspended, not assigned, live", no.decide(&provisioned(Suspended)), "deactivate"),
            ("active, not assigned, none", no.decide(&row(Active)), "nothing"),
            ("active, not assigned, removed", no.decide(&ended(Active)), "nothing"),
            ("suspended, assigned, live, changed", yes.decide(&titled(provisioned(Suspended), "boss")), "nothing"),
            ("suspended, assigned, none", yes.decide(&row(Suspended)), "nothing"),
            ("suspended, assigned, removed", yes.decide(&ended(Suspended)), "nothing"),
            ("staged, assigned, none", yes.decide(&row(Staged)), "nothing"),
            ("staged, not assigned, live", no.decide(&provisioned(Staged)), "nothing"),
            ("deactivated, assigned, live", yes.decide(&provisioned(Deactivated)), "deactivate"),
            ("deactivated, not assigned, live", no.decide(&provisioned(Deactivated)), "deactivate"),
            ("deactivated, assigned, none", yes.decide(&row(Deactivated)), "nothing"),
            ("deactivated, assigned, removed", yes.decide(&ended(Deactivated)), "nothing"),
        ] {
            assert_eq!(kind_of(decision), expected, "{why}");
        }
    }

    #[test]
    fn with_all_switches_off_nothing_is_written() {
        let off = Fake::all_off();
        for row in [provisioned(Active), titled(provisioned(Active), "boss"), provisioned(Deactivated)] {
            assert_eq!(kind_of(off.decide(&row)), "nothing");
        }
        assert_eq!(kind_of(off.decide(&row(Active))), "create", "only looked up (TA-5)");
        let unassigned = Fake { assigned: Assigned::No, ..off.clone() };
        assert_eq!(unassigned.decide(&provisioned(Active)), UNCHANGED);
        assert_eq!(off.decide(&with_link(Active, |link| link.state = LinkState::EndedByRemoval)), IDLE);
    }

    #[test]
    fn only_what_changed_is_written() {
        let action = Fake::all_on().act(&titled(provisioned(Active), "boss"));
        assert_eq!(action.kind, ProvisionKind::Update { app_id: AppId::new("1"), changes: map(json!({"title": "boss"})) });
        assert_eq!(action.written, map(json!({"userName": "ada", "title": "boss", DEPARTMENT: "Sales", "nickName": "Al"})));
    }

    #[test]
    fn a8_a_new_username_is_an_update_of_the_same_account() {
        let mut row = provisioned(Active);
        row.person.profile.set("userName", json!("ada.lovelace"));
        let action = Fake::all_on().act(&row);
        assert_eq!(action.kind, ProvisionKind::Update { app_id: AppId::new("1"), changes: map(json!({"userName": "ada.lovelace"})) });
    }

    #[test]
    fn equal_inputs_are_not_evaluated_again_and_a_switch_changes_them() {
        let on = Fake::all_on();
        let Decision::Nothing { confirm: Some(inputs), counted: true } = on.decide(&provisioned(Active)) else { panic!("not confirmed") };
        let confirmed = with_link(Active, |link| link.inputs = Some(inputs));
        let broken = Fake { fails: Some(BlockReason::Mapping), ..on.clone() };
        assert_eq!(broken.decide(&confirmed), UNCHANGED, "the expressions were not even asked");
        let never_held = with_link(Active, |link| (link.inputs, link.assigned) = (Some(inputs), false));
        assert_eq!(on.decide(&never_held), Decision::Nothing { confirm: Some(inputs), counted: true }, "TA-19 has to be remembered");

        // TA-6: what was settled while updates were off is looked at when they are turned on.
        let Decision::Nothing { confirm: Some(off), .. } = Fake::no_updates().decide(&titled(provisioned(Active), "boss")) else {
            panic!("not confirmed")
        };
        let row = titled(with_link(Active, |link| link.inputs = Some(off)), "boss");
        assert_eq!(Fake::no_updates().decide(&row), UNCHANGED);
        assert_eq!(kind_of(on.decide(&row)), "update");
    }

    #[test]
    fn differences_go_out_when_a_suspended_person_is_active_again() {
        let on = Fake::all_on();
        let Decision::Nothing { confirm: Some(inputs), .. } = on.decide(&titled(provisioned(Suspended), "boss")) else {
            panic!("no inputs")
        };
        let row = titled(with_link(Suspended, |link| link.inputs = Some(inputs)), "boss");
        assert_eq!(on.decide(&row), UNCHANGED);
        let mut active = row;
        active.person.state = Active;
        assert_eq!(kind_of(on.decide(&active)), "update");
    }

    #[test]
    fn a_link_that_no_assignment_ever_held_goes_with_the_person_only() {
        let imported = |state| with_link(state, |link| (link.assigned, link.origin) = (false, LinkOrigin::Import));
        assert_eq!(Fake::nobody().decide(&imported(Active)), UNCHANGED);
        assert_eq!(kind_of(Fake::nobody().decide(&imported(Deactivated))), "deactivate");
    }

    #[test]
    fn nothing_is_pushed_back_to_the_effective_source() {
        let on = Fake::all_on();
        let source = |row: ProvisionRow| ProvisionRow { source: true, ..row };
        assert_eq!(kind_of(on.decide(&source(titled(provisioned(Active), "boss")))), "nothing");
        assert_eq!(kind_of(on.decide(&source(provisioned(Deactivated)))), "deactivate", "an assignment gave it");
        let imported = source(with_link(Deactivated, |link| link.assigned = false));
        assert_eq!(on.decide(&imported), UNCHANGED, "the source said so itself");
    }

    #[test]
    fn a15_who_is_undecided_neither_gains_nor_loses() {
        let undecided = Fake { assigned: Assigned::Undecided, ..Fake::all_on() };
        let partly = Fake { assigned: Assigned::Partly(Map::new()), ..Fake::all_on() };
        assert_eq!(partly.decide(&provisioned(Active)), Decision::Undecided, "its values stay");
        assert_eq!(kind_of(partly.decide(&row(Active))), "create", "that there is an account is certain");
        for row in [row(Active), provisioned(Active), provisioned(Suspended), titled(provisioned(Active), "boss")] {
            assert_eq!(undecided.decide(&row), Decision::Undecided);
        }
        assert_eq!(kind_of(undecided.decide(&provisioned(Deactivated))), "deactivate", "whoever is assigned what");
    }

    #[test]
    fn without_a_mapping_only_removals_go_on() {
        let broken = Fake { mapping: None, ..Fake::all_on() };
        assert_eq!(broken.decide(&row(Active)), IDLE);
        assert_eq!(broken.decide(&titled(provisioned(Active), "boss")), UNCHANGED);
        assert_eq!(broken.decide(&with_link(Active, |link| link.state = LinkState::EndedByRemoval)), IDLE);
        assert_eq!(kind_of(broken.decide(&provisioned(Deactivated))), "deactivate");
        assert_eq!(kind_of(Fake { assigned: Assigned::No, ..broken }.decide(&provisioned(Active))), "deactivate");
    }

    #[test]
    fn an_expression_that_fails_blocks_its_person_and_no_removal() {
        let broken = Fake { fails: Some(BlockReason::NoUserName), ..Fake::all_on() };
        let blocked = ProvisionKind::Blocked { reason: BlockReason::NoUserName };
        for row in [row(Active), titled(provisioned(Active), "boss"), with_link(Active, |link| link.state = LinkState::EndedByRemoval)] {
            assert_eq!(broken.act(&row).kind, blocked);
        }
        assert_eq!(kind_of(broken.decide(&provisioned(Deactivated))), "deactivate");
    }

    #[test]
    fn a_failed_attempt_waits_for_its_time_and_delays_nothing_else() {
        let on = Fake::all_on();
        let row = titled(provisioned(Active), "boss");
        let next_attempt = now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
        let failure = Failure { inputs: on.act(&row).inputs, attempts: 1, next_attempt };
        let failed = |row: ProvisionRow| ProvisionRow { failure: Some(failure.clone()), ..row };
        assert_eq!(on.decide(&failed(row.clone())), Decision::Waiting { next_attempt });
        let due = ProvisionRow { failure: Some(Failure { next_attempt: now(), ..failure.clone() }), ..row.clone() };
        assert_eq!(kind_of(on.decide(&due)), "update");
        assert_eq!(kind_of(on.decide(&failed(titled(row.clone(), "chief")))), "update", "the inputs are others");
        let mut left = failed(row.clone());
        left.person.state = Deactivated;
        assert_eq!(kind_of(on.decide(&left)), "deactivate");
        assert_eq!(kind_of(Fake::nobody().decide(&failed(row))), "deactivate");
    }

    #[test]
    fn a_creation_holds_the_complete_resource() {
        let action = Fake::all_on().act(&row(Active));
        let ProvisionKind::Create { resource } = &action.kind else { panic!("{action:?}") };
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(
            *resource,
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise], "userName": "ada",
                   "externalId": testing::id("ada").to_string(), "active": true, "title": "clerk", "nickName": "Al",
                   enterprise: {"department": "Sales"}})
        );
        assert_eq!(action.written, written());
        assert_eq!(action.new_account_name(), Some("ada"));
    }

    #[test]
    fn a_rejoiner_gets_the_same_account_back_with_what_changed_since() {
        let removed = titled(with_link(Active, |link| link.state = LinkState::EndedByRemoval), "boss");
        let changes = map(json!({"title": "boss"}));
        let action = Fake::all_on().act(&removed);
        assert_eq!(action.kind, ProvisionKind::Reactivate { app_id: AppId::new("1"), changes });
        let action = Fake::no_updates().act(&removed);
        assert_eq!((action.kind, action.written), (ProvisionKind::Reactivate { app_id: AppId::new("1"), changes: Map::new() }, written()));
        assert_eq!(Fake::no_deactivations().decide(&removed), IDLE);
    }

    #[test]
    fn what_an_import_saw_is_not_written_again_when_an_assignment_comes() {
        let resource = json!({"userName": "ADA", "title": "clerk", "active": true});
        let imported = with_link(Active, |link| {
            (link.assigned, link.origin, link.written, link.resource) = (false, LinkOrigin::Import, Map::new(), Some(resource));
        });
        let ProvisionKind::Update { changes, .. } = Fake::all_on().act(&imported).kind else { panic!("no update") };
        assert_eq!(changes, map(json!({DEPARTMENT: "Sales"})));
    }

    #[test]
    fn links_follow_their_actions() {
        let person = testing::id("ada");
        let on = Fake::all_on();
        let create = on.act(&row(Active));
        assert_eq!(link_after(person, &create, None, None), None, "nobody knows which account it is");
        let created = link_after(person, &create, None, Some(json!({"id": "1", "userName": "ada"}))).unwrap();
        let resource = created.resource.clone();
        assert_eq!(created, Link { inputs: Some(create.inputs), resource, ..link(LinkState::Live) });

        let mut changed = titled(row(Active), "boss");
        changed.link = Some(created.clone());
        let update = on.act(&changed);
        let disabled = Link { active: false, ..created.clone() };
        let updated = link_after(person, &update, Some(&disabled), None).unwrap();
        assert_eq!((updated.active, updated.written["title"].as_str()), (false, Some("boss")), "disabled by hand stays so");
        let shown = updated.resource.unwrap();
        assert_eq!((shown["title"].as_str(), Record { id: AppId::new("1"), resource: shown.clone() }.active()), (Some("boss"), false));

        changed.person.state = Deactivated;
        let removal = on.act(&changed);
        let removed = link_after(person, &removal, Some(&created), None).unwrap();
        assert_eq!((removed.state, removed.active, &removed.written), (LinkState::EndedByRemoval, false, &created.written));

        let back = ProvisionRow { link: Some(removed.clone()), ..titled(row(Active), "boss") };
        let reactivation = on.act(&back);
        let again = link_after(person, &reactivation, Some(&removed), None).unwrap();
        assert_eq!((again.state, again.active, again.app_id), (LinkState::Live, true, AppId::new("1")));
        assert_eq!(again.written["title"].as_str(), Some("boss"));

        let blocked = ProvisionAction { kind: ProvisionKind::Blocked { reason: BlockReason::Mapping }, ..update };
        assert_eq!(link_after(person, &blocked, Some(&created), None), Some(created));
    }

    #[test]
    fn a_link_remembers_how_it_came_to_be() {
        let person = testing::id("ada");
        let adopt = |ours| ProvisionAction {
            kind: ProvisionKind::Adopt { app_id: AppId::new("1"), changes: Map::new(), ours, activate: false },
            inputs: ShortHash([3; 16]),
            written: Map::new(),
        };
        let origin = |ours, before: Option<&Link>| link_after(person, &adopt(ours), before, None).unwrap().origin;
        assert_eq!(origin(true, None), LinkOrigin::Created);
        assert_eq!(origin(false, None), LinkOrigin::Adopted);
        let absent = Link { origin: LinkOrigin::Import, ..link(LinkState::EndedByAbsence) };
        assert_eq!(origin(false, Some(&absent)), LinkOrigin::Import);
        assert_eq!(origin(false, Some(&Link { app_id: AppId::new("2"), ..absent })), LinkOrigin::Adopted);

        let active = |ours, shown: Option<Value>| link_after(person, &adopt(ours), None, shown).unwrap().active;
        assert!(active(true, Some(json!({"active": true}))) && !active(true, Some(json!({"active": false}))));
        assert!(active(false, None), "an inactive one would not have been taken over");
        assert!(!active(true, None), "nobody knows");
    }
}
