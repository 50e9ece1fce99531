//! From a policy's spec to the rules of the domain. Every problem is reported, not only the first.

use crate::{
    api::{
        ProvisioningPolicySpec,
        provisioning_policy::{Approval, Confirm, OnDeactivation, ToApp, ToDirectory},
        safeguards::Safeguards,
    },
    controller::directory::protection,
    domain::{
        assignment::Assignment,
        directory::DirectorySettings,
        hash::ShortHash,
        id::IntegrationKey,
        import_decision::{Confirmation, ImportRules},
        mapping::{Expression, Mapping, Problem, ProblemKind, Scope},
        matching::MatchingRules,
        profile::DIRECTORY_ATTRIBUTES,
        provision_decision::ProvisionRules,
        safeguard::{ImportLimits, ProvisionLimits},
        sourcing::{self, Sourcing},
    },
};

const ATTRIBUTE: &str = "spec.toDirectory.matching.exact.attribute";

/// What a policy says of imports.
#[derive(Clone)]
pub(crate) struct ImportPolicy {
    pub(crate) rules: ImportRules,
    pub(crate) user_name: Expression,
}

/// The rules of imports; `None` without `toDirectory`.
pub(crate) fn import_policy(
    spec: &ProvisioningPolicySpec,
    key: &IntegrationKey,
    push_null_values: bool,
    directory: &DirectorySettings,
) -> Result<Option<ImportPolicy>, Vec<Problem>> {
    let Some(to_directory) = &spec.to_directory else { return Ok(None) };
    let mut problems = Vec::new();
    let user_name = match &to_directory.username_format {
        Some(text) => keep(Expression::compile_text("spec.toDirectory.usernameFormat", text, Scope::ToDirectory), &mut problems),
        None => Some(Expression::default_to_directory_user_name()),
    };
    let matching = keep(matching(to_directory), &mut problems);
    let (Some(user_name), Some(matching)) = (user_name, matching) else { return Err(problems) };
    let Safeguards { import: limits, window_seconds, .. } = &spec.safeguards;
    let rules = ImportRules {
        integration: key.clone(),
        matching,
        confirmation: Confirmation {
            exact_automatic: to_directory.confirmation.exact_matches == Confirm::Automatic,
            partial_automatic: to_directory.confirmation.partial_matches == Confirm::Automatic,
            new_automatic: to_directory.confirmation.new_users == Confirm::Automatic,
            activate_new: to_directory.confirmation.activate_new_users,
        },
        sourcing: sourcing(to_directory),
        profile_sources: directory.profile_sources.clone(),
        protection: protection(directory),
        push_null_values,
        missing_full_imports: u8::try_from(limits.missing_full_imports).unwrap_or(u8::MAX).max(1),
        limits: ImportLimits {
            max_unassigned_percent: number(limits.max_unassigned_percent),
            min_population: number(limits.min_population),
            max_unassigned: limits.max_unassigned.map(number),
        },
        window_seconds: seconds(*window_seconds),
        approval_seconds: seconds(spec.approval.expires_seconds),
    };
    Ok(Some(ImportPolicy { rules, user_name }))
}

fn matching(to_directory: &ToDirectory) -> Result<MatchingRules, Problem> {
    let exact = &to_directory.matching.exact;
    Ok(MatchingRules {
        // Nothing chosen means by username (MT-2).
        user_name: exact.attribute.is_none() && (exact.username || !exact.email),
        email: exact.attribute.is_none() && exact.email,
        attribute: exact.attribute.as_deref().map(matching_attribute).transpose()?,
        case_sensitive: to_directory.matching.case_sensitive,
        partial: to_directory.matching.allow_partial_matches,
    })
}

