//! What every engine must do, as tests over the trait. An engine runs them with [`contract_tests`].

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Claim, Direction, Store};
use crate::domain::{
    candidate::{PendingReason, ProposalKind, Proposed},
    counts::{ImportCounts, ProvisionCounts},
    hash::ShortHash,
    id::{AppId, CandidateId, IntegrationKey, PersonId},
    import_plan::{AccountWrite, CandidateWrite, ImportAction, LinkWrite, MappedRecord, MatchKeys, PersonWrite, StagedRecord},
    link::{Link, LinkOrigin, LinkState},
    person::PersonState,
    profile::Profile,
    provision_plan::{Failure, ProvisionAction, ProvisionKind},
    report::{ImportEnd, ImportReport, ProvisionEnd, ProvisionReport, Snapshot},
};

pub(crate) mod apply;
pub(crate) mod candidates;
pub(crate) mod decide;
pub(crate) mod held;
pub(crate) mod journal;
pub(crate) mod provision;
pub(crate) mod runs;
pub(crate) mod scale;

/// One database, which may be opened again and again.
pub(crate) trait Fixture {
    /// The engine.
    type Store: Store;

    /// Opens it.
    async fn open(&self) -> Self::Store;
}

/// Makes a test of each function of the contract; `$fixture` makes a [`Fixture`] of an empty database.
macro_rules! contract_tests {
    ($fixture:expr; $($module:ident: $($test:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $test() {
                $crate::store::contract::$module::$test(&$fixture).await;
            }
        )+)+
    };
    ($fixture:expr) => {
        $crate::store::contract::contract_tests! { $fixture;
            runs: a_store_keeps_its_id,
                j6_a_revision_grows_and_never_shrinks,
                sg9_a_newer_plan_supersedes_those_that_are_held,
                a_newer_claim_ends_the_right_to_write,
                the_two_directions_are_claimed_separately,
                an_unfinished_import_is_taken_up_again_empty,
                a_finished_import_is_found_and_its_plan_stays,
                an_import_that_will_not_run_ends_without_a_claim,
                only_the_last_finished_pass_is_remembered,
                an_organisation_sees_nothing_of_another;
            decide: staged_records_come_back_in_order_with_what_is_known,
                records_staged_later_are_seen_too,
                duplicates_are_those_of_records_without_link,
                people_are_found_by_folded_keys,
                only_undisturbed_records_are_known,
                the_first_source_by_name_is_the_effective_one,
                removals_are_counted_as_sets;
            apply: people_and_links_are_made_and_changed,
                a_range_may_be_applied_twice,
                swapped_usernames_are_applied,
                a_taken_username_is_refused,
                one_refusal_leads_to_another,
                impossible_links_are_refused,
                an_absent_record_ends_its_link_and_a_return_revives_it,
                a_rehired_person_gets_the_new_account,
                candidates_come_and_go;
            held: sg9_a_held_plan_stays_as_it_is_until_a_newer_one_comes,
                sg11_a_decision_counts_once_and_is_recorded_once,
                sg11_a_late_decision_ends_the_import,
                sg11_a_rejected_digest_is_not_asked_for_again,
                sg11_an_approved_import_goes_on_where_it_was,
                sg11_exactly_the_approved_actions_are_released;
            candidates: mt8_decisions_take_effect_as_an_imports_own,
                mt8_a_decision_counts_only_on_the_proposal_it_was_made_on,
                mt8_what_cannot_be_done_is_refused_and_waits_on,
                mt8_the_same_object_decides_once,
                mt8_ignored_records_stay_so_until_taken_back,
                mt8_an_import_under_way_undoes_no_decision,
                mt8_staged_and_departed_people_are_activated,
                mt2_people_are_found_by_keys_that_are_kept_up_to_date;
            provision: people_come_in_order_with_links_and_failures,
                a_plan_is_replaced_by_person_and_read_by_class,
                deactivations_are_counted_as_sets,
                accounts_of_a_listing_are_found_by_both_keys,
                confirmed_accounts_are_remembered_and_forgiven;
            journal: an_intent_is_there_after_a_crash,
                a_done_intent_becomes_a_link,
                a_deactivation_becomes_a_tombstone_that_counts,
                a_failure_is_remembered_until_it_is_over,
                results_without_the_epoch_are_refused,
                an_intent_is_settled_by_its_own_integration_only,
                many_requests_at_once_each_get_their_answer,
                an_import_keeps_the_origin_of_a_created_account;
            scale: thousands_of_records_pass_through;
        }
    };
}
pub(crate) use contract_tests;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn hash(text: &str) -> ShortHash {
    ShortHash::of(text.as_bytes())
}

