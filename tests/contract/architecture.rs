//! Who may know whom. The layers stay apart because this fails when they do not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::source::{self, Token};

/// A layer and what its files may not name.
struct Layer {
    /// The folder or file under `src`, without `.rs`.
    name: &'static str,
    /// The other top-level modules that it may name.
    may_know: Option<&'static [&'static str]>,
    /// Top-level modules that it may not name, where naming the allowed ones would be too long.
    may_not_know: &'static [&'static str],
    /// Crates that it may not name.
    no_crates: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    // Pure and synchronous: no cluster, no network, no database, and no clock.
    Layer {
        name: "domain",
        may_know: Some(&[]),
        may_not_know: &[],
        no_crates: &["kube", "k8s_openapi", "tokio", "tokio_util", "tokio_stream", "reqwest", "sqlx", "axum"],
    },
    Layer { name: "api", may_know: Some(&[]), may_not_know: &[], no_crates: &["tokio", "reqwest", "sqlx", "axum"] },
    // Both read the time, which has one place.
    Layer { name: "connector", may_know: Some(&["domain", "clock"]), may_not_know: &[], no_crates: &["kube", "k8s_openapi", "sqlx"] },
    Layer { name: "store", may_know: Some(&["domain", "clock"]), may_not_know: &[], no_crates: &["kube", "k8s_openapi", "reqwest"] },
    // Runs without a cluster too.
    Layer {
        name: "engine",
        may_know: None,
        may_not_know: &["api", "controller", "standalone", "server"],
        no_crates: &["kube", "k8s_openapi", "sqlx"],
    },
];

/// The one file that may name the YAML library.
const YAML: &str = "api/yaml.rs";

/// All complaints about a file. `path` is relative to `src`, with `/`.
fn complaints(path: &str, text: &str, modules: &[String]) -> Vec<String> {
    let tokens = source::tokens(text);
    let mut found = Vec::new();
    if path != YAML {
        found
            .extend(crates(&tokens, &["serde_yaml"]).into_iter().map(|(line, _)| format!("{path}:{line}: only {YAML} may use serde_yaml")));
    }
    let top = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == top) else { return found };
    for (line, module) in own_modules(path, &tokens) {
        let known = modules.contains(&module) && module != layer.name;
        let forbidden =
            layer.may_know.is_some_and(|allowed| !allowed.contains(&module.as_str())) || layer.may_not_know.contains(&module.as_str());
        if known && forbidden {
            found.push(format!("{path}:{line}: {} may not know {module}", layer.name));
        }
    }
    found.extend(
        crates(&tokens, layer.no_crates).into_iter().map(|(line, name)| format!("{path}:{line}: {} may not use {name}", layer.name)),
    );
    found
}

/// Where one of these crates is named: at the start of a path, or in `use` and `extern crate`.
fn crates(tokens: &[Token], names: &[&str]) -> Vec<(usize, String)> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    (0..tokens.len())
        .filter(|&index| names.contains(&text(index)))
        .filter(|&index| {
            let before = if index == 0 { "" } else { text(index - 1) };
            // `::kube::…` starts a path; `crate::kube::…` and `x.kube` do not.
            let starts = match before {
                "::" => {
                    index < 2
                        || !text(index - 2).chars().all(|letter| letter.is_alphanumeric() || letter == '_')
                        || text(index - 2).is_empty()
                        || text(index - 2) == "use"
                }
                "." => false,
                _ => true,
            };
            starts && (text(index + 1) == "::" || matches!(before, "use" | "crate") || text(index + 1) == "as")
        })
        .map(|index| (tokens[index].line, text(index).to_owned()))
        .collect()
}