/// An attribute that people may be matched by.
fn matching_attribute(attribute: &str) -> Result<String, Problem> {
    let problem = |kind, message: String| Problem { field: ATTRIBUTE.to_owned(), kind, message };
    match attribute {
        "userName" => Err(problem(ProblemKind::TypeMismatch, "say `exact: {username: true}` to match by the username".to_owned())),
        "email" => Err(problem(ProblemKind::TypeMismatch, "say `exact: {email: true}` to match by the e-mail address".to_owned())),
        "status" => {
            let message = "`status` is the same for many people; name an attribute that tells them apart, such as employeeNumber";
            Err(problem(ProblemKind::TypeMismatch, message.to_owned()))
        }
        known if DIRECTORY_ATTRIBUTES.contains(&known) => Ok(known.to_owned()),
        other => {
            let message = format!("the directory has no attribute `{other}`; it has {}", DIRECTORY_ATTRIBUTES.join(", "));
            Err(problem(ProblemKind::UnknownAttribute, message))
        }
    }
}

/// MT-2: what records are matched by has to be mapped from the app.
pub(crate) fn unmapped_attribute(spec: &ProvisioningPolicySpec, mapping: &Mapping) -> Option<Problem> {
    let attribute = spec.to_directory.as_ref()?.matching.exact.attribute.as_ref()?;
    (!mapping.reads(attribute)).then(|| Problem {
        field: ATTRIBUTE.to_owned(),
        kind: ProblemKind::UnknownAttribute,
        message: format!(
            "the AttributeMapping of the integration gives `{attribute}` no value; add an entry for it to spec.toDirectory there"
        ),
    })
}

/// Does the policy make its integration a profile source?
pub(crate) fn is_source(spec: &ProvisioningPolicySpec) -> bool {
    spec.to_directory.as_ref().and_then(sourcing).is_some()
}

fn sourcing(to_directory: &ToDirectory) -> Option<Sourcing> {
    let sourcing = &to_directory.sourcing;
    sourcing.enabled.then_some(Sourcing {
        on_deactivation: match sourcing.on_deactivation {
            OnDeactivation::DoNothing => sourcing::OnDeactivation::DoNothing,
            OnDeactivation::Deactivate => sourcing::OnDeactivation::Deactivate,
            OnDeactivation::Suspend => sourcing::OnDeactivation::Suspend,
        },
        reactivate_suspended: sourcing.reactivate.suspended,
        reactivate_deactivated: sourcing.reactivate.deactivated,
    })
}

/// The rules of provisioning. `mapping: None`: it does not compile, and only removals go on (MA-7).
pub(super) fn provision_rules(
    to_app: &ToApp,
    safeguards: &Safeguards,
    approval: &Approval,
    key: &IntegrationKey,
    mapping: Option<Mapping>,
    directory: &DirectorySettings,
) -> Result<ProvisionRules, Vec<Problem>> {
    let mut problems = Vec::new();
    let user_name_format = keep(Expression::compile_text("spec.toApp.usernameFormat", &to_app.username_format, Scope::User), &mut problems);
    let mut assignments = Vec::with_capacity(to_app.assignments.len());
    for (index, entry) in to_app.assignments.iter().enumerate() {
        let field = format!("spec.toApp.assignments[{index}]");
        let condition = keep(Expression::compile_condition(&format!("{field}.where"), &entry.condition, Scope::User), &mut problems);
        let mut values = Vec::with_capacity(entry.values.len());
        for (name, text) in &entry.values {
            let value = keep(Expression::compile(&format!("{field}.values.{name}"), text, Scope::User), &mut problems);
            values.extend(value.map(|value| (name.clone(), value)));
        }
        assignments.extend(condition.map(|condition| Assignment {
            name: entry.name.clone(),
            condition,
            values,
            combine: entry.combine.clone(),
        }));
    }
    let limits = &safeguards.provisioning;
    let limits = ProvisionLimits {
        max_deactivated_percent: number(limits.max_deactivated_percent),
        min_population: number(limits.min_population),
        max_deactivated: limits.max_deactivated.map(number),
        max_updated_percent: number(limits.max_updated_percent),
        max_created: limits.max_created.map(number),
    };
    match user_name_format {
        Some(user_name_format) if problems.is_empty() => Ok(ProvisionRules {
            integration: key.clone(),
            create_users: to_app.create_users,
            update_user_attributes: to_app.update_user_attributes,
            deactivate_users: to_app.deactivate_users,
            assignments,
            user_name_format,
            mapping,
            protection: protection(directory),
            limits,
            window_seconds: seconds(safeguards.window_seconds),
            approval_seconds: seconds(approval.expires_seconds),
            digest: ShortHash::of_json(to_app),
        }),
        _ => Err(problems),
    }
}