pub(super) fn id(text: &str) -> AppId {
    AppId::new(text)
}

pub(super) fn key(name: &str) -> IntegrationKey {
    IntegrationKey::new("acme", name)
}

pub(super) fn profile(user_name: &str) -> Profile {
    let attributes = json!({"userName": user_name, "email": format!("{user_name}@Example.org"), "title": "Ingénieur"});
    attributes.as_object().unwrap().clone().into_iter().collect()
}

pub(super) fn staged(app_id: &str, user_name: &str) -> StagedRecord {
    let mapped = Ok(MappedRecord { profile: profile(user_name), cleared: vec!["nickName".to_owned()] });
    StagedRecord { app_id: id(app_id), hash: hash(app_id), active: true, mapped, keys: MatchKeys::default() }
}

/// An action that says nothing.
pub(super) fn idle(app_id: &str) -> ImportAction {
    ImportAction {
        app_id: id(app_id),
        account: AccountWrite::Keep,
        link: LinkWrite::Keep,
        person: PersonWrite::Keep,
        candidate: CandidateWrite::Keep,
        removes: false,
        failed: None,
        ignored: false,
    }
}

pub(super) fn seen(app_id: &str) -> AccountWrite {
    AccountWrite::Seen { hash: Some(hash(app_id)), active: true }
}

/// The id of the person that this record creates.
pub(super) fn person(integration: &IntegrationKey, app_id: &str) -> PersonId {
    PersonId::derive(integration, &id(app_id))
}

pub(crate) fn create(integration: &IntegrationKey, app_id: &str, user_name: &str) -> ImportAction {
    let person = person(integration, app_id);
    ImportAction {
        account: seen(app_id),
        link: LinkWrite::Create { person },
        person: PersonWrite::Create { id: person, state: PersonState::Active, profile: profile(user_name) },
        ..idle(app_id)
    }
}

pub(super) fn rename(person: PersonId, app_id: &str, user_name: &str) -> ImportAction {
    let change = PersonWrite::Change { id: person, profile: Some(profile(user_name)), state: None };
    ImportAction { account: seen(app_id), person: change, ..idle(app_id) }
}

pub(super) fn link_to(person: PersonId, app_id: &str) -> ImportAction {
    ImportAction { account: seen(app_id), link: LinkWrite::Create { person }, ..idle(app_id) }
}

pub(super) fn end(person: PersonId, app_id: &str) -> ImportAction {
    ImportAction { account: AccountWrite::Missing { times: 2 }, link: LinkWrite::End { person }, removes: true, ..idle(app_id) }
}

/// A record waits, with a person or without one.
pub(super) fn waits(integration: &IntegrationKey, app_id: &str, person: Option<PersonId>, reason: PendingReason) -> CandidateWrite {
    let kind = match (person, reason) {
        (_, PendingReason::Ambiguous) => ProposalKind::Ambiguous,
        (_, PendingReason::Reactivation | PendingReason::Staged) => ProposalKind::Activation,
        (Some(_), _) => ProposalKind::Exact,
        (None, _) => ProposalKind::New,
    };
    let record = MappedRecord { profile: profile(app_id), cleared: Vec::new() };
    CandidateWrite::Put(Box::new(Proposed { id: CandidateId::derive(integration, &id(app_id)), kind, person, reason, record }))
}

