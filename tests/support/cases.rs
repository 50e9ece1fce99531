//! The accept and reject tables of `tests/contract/cases`, and the cases that follow from the schemas' bounds.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use joinery::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The cases of one kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The kind.
    pub kind: String,
    /// The only name that the kind allows, if there is one.
    pub name: Option<String>,
    /// An object that sets every field.
    pub base: Value,
    /// What is tried.
    pub cases: Vec<Case>,
    /// For a field, as a JSON pointer, whose bounds are not to be tried on the base as it is: what is merged over it. `null`:
    /// its values exclude each other with those of other fields, and `cases` try them.
    #[serde(default)]
    pub beside: BTreeMap<String, Value>,
    /// For a list: how the keys of its items begin.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

/// One thing that is tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Why it is accepted or refused.
    pub why: String,
    /// Merged over the base: the object that is there first.
    pub from: Option<Value>,
    /// Merged over the base: the object that is tried.
    pub set: Value,
    /// A part of the refusal; absent: it is accepted.
    pub says: Option<String>,
}

/// All tables.
pub fn tables() -> Vec<Table> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/cases");
    let mut files: Vec<_> = fs::read_dir(&folder).expect("the folder of the cases").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let documents = api::yaml::documents(&fs::read_to_string(file).expect("a readable file"))
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let [document] = <[Value; 1]>::try_from(documents).unwrap_or_else(|_| panic!("{}: one document", file.display()));
            serde_json::from_value(document).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect()
}

/// The definition of a kind.
pub fn definition(kind: &str) -> &'static CustomResourceDefinition {
    static DEFINITIONS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(api::crds);
    DEFINITIONS.iter().find(|crd| crd.spec.names.kind == kind).unwrap_or_else(|| panic!("there is no kind {kind}"))
}

/// The schema of a definition's one version.
pub fn schema(crd: &CustomResourceDefinition) -> &JSONSchemaProps {
    crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).expect("a schema")
}

/// The properties of an object's schema.
pub fn properties(schema: &JSONSchemaProps) -> impl Iterator<Item = (&String, &JSONSchemaProps)> {
    schema.properties.iter().flat_map(BTreeMap::iter)
}

/// The schema of a list's items.
pub fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(items) => Some(items),
        JSONSchemaPropsOrArray::Schemas(_) => panic!("a list has one schema for its items"),
    }
}

/// The schema of a map's values.
pub fn values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.additional_properties.as_ref()? {
        JSONSchemaPropsOrBool::Schema(values) => Some(values),
        JSONSchemaPropsOrBool::Bool(_) => None,
    }
}

/// The base of a table with a patch merged over it (RFC 7396).
pub fn merged(table: &Table, name: &str, patch: &Value) -> Value {
    let mut object =
        json!({"apiVersion": "joinery.dev/v1alpha1", "kind": table.kind, "metadata": {"name": table.name.as_deref().unwrap_or(name)}});
    merge(&mut object, &table.base);
    merge(&mut object, patch);
    object
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().expect("an object");
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Something that a bound of the schema accepts or refuses.
pub struct BoundCase {
    /// Which field, as a JSON pointer.
    pub field: String,
    /// The whole object.
    pub object: Value,
    /// Parts of the refusal; empty: it is accepted.
    pub says: Vec<String>,
}

/// A case at each side of each bound of a kind's spec.
pub fn bound_cases(table: &Table) -> Vec<BoundCase> {
    let crd = definition(&table.kind);
    let base = merged(table, "bounds", &json!({}));
    let mut cases = Cases { base, table, made: Vec::new() };
    let spec = &schema(crd).properties.as_ref().expect("properties")["spec"];
    cases.visit(spec, "/spec");
    cases.made
}

struct Cases<'a> {
    base: Value,
    table: &'a Table,
    made: Vec<BoundCase>,
}

