//! Messages that show where in an expression something is wrong.

/// The most characters of a line that are shown.
const WIDTH: usize = 100;

/// The message, and below it the line of the text with a caret under the character at `offset` (counted in characters).
/// Without an offset the message alone.
pub(super) fn point(text: &str, offset: Option<usize>, message: &str) -> String {
    let Some(offset) = offset else { return message.to_owned() };
    let mut start = 0;
    let mut shown = "";
    for line in text.split('\n') {
        let length = line.chars().count();
        shown = line;
        if offset <= start + length {
            break;
        }
        start += length + 1;
    }
    let line: Vec<char> = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = offset.saturating_sub(start).min(line.len());
    let (line, column) = window(&line, column);
    format!("{message}\n  {line}\n  {}^", " ".repeat(column))
}

/// The offset of a place given as line and column, both counted from 1.
pub(super) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split('\n').take(line.saturating_sub(1)).map(|line| line.chars().count() + 1).sum();
    before + column.saturating_sub(1)
}

fn window(line: &[char], column: usize) -> (String, usize) {
    if line.len() <= WIDTH {
        return (line.iter().collect(), column);
    }
    let from = column.saturating_sub(WIDTH / 2).min(line.len() - WIDTH);
    let to = from + WIDTH;
    let (left, right) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    let part: String = line[from..to].iter().collect();
    (format!("{left}{part}{right}"), column - from + left.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        for (text, offset, expected, why) in [
            ("user.emial", 5, "m\n  user.emial\n       ^", "one line"),
            ("a +\n  b", 6, "m\n    b\n    ^", "the second line"),
            ("\"ü\" + x", 6, "m\n  \"ü\" + x\n        ^", "characters, not bytes"),
            ("a", 9, "m\n  a\n   ^", "behind the end"),
            ("", 0, "m\n  \n  ^", "nothing there"),
        ] {
            assert_eq!(point(text, Some(offset), "m"), expected, "{why}");
        }
    }

    #[test]
    fn of_a_long_line_only_the_surroundings_are_shown() {
        let text = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let shown = point(&text, Some(500), "m");
        let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines[1].len(), 2 + WIDTH + 2);
        assert_eq!(lines[1][lines[2].len() - 1], '!');
    }

    #[test]
    fn a_line_and_a_column_become_an_offset() {
        assert_eq!(offset_of("ab\ncd", 2, 1), 3);
        assert_eq!(offset_of("ab", 1, 2), 1);
    }
}
