//! From a planned creation to what is done, once the app was looked into (SC-4, TA-2 to TA-5, TA-14).

use serde_json::{Map, Value};

use super::{
    attributes::{Baseline, Changes, EXTERNAL_ID},
    evaluate::Policy,
};
use crate::domain::{
    account::Record,
    assignment::Assigned,
    fold::same_folded,
    id::PersonId,
    link::{Link, LinkState},
    person::Person,
    proof::Remembered,
    provision_plan::{BlockReason, ProvisionAction, ProvisionKind},
};

/// See [`super::resolve`].
pub(super) fn resolve(
    person: &Person,
    creation: &ProvisionAction,
    hits: &[Record],
    links: &[Link],
    name_twice: bool,
    policy: Policy<'_>,
) -> ProvisionAction {
    let Some(user_name) = creation.new_account_name() else { return creation.clone() };
    // TA-14: also if one of the two is found by its id, since which of them keeps the name is nobody's to guess.
    if name_twice {
        return blocked(creation, BlockReason::UserNameNotUnique);
    }
    match find(person.id, user_name, hits) {
        Err(reason) => blocked(creation, reason),
        Ok(Some(found)) => adopt(person, creation, found, links, policy),
        Ok(None) if !policy.switches.create_users => blocked(creation, BlockReason::CreateUsersOff),
        Ok(None) => creation.clone(),
    }
}

/// An account that fits.
#[derive(Clone, Copy)]
struct Found<'a> {
    account: &'a Record,
    /// By `externalId`, not by the username only.
    ours: bool,
}

/// The one account that fits, if there is one (TA-4).
fn find<'a>(person: PersonId, user_name: &str, hits: &'a [Record]) -> Result<Option<Found<'a>>, BlockReason> {
    let id = person.to_string();
    let by_id = only(hits.iter().filter(|hit| hit.external_id() == Some(id.as_str())))?;
    let by_name = only(hits.iter().filter(|hit| hit.user_name().is_some_and(|name| same_folded(name, user_name))))?;
    match (by_id, by_name) {
        (Some(by_id), Some(by_name)) if by_id.id != by_name.id => Err(BlockReason::SeveralAccounts),
        (Some(account), _) => Ok(Some(Found { account, ours: true })),
        (None, Some(account)) => Ok(Some(Found { account, ours: false })),
        (None, None) => Ok(None),
    }
}

/// One account found twice is one account; ids compare exactly (SC-4).
fn only<'a>(mut hits: impl Iterator<Item = &'a Record>) -> Result<Option<&'a Record>, BlockReason> {
    let first = hits.next();
    match first {
        Some(first) if hits.any(|other| other.id != first.id) => Err(BlockReason::SeveralAccounts),
        _ => Ok(first),
    }
}

fn adopt(person: &Person, creation: &ProvisionAction, found: Found<'_>, links: &[Link], policy: Policy<'_>) -> ProvisionAction {
    let account = found.account;
    if belongs_to_another(person.id, found, links) {
        return blocked(creation, BlockReason::LinkedToAnother);
    }
    let removed = links.iter().any(|link| {
        let theirs = link.app_id == account.id && link.person == person.id && holds(link, account);
        theirs && link.state.proved() == LinkState::EndedByRemoval
    });
    if !account.active() && !found.ours && !removed {
        return blocked(creation, BlockReason::FoundInactive);
    }
    let activate = !account.active() && removed && policy.switches.deactivate_users;
    match differences(person, account, policy) {
        Err(reason) => blocked(creation, reason),
        Ok(Changes { changes, written }) => {
            let kind = ProvisionKind::Adopt { app_id: account.id.clone(), changes, ours: found.ours, activate };
            ProvisionAction { kind, inputs: creation.inputs, written }
        }
    }
}

/// TA-4. The account itself also says whose it is, when the links that said so are lost with the store (SG-12).
fn belongs_to_another(person: PersonId, found: Found<'_>, links: &[Link]) -> bool {
    let linked = links.iter().any(|link| link.app_id == found.account.id && link.person != person && holds(link, found.account));
    let named = found.account.external_id().and_then(PersonId::parse).is_some_and(|named| named != person);
    linked || named
}

/// AI-9: a link of another host says something of an account only if the account shows it.
fn holds(link: &Link, account: &Record) -> bool {
    !link.state.is_unproven() || Remembered::of(link, None).is_shown_by(account, None)
}

