//! Rust source as the architecture rule sees it: words and punctuation, without comments and literals.

/// A word or a punctuation mark, with the line it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

/// Splits source text. `::` is one token; comments, texts and characters are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new() };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment(self.rest));
        } else if let Some(length) = literal(self.rest) {
            self.skip(length);
        } else if is_word(first) {
            let length = self.rest.find(|letter| !is_word(letter)).unwrap_or(self.rest.len());
            self.take(length);
        } else if self.rest.starts_with("::") {
            self.take(2);
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            self.take(first.len_utf8());
        }
        true
    }

    fn take(&mut self, length: usize) {
        self.tokens.push(Token { line: self.line, text: self.rest[..length].to_owned() });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of the text or character literal that starts here; `None` for anything else, lifetimes included.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('"') || (prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"')))
    });
    if let Some(prefix) = prefix {
        let body = &text[prefix.len()..];
        let hashes = body.len() - body.trim_start_matches('#').len();
        return Some(if prefix.ends_with('r') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = prefix.len() + hashes + 1;
            text[start..].find(&end).map_or(text.len(), |found| start + found + end.len())
        } else {
            prefix.len() + quoted(body, '"')
        });
    }
    let body = text.strip_prefix('\'')?;
    let mut letters = body.chars();
    let is_character = match letters.next()? {
        '\\' => true,
        _ => letters.next() == Some('\''),
    };
    is_character.then(|| quoted(text, '\''))
}

/// The length of what stands between two quotes, quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return at + 1;
        }
    }
    text.len()
}

#[test]
fn comments_and_literals_are_left_out() {
    let source =
        "use a::b; // kube::X\n/* tokio /* nested */ sqlx */ let x = \"reqwest \\\" axum\"; r#\"raw \" kube\"#; '\\''; '\"'; &'static str";
    let words: Vec<String> = tokens(source).into_iter().map(|token| token.text).collect();
    assert_eq!(words.join(" "), "use a :: b ; let x = ; ; ; ; & ' static str");
}

#[test]
fn tokens_know_their_line() {
    let tokens = tokens("a\n// b\n\"c\n\" d");
    assert_eq!(tokens, [Token { line: 1, text: "a".to_owned() }, Token { line: 4, text: "d".to_owned() }]);
}
