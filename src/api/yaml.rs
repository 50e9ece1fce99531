//! The one place that knows the YAML library, which is unmaintained and may have to be replaced.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{AppIntegration, AttributeMapping, ChangeApproval, Directory, ImportRun, ImportSchedule, ProvisioningPolicy, names};

/// Why a text is not what was expected. Holds no values of Secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not YAML, or not the YAML that JSON can express.
    #[error("document {document}: not valid YAML: {problem}")]
    Syntax {
        /// Which document, counted from 1.
        document: usize,
        /// What the parser says, with line and column.
        problem: String,
    },
    /// A document is no Kubernetes object.
    #[error("document {document}: needs the fields apiVersion and kind, both of them texts")]
    NoObject {
        /// Which document, counted from 1.
        document: usize,
    },
    /// The kind is not one of the group, or the version is not one of the kind.
    #[error("document {document}: there is no kind {kind} in {api_version}; the group {group} has, in {version}: {kinds}", group = names::GROUP, version = names::VERSION, kinds = KINDS.join(", "))]
    UnknownKind {
        /// Which document, counted from 1.
        document: usize,
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// The object's fields do not have the types of its kind.
    #[error("document {document}, {kind} {name}: {problem}")]
    Invalid {
        /// Which document, counted from 1.
        document: usize,
        /// Its `kind`.
        kind: String,
        /// Its `metadata.name`.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A value that cannot be written as YAML.
    #[error("cannot be written as YAML: {problem}")]
    Write {
        /// Why.
        problem: String,
    },
}

const KINDS: [&str; 7] =
    ["AppIntegration", "AttributeMapping", "ChangeApproval", "Directory", "ImportRun", "ImportSchedule", "ProvisioningPolicy"];

/// An object from a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// An `AppIntegration`.
    AppIntegration(Box<AppIntegration>),
    /// An `AttributeMapping`.
    AttributeMapping(Box<AttributeMapping>),
    /// A `ChangeApproval`.
    ChangeApproval(Box<ChangeApproval>),
    /// A `Directory`.
    Directory(Box<Directory>),
    /// An `ImportRun`.
    ImportRun(Box<ImportRun>),
    /// An `ImportSchedule`.
    ImportSchedule(Box<ImportSchedule>),
    /// A `ProvisioningPolicy`.
    ProvisioningPolicy(Box<ProvisioningPolicy>),
    /// A Secret.
    Secret(Box<Secret>),
    /// A Namespace.
    Namespace(Box<Namespace>),
    /// Anything of another group, which is none of our business.
    Other {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
}

/// Reads all documents of a text. Empty ones are left out.
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let mut documents = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let value = Value::deserialize(document).map_err(|error| Error::Syntax { document: index + 1, problem: error.to_string() })?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

/// Reads all objects of a text.
pub fn manifests(text: &str) -> Result<Vec<Manifest>, Error> {
    documents(text)?.into_iter().enumerate().map(|(index, value)| manifest(index + 1, value)).collect()
}

/// Writes a value as one document.
pub fn write<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(|error| Error::Write { problem: error.to_string() })
}

fn manifest(document: usize, value: Value) -> Result<Manifest, Error> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned).ok_or(Error::NoObject { document });
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let ours = api_version.split_once('/').is_some_and(|(group, _)| group == names::GROUP);
    Ok(match (api_version.as_str(), kind.as_str()) {
        ("joinery.dev/v1alpha1", "AppIntegration") => Manifest::AppIntegration(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "AttributeMapping") => Manifest::AttributeMapping(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "ChangeApproval") => Manifest::ChangeApproval(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "Directory") => Manifest::Directory(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "ImportRun") => Manifest::ImportRun(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "ImportSchedule") => Manifest::ImportSchedule(typed(document, &kind, value)?),
        ("joinery.dev/v1alpha1", "ProvisioningPolicy") => Manifest::ProvisioningPolicy(typed(document, &kind, value)?),
        ("v1", "Secret") => Manifest::Secret(typed(document, &kind, value)?),
        ("v1", "Namespace") => Manifest::Namespace(typed(document, &kind, value)?),
        _ if ours => return Err(Error::UnknownKind { document, api_version, kind }),
        _ => Manifest::Other { api_version, kind },
    })
}

fn typed<T: DeserializeOwned>(document: usize, kind: &str, value: Value) -> Result<Box<T>, Error> {
    let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
    serde_json::from_value(value).map(Box::new).map_err(|error| {
        // The parser quotes the value it stumbles over, which in a Secret may be the secret (H3).
        let problem = if kind == "Secret" { "its fields do not have the types of a Secret".to_owned() } else { error.to_string() };
        Error::Invalid { document, kind: kind.to_owned(), name, problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_one_by_one_and_dispatched_by_kind() {
        let text = "---\n# nothing but a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: acme}\n---\n\
                    apiVersion: joinery.dev/v1alpha1\nkind: ImportRun\nmetadata: {name: now}\nspec: {integrationRef: {name: hr}, type: Full}\n---\n\
                    apiVersion: apps/v1\nkind: Deployment\n";
        let manifests = manifests(text).unwrap();
        assert_eq!(manifests.len(), 3);
        assert!(matches!(&manifests[0], Manifest::Namespace(_)));
        let Manifest::ImportRun(run) = &manifests[1] else { panic!("{manifests:?}") };
        assert_eq!(run.spec.integration_ref.name, "hr");
        assert_eq!(manifests[2], Manifest::Other { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned() });
    }

    #[test]
    fn errors_say_where_and_what_would_be_right() {
        for (text, message) in [
            ("a: [", "document 1: not valid YAML"),
            ("a: 1\n---\n- {b", "document 2: not valid YAML"),
            ("[]", "document 1: needs the fields apiVersion and kind"),
            (
                "{apiVersion: joinery.dev/v1alpha1, kind: Organization}",
                "there is no kind Organization in joinery.dev/v1alpha1; the group joinery.dev has, in v1alpha1: AppIntegration, ",
            ),
            ("{apiVersion: joinery.dev/v2, kind: ImportRun}", "there is no kind ImportRun in joinery.dev/v2"),
            (
                "{apiVersion: joinery.dev/v1alpha1, kind: ImportRun, metadata: {name: now}, spec: {type: Full}}",
                "document 1, ImportRun now: missing field `integrationRef`",
            ),
        ] {
            let error = manifests(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn an_error_never_quotes_a_secret() {
        let text = "{apiVersion: v1, kind: Secret, metadata: {name: hr}, stringData: \"tok-4711\"}";
        let error = manifests(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("tok-4711"), "{error:?}");
    }
}