fn keep<T>(compiled: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    compiled.map_err(|problem| problems.push(problem)).ok()
}

/// The schema keeps numbers from being negative; one that came past it counts as zero, the strictest limit.
fn number(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn seconds(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::mapping::{MappingSource, Preset};

    fn policy(to_directory: &Value) -> ProvisioningPolicySpec {
        serde_json::from_value(json!({"integrationRef": {"name": "hr"}, "toDirectory": to_directory})).unwrap()
    }

    fn rules_of(to_directory: &Value) -> Result<ImportRules, String> {
        let read = import_policy(&policy(to_directory), &IntegrationKey::new("acme", "hr"), false, &DirectorySettings::default());
        read.map(|policy| policy.unwrap().rules).map_err(|problems| problems.iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn mt2_nothing_chosen_means_by_username_and_an_attribute_stands_alone() {
        for (exact, user_name, email, attribute) in [
            (json!({}), true, false, None),
            (json!({"username": false, "email": false}), true, false, None),
            (json!({"email": true}), false, true, None),
            (json!({"username": true, "email": true}), true, true, None),
            (json!({"attribute": "employeeNumber"}), false, false, Some("employeeNumber")),
        ] {
            let rules = rules_of(&json!({"matching": {"exact": exact}})).unwrap().matching;
            let expected = (user_name, email, attribute.map(str::to_owned), true, false);
            assert_eq!((rules.user_name, rules.email, rules.attribute, rules.case_sensitive, rules.partial), expected);
        }
    }

    #[test]
    fn mt2_what_nobody_can_be_matched_by_is_refused_with_what_would_be_right() {
        for (attribute, says) in
            [("badge", "employeeNumber"), ("userName", "username: true"), ("email", "email: true"), ("status", "tells them apart")]
        {
            let refusal = rules_of(&json!({"matching": {"exact": {"attribute": attribute}}})).unwrap_err();
            assert!(refusal.contains(says), "{attribute}: {refusal}");
        }
        let both = rules_of(&json!({"usernameFormat": "app.", "matching": {"exact": {"attribute": "badge"}}})).unwrap_err();
        assert!(both.contains("badge") && both.len() > 100, "every problem is reported: {both}");
    }

    #[test]
    fn mt2_an_attribute_has_to_be_mapped_from_the_app() {
        let spec = policy(&json!({"matching": {"exact": {"attribute": "employeeNumber"}}}));
        let mapped = Mapping::compile(&MappingSource::default()).unwrap();
        let nothing = Mapping::compile(&MappingSource { preset: Preset::None, ..MappingSource::default() }).unwrap();
        assert_eq!(unmapped_attribute(&spec, &mapped), None);
        assert_eq!(unmapped_attribute(&spec, &nothing).unwrap().field, ATTRIBUTE);
        assert_eq!(unmapped_attribute(&policy(&json!({})), &nothing), None);
    }

    #[test]
    fn mt7_each_confirmation_has_its_own_switch() {
        let all = ["exactMatches", "partialMatches", "newUsers"];
        for (index, switch) in all.into_iter().enumerate() {
            let Confirmation { exact_automatic, partial_automatic, new_automatic, activate_new } =
                rules_of(&json!({"matching": {"allowPartialMatches": true}, "confirmation": {switch: "Automatic"}})).unwrap().confirmation;
            let on = [exact_automatic, partial_automatic, new_automatic];
            assert_eq!((on.map(usize::from).iter().sum::<usize>(), on[index], activate_new), (1, true, false), "{switch}");
        }
    }
}
