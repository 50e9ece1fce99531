//! `joinery candidates`: the records that wait for a decision, read from the store.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use crate::{
    cli::{CandidatesArgs, OutputFormat},
    store::{
        StoreError,
        sqlite::{QueueFilter, QueuedRecord, read_queue},
    },
};

/// The queues as text, ready to be printed. Without usernames, unless they were asked for.
pub async fn list(store: &Path, arguments: &CandidatesArgs) -> Result<String, StoreError> {
    let CandidatesArgs { namespace, integration, show_names, output } = arguments;
    let filter = QueueFilter { organisation: namespace.clone(), integration: integration.clone(), with_user_names: *show_names };
    let queue = read_queue(store, &filter).await?;
    Ok(match output {
        OutputFormat::Table => table(&queue, *show_names),
        OutputFormat::Json => format!("{:#}\n", json!({"items": queue.iter().map(to_json).collect::<Vec<_>>()})),
    })
}

fn to_json(record: &QueuedRecord) -> Value {
    let QueuedRecord { candidate, import, user_name } = record;
    let mut item = json!({
        "id": candidate.id,
        "namespace": candidate.integration.organisation,
        "integration": candidate.integration.name,
        "proposal": candidate.kind.as_str(),
        "reason": candidate.reason.as_str(),
        "person": candidate.person,
        "ignored": candidate.ignored,
        "importRunUID": import,
    });
    if let Some(user_name) = user_name {
        item["userName"] = json!(user_name);
    }
    item
}

fn table(queue: &[QueuedRecord], with_names: bool) -> String {
    let mut rows = vec![["NAMESPACE", "INTEGRATION", "ID", "PROPOSAL", "REASON", "PERSON", "IGNORED", "USERNAME"].map(str::to_owned)];
    rows.extend(queue.iter().map(|QueuedRecord { candidate, user_name, .. }| {
        [
            candidate.integration.organisation.to_string(),
            candidate.integration.name.to_string(),
            candidate.id.to_string(),
            candidate.kind.as_str().to_owned(),
            candidate.reason.as_str().to_owned(),
            candidate.person.map_or_else(|| "-".to_owned(), |person| person.to_string()),
            if candidate.ignored { "yes" } else { "no" }.to_owned(),
            user_name.clone().map_or_else(|| "-".to_owned(), |name| printable(&name)),
        ]
    }));
    let columns = if with_names { 8 } else { 7 };
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a text cannot fail.
            let _ = write!(line, "{cell:width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A username comes from an app: what would move the cursor or colour the screen is shown as what it is.
fn printable(text: &str) -> String {
    text.chars().flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        candidate::{Candidate, PendingReason, ProposalKind},
        id::{AppId, CandidateId, IntegrationKey, PersonId},
    };

    fn record(app_id: &str, person: bool, user_name: Option<&str>) -> QueuedRecord {
        let integration = IntegrationKey::new("acme", "hr");
        let app_id = AppId::new(app_id);
        let candidate = Candidate {
            id: CandidateId::derive(&integration, &app_id),
            kind: if person { ProposalKind::Exact } else { ProposalKind::New },
            person: person.then(|| PersonId::derive(&integration, &app_id)),
            reason: PendingReason::ExactMatchManual,
            ignored: person,
            linked: false,
            integration,
            app_id,
        };
        QueuedRecord { candidate, import: Some("uid".to_owned()), user_name: user_name.map(str::to_owned) }
    }

    #[test]
    fn a_table_has_a_header_and_a_line_each_and_names_only_on_request() {
        let queue = [record("1", true, Some("ada\u{1b}[31m")), record("2", false, None)];
        let text = table(&queue, true);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["NAMESPACE", "INTEGRATION", "ID", "PROPOSAL", "REASON", "PERSON", "IGNORED", "USERNAME"]);
        assert_eq!((lines[1][3], lines[1][6], lines[1][7]), ("Exact", "yes", "ada\\u{1b}[31m"));
        assert_eq!((lines[2][3], lines[2][5], lines[2][7]), ("New", "-", "-"));
        let without = table(&queue, false);
        assert!(!without.contains("USERNAME") && !without.contains("ada"), "{without}");
        assert_eq!(table(&[], false).lines().count(), 1);
    }

    #[test]
    fn an_object_has_a_username_only_if_it_was_read() {
        let named = to_json(&record("1", true, Some("ada")));
        assert_eq!((&named["proposal"], &named["userName"], &named["ignored"]), (&json!("Exact"), &json!("ada"), &json!(true)));
        let nameless = to_json(&record("2", false, None));
        assert_eq!((&nameless["person"], nameless.get("userName")), (&Value::Null, None));
    }
}
