//! What holds for every field of every kind, and that each rule is tried by a case.

use std::collections::HashSet;

use joinery::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use crate::cases::{self, Table};

/// Calls `check` with every field below a kind's spec and status; its complaints are collected.
fn complaints(check: impl Fn(&str, &JSONSchemaProps) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for crd in api::crds() {
        walk(cases::schema(&crd), &crd.spec.names.kind, &mut |field, schema| {
            found.extend(check(field, schema).into_iter().map(|complaint| format!("{field}: {complaint}")));
        });
    }
    found
}

fn walk(schema: &JSONSchemaProps, field: &str, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
    visit(field, schema);
    for (name, property) in cases::properties(schema) {
        walk(property, &format!("{field}.{name}"), visit);
    }
    if let Some(items) = cases::items(schema) {
        walk(items, &format!("{field}[]"), visit);
    }
    if let Some(values) = cases::values(schema) {
        walk(values, &format!("{field}{{}}"), visit);
    }
}

#[test]
fn every_field_is_described() {
    let missing = complaints(|field, schema| {
        let described = schema.description.as_ref().is_some_and(|text| text.len() > 5);
        let named = !field.ends_with("{}") && !field.ends_with("[]");
        if named && !described { vec!["kubectl explain has nothing to say".to_owned()] } else { vec![] }
    });
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn d3_every_field_is_bounded() {
    let missing = complaints(|_, schema| {
        let free = schema.x_kubernetes_preserve_unknown_fields == Some(true);
        let missing: &[(bool, &str)] = &match schema.type_.as_deref() {
            Some("string") => {
                let fixed = schema.enum_.is_some() || schema.format.as_deref() == Some("date-time");
                [(!fixed && schema.max_length.is_none(), "maxLength"), (false, "")]
            }
            Some("array") => [(schema.max_items.is_none(), "maxItems"), (schema.x_kubernetes_list_type.is_none(), "a list type")],
            Some("integer") => {
                let status_count = schema.format.as_deref() == Some("int64");
                [(schema.minimum.is_none(), "minimum"), (!status_count && schema.maximum.is_none(), "maximum")]
            }
            Some("object") => {
                let map = cases::values(schema).is_some();
                [(map && schema.max_properties.is_none(), "maxProperties"), (!map && !free && schema.properties.is_none(), "properties")]
            }
            Some("boolean") => [(false, ""); 2],
            Some(_) => [(true, "a type that clients agree on"); 2],
            None => [(!free, "a type"), (false, "")],
        };
        missing.iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| format!("no {what}")).collect()
    });
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn numbers_have_formats_that_kubectl_knows() {
    let wrong = complaints(|_, schema| match schema.format.as_deref() {
        None | Some("int32" | "int64" | "date-time") => vec![],
        Some(other) => vec![format!("format {other}")],
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// A default inside a list item would be a difference to Git for ever (operations §3).
#[test]
fn list_items_have_no_defaults() {
    let wrong =
        complaints(|field, schema| if field.contains('[') && schema.default.is_some() { vec!["has a default".to_owned()] } else { vec![] });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_has_a_status_that_starts_unseen_and_a_short_name() {
    for crd in api::crds() {
        let kind = &crd.spec.names.kind;
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["joinery".to_owned()][..]), "{kind}");
        assert_eq!(crd.spec.names.short_names.as_ref().map(Vec::len), Some(1), "{kind}");
        assert!(crd.spec.versions[0].subresources.as_ref().is_some_and(|subresources| subresources.status.is_some()), "{kind}");
        let status = &cases::schema(&crd).properties.as_ref().unwrap()["status"];
        assert_eq!(status.default.as_ref().unwrap().0, serde_json::json!({"observedGeneration": -1}), "{kind}");
        assert_eq!(status.properties.as_ref().unwrap()["conditions"].x_kubernetes_list_map_keys, Some(vec!["type".to_owned()]), "{kind}");
    }
}

#[test]
fn printer_columns_are_those_of_the_contract() {
    let columns = |wide: bool| -> Vec<(String, String)> {
        api::crds()
            .into_iter()
            .map(|crd| {
                let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
                let names = columns.iter().filter(|column| column.priority.is_some() == wide).map(|column| column.name.to_uppercase());
                (crd.spec.names.short_names.unwrap()[0].clone(), names.collect::<Vec<_>>().join(" "))
            })
            .collect()
    };
    let expected = |rows: [(&str, &str); 7]| rows.map(|(kind, names)| (kind.to_owned(), names.to_owned())).to_vec();
    assert_eq!(
        columns(false),
        expected([
            ("appint", "CONNECTOR MODE READY ACCOUNTS PENDING REASON AGE"),
            ("attrmap", "INTEGRATION COMPILED TO-APP TO-DIRECTORY AGE"),
            ("chgappr", "KIND TARGET DECISION ACCEPTED REASON AGE"),
            ("dir", "READY ACTIVE STAGED SUSPENDED DEACTIVATED REASON AGE"),
            ("imprun", "TYPE READ NEW UPDATED UNASSIGNED VERDICT STATE AGE"),
            ("impsched", "INTEGRATION FULL SUSPEND ACTIVE LAST-RUN NEXT-RUN AGE"),
            ("provpol", "INTEGRATION READY CREATED UPDATED DEACTIVATED FAILED REASON AGE"),
        ])
    );
    assert_eq!(
        columns(true),
        expected([
            ("appint", "HOST NEXT-ATTEMPT"),
            ("attrmap", "REASON"),
            ("chgappr", "PLAN"),
            ("dir", ""),
            ("imprun", "INTEGRATION PLAN REASON"),
            ("impsched", "TIME-ZONE REASON"),
            ("provpol", "PLAN NEXT-ATTEMPT"),
        ])
    );
}

fn table(kind: &str) -> Table {
    cases::tables().into_iter().find(|table| table.kind == kind).unwrap_or_else(|| panic!("there are no cases for {kind}"))
}

#[test]
fn every_rule_has_an_accepting_and_a_refusing_case() {
    let mut missing = Vec::new();
    for crd in api::crds() {
        let table = table(&crd.spec.names.kind);
        walk(cases::schema(&crd), &crd.spec.names.kind, &mut |field, schema| {
            for rule in schema.x_kubernetes_validations.iter().flatten() {
                let message = rule.message.as_deref().unwrap_or_else(|| panic!("{field}: {} has no message", rule.rule));
                let transition = rule.rule.contains("oldSelf");
                if !table.cases.iter().any(|case| case.says.as_ref().is_some_and(|says| message.contains(says.as_str()))) {
                    missing.push(format!("{field}: nothing is refused by: {message}"));
                }
                if !table.cases.iter().any(|case| case.says.is_none() && case.from.is_some() == transition) {
                    missing.push(format!("{field}: nothing is accepted by: {message}"));
                }
            }
        });
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_base_of_each_table_sets_every_field_so_that_every_bound_is_tried() {
    for crd in api::crds() {
        let table = table(&crd.spec.names.kind);
        // Panics on a field that the base does not set.
        let cases = cases::bound_cases(&table);
        let fields: HashSet<&str> = cases.iter().map(|case| case.field.as_str()).collect();
        walk(&cases::schema(&crd).properties.as_ref().unwrap()["spec"], "/spec", &mut |field, schema| {
            let pointer = field.replace("[]", ".0").replace('.', "/");
            let free = schema.type_.is_none() || field.ends_with("{}");
            assert!(free || fields.contains(pointer.as_str()), "{}: nothing is tried for {pointer}", table.kind);
        });
    }
}