/// What imports are decided under in these tests.
pub(super) fn rules() -> ShortHash {
    hash("mapping and policy")
}

/// A whole import: claim, plan, apply, finish.
pub(crate) async fn import(store: &impl Store, integration: &IntegrationKey, second: i64, actions: &[ImportAction]) -> ImportCounts {
    let object = format!("run-{integration}-{second}");
    let claim = store.claim(integration, Direction::ToDirectory, &object, at(second)).await.unwrap();
    store.plan_import(&claim, actions).await.unwrap();
    let counts = apply_all(store, &claim, second, 1_000).await;
    store.finish_import(&claim, &import_report(counts, second)).await.unwrap();
    counts
}

pub(super) async fn apply_all(store: &impl Store, claim: &Claim, second: i64, limit: u32) -> ImportCounts {
    let mut counts = ImportCounts::default();
    let mut after = None;
    while let Some((applied, last)) = store.apply_import(claim, after.as_ref(), limit, rules(), at(second)).await.unwrap() {
        counts += applied;
        after = Some(last);
    }
    counts
}

pub(super) fn import_report(applied: ImportCounts, second: i64) -> ImportReport {
    ImportReport {
        end: ImportEnd::Applied,
        snapshot: Snapshot { records: 7, pages: 1, complete: true },
        digest: None,
        plan: applied,
        applied,
        safeguards: Vec::new(),
        expires: None,
        finished: at(second),
    }
}

pub(super) fn pass_report(second: i64) -> ProvisionReport {
    ProvisionReport {
        end: ProvisionEnd::Done,
        digest: None,
        plan: ProvisionCounts::default(),
        applied: ProvisionCounts::default(),
        held: Vec::new(),
        failed: 0,
        undecided: 0,
        safeguards: Vec::new(),
        expires: None,
        next_attempt: None,
        finished: at(second),
    }
}

pub(super) async fn pass(store: &impl Store, integration: &IntegrationKey) -> Claim {
    store.claim(integration, Direction::ToApp, "policy", at(0)).await.unwrap()
}

pub(super) fn action(kind: ProvisionKind) -> ProvisionAction {
    ProvisionAction { kind, inputs: hash("inputs"), written: written() }
}

pub(super) fn written() -> Map<String, Value> {
    json!({"title": "Ingénieur \"A\"", "size": 1.50, "tags": [null, 18_446_744_073_709_551_615_u64]}).as_object().unwrap().clone()
}

pub(super) fn deactivate(app_id: &str) -> ProvisionAction {
    action(ProvisionKind::Deactivate { app_id: id(app_id) })
}

pub(super) fn creation() -> ProvisionAction {
    action(ProvisionKind::Create { resource: json!({"userName": "ada"}) })
}

pub(super) fn created_link(person: PersonId, app_id: &str) -> Link {
    Link {
        person,
        app_id: id(app_id),
        state: LinkState::Live,
        origin: LinkOrigin::Created,
        assigned: true,
        active: true,
        written: written(),
        inputs: Some(hash("inputs")),
        resource: Some(json!({"id": app_id, "emails": [{"value": "a@b"}]})),
    }
}

pub(super) fn failure(attempts: u32) -> Failure {
    Failure { inputs: hash("inputs"), attempts, next_attempt: at(600) }
}

/// The only link of an account.
pub(super) async fn link(store: &impl Store, integration: &IntegrationKey, app_id: &str) -> Option<Link> {
    let mut links = store.links_of(integration, &[id(app_id)]).await.unwrap();
    assert!(links.len() <= 1, "{links:?}");
    links.pop()
}

/// User names of all people, in the order of their ids.
pub(super) async fn user_names(store: &impl Store, integration: &IntegrationKey) -> Vec<String> {
    let page = store.provision_page(integration, None, 1_000).await.unwrap();
    page.iter().map(|row| row.person.profile.user_name().unwrap().to_owned()).collect()
}
