//! Messages of many parts, as long as a condition or an event may be (D3).

use crate::{api::status::MESSAGE_LENGTH, domain::mapping::Problem};

/// What the API server takes as the note of an event, in bytes.
const NOTE_LENGTH: usize = 1024;
/// What is left free for the number of the problems that are not shown.
const ROOM: usize = 32;

/// Every problem with its field, one a line; of those that find no place, how many there are.
pub(crate) fn of_problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (shown, problem) in problems.iter().enumerate() {
        let line = format!("{}: {}", problem.field, problem.message);
        let added = line.chars().count() + 1;
        if shown > 0 && length + added + ROOM > MESSAGE_LENGTH {
            return format!("{text}\n… and {} more", problems.len() - shown);
        }
        if shown > 0 {
            text.push('\n');
        }
        text.push_str(&line);
        length += added;
    }
    text
}

/// A message as the note of an event: conditions count characters, events count bytes.
pub(crate) fn note(message: &str) -> String {
    let mark = '…';
    if message.len() <= NOTE_LENGTH {
        return message.to_owned();
    }
    let mut end = NOTE_LENGTH - mark.len_utf8();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::ProblemKind;

    fn problems(number: usize, length: usize) -> Vec<Problem> {
        let problem =
            |index| Problem { field: format!("spec.toApp[{index}].target"), kind: ProblemKind::SyntaxError, message: "ü".repeat(length) };
        (0..number).map(problem).collect()
    }

    #[test]
    fn d3_a_million_problems_are_a_short_message_that_counts_them() {
        let text = of_problems(&problems(1_000_000, 50));
        let shown = text.lines().count() - 1;
        assert!(text.chars().count() <= MESSAGE_LENGTH, "{} characters", text.chars().count());
        assert!(text.starts_with("spec.toApp[0].target: ü") && shown > 5, "{text}");
        assert!(text.ends_with(&format!("\n… and {} more", 1_000_000 - shown)), "{text}");
        assert_eq!(of_problems(&problems(2, 3)), "spec.toApp[0].target: üüü\nspec.toApp[1].target: üüü");
        assert!(of_problems(&problems(3, 1_000_000)).starts_with("spec.toApp[0].target: "), "the first is always named");
    }

    #[test]
    fn d3_a_note_has_at_most_so_many_bytes_whatever_its_letters() {
        for message in ["a".repeat(1024), "a".repeat(1025), "ü".repeat(1024), format!("a{}", "日本".repeat(1000))] {
            let note = note(&message);
            assert!(note.len() <= NOTE_LENGTH && note.len() + 8 > NOTE_LENGTH, "{} bytes", note.len());
            assert_eq!(note == message, message.len() <= NOTE_LENGTH);
        }
    }
}