/// What has to be written to an account that is taken over, and what will have been written then. Without
/// `updateUserAttributes` it is linked only.
fn differences(person: &Person, account: &Record, policy: Policy<'_>) -> Result<Changes, BlockReason> {
    let nothing = Map::new();
    if !policy.switches.update_user_attributes {
        return Ok(Changes { changes: Map::new(), written: Map::new() });
    }
    // An entry may look at the account that is there, which the planned POST could not.
    let (Assigned::Yes(values) | Assigned::Partly(values)) = policy.values.assigned(person) else { return Err(BlockReason::Mapping) };
    let wanted = policy.values.wanted(person, &values, Some(&account.resource))?;
    let mut changes = wanted.changes(Baseline { written: &nothing, resource: Some(&account.resource) });
    let id = person.id.to_string();
    if account.external_id() != Some(id.as_str()) {
        // By it a store that was lost finds the account again (SC-5).
        changes.changes.insert(EXTERNAL_ID.to_owned(), Value::from(id));
    }
    Ok(changes)
}

fn blocked(creation: &ProvisionAction, reason: BlockReason) -> ProvisionAction {
    ProvisionAction { kind: ProvisionKind::Blocked { reason }, inputs: creation.inputs, written: Map::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{DEPARTMENT, Fake, account, id, link, map, person, row};
    use super::*;
    use crate::domain::{id::AppId, person::PersonState};

    fn resolved(policy: &Fake, hits: &[Record], links: &[Link], name_twice: bool) -> ProvisionAction {
        let creation = Fake::all_on().act(&row(PersonState::Active));
        let resolved = resolve(&person(PersonState::Active), &creation, hits, links, name_twice, policy.policy());
        assert_eq!(resolved.inputs, creation.inputs);
        resolved
    }

    fn reason(hits: &[Record], links: &[Link]) -> Option<BlockReason> {
        match resolved(&Fake::all_on(), hits, links, false).kind {
            ProvisionKind::Blocked { reason } => Some(reason),
            _ => None,
        }
    }

    fn ours(app_id: &str) -> Record {
        account(app_id, json!({"userName": "somebody", "externalId": id("ada").to_string(), "active": true}))
    }

    fn named(app_id: &str) -> Record {
        account(app_id, json!({"userName": "ADA", "active": true}))
    }

    #[test]
    fn nothing_found_means_one_post_if_accounts_are_created() {
        let on = Fake::all_on();
        let created = resolved(&on, &[], &[], false);
        let ProvisionKind::Create { resource } = created.kind else { panic!("no POST") };
        assert_eq!(resource["userName"], "ada");
        let others = [account("9", json!({"userName": "ada2"})), account("8", json!({"userName": "x", "externalId": "ada"}))];
        assert!(matches!(resolved(&on, &others, &[], false).kind, ProvisionKind::Create { .. }), "hits that do not fit are none");
        let off = Fake::all_off();
        assert_eq!(resolved(&off, &[], &[], false).kind, ProvisionKind::Blocked { reason: BlockReason::CreateUsersOff });
    }

    #[test]
    fn what_is_not_one_account_is_not_taken() {
        assert_eq!(reason(&[ours("1"), ours("2")], &[]), Some(BlockReason::SeveralAccounts));
        assert_eq!(reason(&[named("1"), named("2")], &[]), Some(BlockReason::SeveralAccounts));
        assert_eq!(reason(&[ours("1"), named("2")], &[]), Some(BlockReason::SeveralAccounts), "the lookups disagree");
        assert_eq!(reason(&[ours("1"), ours("1")], &[]), None, "found by both lookups");
        let twice = resolved(&Fake::all_on(), &[], &[], true);
        assert_eq!(twice.kind, ProvisionKind::Blocked { reason: BlockReason::UserNameNotUnique });
    }

    #[test]
    fn a_leavers_account_is_not_the_joiners() {
        for state in [LinkState::Live, LinkState::EndedByAbsence, LinkState::EndedByRemoval] {
            let theirs = Link { person: id("bob"), ..link(state) };
            assert_eq!(reason(&[named("1")], &[theirs]), Some(BlockReason::LinkedToAnother));
        }
        let signed = account("1", json!({"userName": "ada", "externalId": id("bob").to_string()}));
        assert_eq!(reason(&[signed], &[]), Some(BlockReason::LinkedToAnother), "the account says so itself");
        let foreign = account("1", json!({"userName": "ada", "externalId": "4711"}));
        assert_eq!(reason(&[foreign], &[]), None);
        let own = link(LinkState::EndedByAbsence);
        assert_eq!(reason(&[named("1")], &[own]), None);
        let elsewhere = Link { person: id("bob"), app_id: AppId::new("2"), ..link(LinkState::Live) };
        assert_eq!(reason(&[named("1")], &[elsewhere]), None);
    }

    #[test]
    fn ai9_a_link_of_another_host_keeps_an_account_only_if_the_account_shows_it() {
        let moved = |state, name: &str| Link { person: id("bob"), written: map(json!({"userName": name})), state, ..link(state) };
        for state in [LinkState::UnprovenLive, LinkState::UnprovenAbsence, LinkState::UnprovenRemoval] {
            assert_eq!(reason(&[ours("1")], &[moved(state, "bob")]), None, "the id is the joiner's at the new host");
            assert_eq!(reason(&[named("1")], &[moved(state, "bob")]), None);
            assert_eq!(reason(&[named("1")], &[moved(state, "ada")]), Some(BlockReason::LinkedToAnother));
        }
    }

    #[test]
    fn who_disabled_an_account_decides_whether_it_is_enabled() {
        let disabled = |record: Record| {
            let mut record = record;
            record.resource["active"] = json!("False");
            record
        };
        let activates = |policy: &Fake, record: Record, links: &[Link]| match resolved(policy, &[record], links, false).kind {
            ProvisionKind::Adopt { activate, .. } => Some(activate),
            _ => None,
        };
        let on = Fake::all_on();
        let removed = [link(LinkState::EndedByRemoval)];
        assert_eq!(reason(&[disabled(named("1"))], &[]), Some(BlockReason::FoundInactive));
        assert_eq!(reason(&[disabled(named("1"))], &[link(LinkState::EndedByAbsence)]), Some(BlockReason::FoundInactive));
        assert_eq!(activates(&on, disabled(named("1")), &removed), Some(true));
        assert_eq!(activates(&on, disabled(ours("1")), &removed), Some(true));
        assert_eq!(activates(&Fake::no_deactivations(), disabled(ours("1")), &removed), Some(false));
        assert_eq!(activates(&on, disabled(ours("1")), &[]), Some(false), "nobody knows who disabled it: linked, and left so");
        assert_eq!(activates(&on, ours("1"), &removed), Some(false), "it is active");
    }

    #[test]
    fn what_differs_is_written_to_an_adopted_account() {
        let found = account("1", json!({"userName": "ADA", "title": "clerk", "nickName": "other", "active": true}));
        let action = resolved(&Fake::all_on(), std::slice::from_ref(&found), &[], false);
        let changes = map(json!({DEPARTMENT: "Sales", "externalId": id("ada").to_string()}));
        assert_eq!(action.kind, ProvisionKind::Adopt { app_id: AppId::new("1"), changes, ours: false, activate: false });
        assert_eq!(action.written, map(json!({"userName": "ada", "title": "clerk", DEPARTMENT: "Sales"})));

        let linked = resolved(&Fake::no_updates(), &[found], &[], false);
        assert_eq!(linked.kind, ProvisionKind::Adopt { app_id: AppId::new("1"), changes: Map::new(), ours: false, activate: false });
        assert!(linked.written.is_empty(), "nothing was written, so later nothing counts as written");

        let renamed = resolved(&Fake::all_on(), &[ours("1")], &[], false);
        let ProvisionKind::Adopt { changes, ours: true, .. } = renamed.kind else { panic!("not found by its id") };
        assert_eq!((changes["userName"].as_str(), changes.contains_key("externalId")), (Some("ada"), false));
    }

    #[test]
    fn only_a_creation_is_resolved() {
        let on = Fake::all_on();
        let creation = on.act(&row(PersonState::Active));
        let blocked = ProvisionAction { kind: ProvisionKind::Blocked { reason: BlockReason::Mapping }, ..creation };
        assert_eq!(resolve(&person(PersonState::Active), &blocked, &[], &[], true, on.policy()), blocked);
    }
}