/// Where a top-level module of this crate is named: after `crate::`, after enough `super::`, or in braces behind either.
fn own_modules(path: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut depth = path.trim_end_matches(".rs").split('/').count();
    if path.ends_with("/mod.rs") {
        depth -= 1;
    }
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let start = index;
        let mut supers = 0;
        while text(index) == "super" && text(index + 1) == "::" {
            supers += 1;
            index += 2;
        }
        // Modules inside a file only make `super` reach less far, so this looks at more than it has to.
        let at_root = supers >= depth && supers > 0;
        if supers == 0 && matches!(text(index), "crate" | "joinery") && text(index + 1) == "::" {
            index += 2;
        } else if !at_root {
            index = index.max(start + 1);
            continue;
        }
        if text(index) == "{" {
            found.extend(group(&tokens[index..]));
        } else if let Some(token) = tokens.get(index) {
            found.push((token.line, token.text.clone()));
        }
    }
    found
}

/// The first words of the paths in a `{…}` of a `use`.
fn group(tokens: &[Token]) -> Vec<(usize, String)> {
    let (mut depth, mut fresh, mut found) = (0, false, Vec::new());
    for token in tokens {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                fresh = depth == 1;
            }
            "}" => depth -= 1,
            "," => fresh = depth == 1,
            _ if fresh => {
                found.push((token.line, token.text.clone()));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

pub fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules, by the names of files and folders.
fn modules() -> Vec<String> {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned());
    names.filter(|name| !matches!(name.as_str(), "lib" | "main" | "bin")).collect()
}

#[test]
fn no_layer_names_what_it_may_not_know() {
    let modules = modules();
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    assert!(files.len() > 20, "{} files", files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            complaints(&path, &fs::read_to_string(file).unwrap(), &modules)
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_violation_is_caught() {
    let modules: Vec<String> = ["api", "domain", "store", "connector", "engine", "controller", "clock"].map(str::to_owned).to_vec();
    for (path, text) in [
        ("domain/plan.rs", "use kube::Client;"),
        ("domain/plan.rs", "fn f() -> ::tokio::time::Instant {}"),
        ("domain/plan.rs", "use {std::fmt, sqlx::Row};"),
        ("domain/plan.rs", "extern crate axum;"),
        ("domain/plan.rs", "use reqwest;"),
        ("domain/plan.rs", "use crate::clock::Clock;"),
        ("domain/plan.rs", "use crate::{domain::person, store::Store};"),
        ("domain/plan.rs", "use super::super::store::Store;"),
        ("domain/mapping/mod.rs", "fn f(_: &super::super::api::AppIntegration) {}"),
        ("domain/mapping/path.rs", "mod tests { use super::super::super::super::engine::Run; }"),
        ("api/common.rs", "use crate::domain::id::AppId;"),
        ("api/common.rs", "use serde_yaml::Value;"),
        ("store/mod.rs", "use crate::{\n    connector::Connector,\n};"),
        ("connector/http.rs", "use crate::store;"),
        ("engine/mod.rs", "use crate::controller::Context;"),
        ("engine/mod.rs", "let client = kube::Client::try_default();"),
        ("engine.rs", "use super::api;"),
        ("controller/mod.rs", "serde_yaml::to_string(&x)"),
    ] {
        assert_eq!(complaints(path, text, &modules).len(), 1, "{path}: {text}");
    }
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    let modules: Vec<String> = ["api", "domain", "store", "connector", "engine", "controller", "clock"].map(str::to_owned).to_vec();
    for (path, text) in [
        ("domain/plan.rs", "use super::{account::Record, person}; use crate::domain::link; // kube::Client"),
        ("domain/mapping/mod.rs", "use super::{hash, person}; const TEXT: &str = \"use kube::Client\";"),
        ("domain/plan.rs", "let store = 1; let api = store; self.kube.len(); x::kube::y();"),
        ("store/sqlite.rs", "use sqlx::Row; use crate::{clock::Clock, domain::id::AppId}; use super::Store;"),
        ("connector/http.rs", "use reqwest::Client; use crate::domain::hash; use super::error;"),
        ("engine/import.rs", "use crate::{connector::Connector, domain::plan, store::Store};"),
        ("controller/mod.rs", "use kube::Client; use crate::{api, engine, domain};"),
        ("api/yaml.rs", "serde_yaml::to_string(&x)"),
    ] {
        assert_eq!(complaints(path, text, &modules), [""; 0], "{path}: {text}");
    }
}