impl Cases<'_> {
    fn visit(&mut self, schema: &JSONSchemaProps, field: &str) {
        let kind = schema.type_.as_deref().unwrap_or("any");
        let wrong = if kind == "string" { json!(5) } else { json!("five") };
        if kind != "any" {
            self.refused(field, wrong, &["must be of type"]);
        }
        match kind {
            "object" => self.object(schema, field),
            "array" => self.array(schema, field),
            "string" => self.string(schema, field),
            "integer" => self.integer(schema, field),
            _ => {}
        }
    }

    fn object(&mut self, schema: &JSONSchemaProps, field: &str) {
        for (name, property) in properties(schema) {
            self.visit(property, &format!("{field}/{name}"));
        }
        for name in schema.required.iter().flatten() {
            let mut object = self.base.clone();
            object.pointer_mut(field).and_then(Value::as_object_mut).expect("an object in the base").remove(name);
            self.made.push(BoundCase { field: format!("{field}/{name}"), object, says: vec![format!("{name}: Required value")] });
        }
        if let Some(values) = values(schema) {
            let max = usize::try_from(schema.max_properties.expect("maxProperties")).expect("a small number");
            let value = self
                .base
                .pointer(field)
                .and_then(Value::as_object)
                .and_then(|map| map.values().next())
                .expect("a value in the base")
                .clone();
            let map = |count: usize| (0..count).map(|index| (format!("key{index}"), value.clone())).collect::<Value>();
            self.accepted(field, map(max));
            self.refused(field, map(max + 1), &[&format!("must have at most {max} ")]);
            if let (Some("string"), Some(length)) = (values.type_.as_deref(), values.max_length) {
                let text = "x".repeat(usize::try_from(length).expect("a small number") + 1);
                self.refused(field, json!({"key": text}), &["Too long"]);
            }
        }
    }

    fn array(&mut self, schema: &JSONSchemaProps, field: &str) {
        let max = usize::try_from(schema.max_items.expect("maxItems")).expect("a small number");
        let item = self.base.pointer(&format!("{field}/0")).unwrap_or_else(|| panic!("{field}: the base has no item")).clone();
        let key = schema.x_kubernetes_list_map_keys.as_ref().map(|keys| keys[0].clone());
        let prefix = self.table.keys.get(field).map_or("item", String::as_str);
        let list = |count: usize| {
            (0..count)
                .map(|index| {
                    let mut item = item.clone();
                    match &key {
                        Some(key) => item[key] = json!(format!("{prefix}{index}")),
                        None => item = json!(format!("{prefix}{index}")),
                    }
                    item
                })
                .collect::<Value>()
        };
        self.accepted(field, list(max));
        self.refused(field, list(max + 1), &["Too many", &format!("must have at most {max} items")]);
        // Of a list whose order matters a rule says what the type of the list says of others.
        let twice = if schema.x_kubernetes_list_type.as_deref() == Some("atomic") { " once" } else { "Duplicate value" };
        self.refused(field, json!([item, item]), &[twice]);
        self.visit(items(schema).expect("items"), &format!("{field}/0"));
    }

    fn string(&mut self, schema: &JSONSchemaProps, field: &str) {
        if let Some(allowed) = &schema.enum_ {
            for value in allowed {
                self.accepted(field, value.0.clone());
            }
            self.refused(field, json!("Nonsense"), &["Unsupported value: \"Nonsense\": supported values: "]);
            return;
        }
        let max = usize::try_from(schema.max_length.unwrap_or_else(|| panic!("{field}: no maxLength"))).expect("a small number");
        self.refused(field, json!("a".repeat(max + 1)), &["Too long", &format!("may not be more than {max} ")]);
        if schema.min_length.is_some_and(|min| min > 0) {
            self.refused(field, json!(""), &["should be at least 1 chars long"]);
        }
    }

    fn integer(&mut self, schema: &JSONSchemaProps, field: &str) {
        let whole = |bound: Option<f64>| {
            bound.unwrap_or_else(|| panic!("{field}: has no bounds")).to_string().parse::<i64>().expect("a whole number")
        };
        let (min, max) = (whole(schema.minimum), whole(schema.maximum));
        self.accepted(field, json!(min));
        self.accepted(field, json!(max));
        self.refused(field, json!(min - 1), &[&format!("should be greater than or equal to {min}")]);
        self.refused(field, json!(max + 1), &[&format!("should be less than or equal to {max}")]);
    }

    fn accepted(&mut self, field: &str, value: Value) {
        if self.table.beside.get(field).is_some_and(Value::is_null) {
            return;
        }
        self.refused(field, value, &[]);
    }

    fn refused(&mut self, field: &str, value: Value, says: &[&str]) {
        let mut object = self.base.clone();
        if let Some(patch) = self.table.beside.get(field).filter(|patch| !patch.is_null()) {
            merge(&mut object, patch);
        }
        *object.pointer_mut(field).unwrap_or_else(|| panic!("{field}: not in the base")) = value;
        self.made.push(BoundCase { field: field.to_owned(), object, says: says.iter().map(|&text| text.to_owned()).collect() });
    }
}
