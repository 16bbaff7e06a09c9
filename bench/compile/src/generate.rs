//! A large module of D-Script, and the same program line by line in Java.
//!
//! The parts are templates that stand in pairs of files. In them `@N` is the number of the part, `@K`, `@K1` and
//! `@K2` are numbers and `@W` a word, drawn anew for each part; the same draw goes into both languages.

const PARTS: [(&str, &str); 3] = [
    (include_str!("templates/watch.ds"), include_str!("templates/watch.java")),
    (include_str!("templates/tally.ds"), include_str!("templates/tally.java")),
    (include_str!("templates/repair.ds"), include_str!("templates/repair.java")),
];

const WORDS: [&str; 12] = [
    "cache", "queue", "index", "mail", "proxy", "backup", "search", "session", "metrics", "archive",
    "ledger", "gateway",
];

const HEAD_DS: &str = "\
// A generated program: see bench/compile.
//
//
//
";

const HEAD_JAVA: &str = "\
// A generated program: see bench/compile.
import java.util.*;
import java.util.function.LongToDoubleFunction;
class Failure extends Exception { Failure(String message) { super(message); } }
";

/// The same program twice; both have the same number of lines.
pub struct Pair {
    pub dscript: String,
    pub java: String,
    pub lines: usize,
}

/// A program of about as many lines: whole parts, so never fewer.
pub fn generate(lines: usize) -> Pair {
    let mut pair = Pair { dscript: HEAD_DS.into(), java: HEAD_JAVA.into(), lines: HEAD_DS.lines().count() };
    let mut number = 0;
    while pair.lines < lines {
        number += 1;
        let (ours, java) = PARTS[number % PARTS.len()];
        let draw = |n: usize| (number * 7 + n * 13) % 97 + n * 100 + 2;
        let fill = |text: &str| {
            text.replace("@N", &number.to_string())
                .replace("@K1", &draw(1).to_string())
                .replace("@K2", &draw(2).to_string())
                .replace("@K", &draw(0).to_string())
                .replace("@W", WORDS[(number * 5) % WORDS.len()])
        };
        let ours = fill(ours);
        pair.lines += ours.lines().count();
        pair.dscript.push_str(&ours);
        pair.java.push_str(&fill(java));
    }
    pair
}

/// A script of about as many lines, such as people write by hand: a few functions and what is done with them.
pub fn script(lines: usize) -> String {
    let mut text = String::from("// A generated script: see bench/compile.\n");
    let mut number = 0;
    while text.lines().count() < lines {
        number += 1;
        let one = "\
int! used@N(String text) {
    List<String> parts = text.trim().split(\" \");
    int? bytes = Int.parse(parts.first() ?? \"\");
    if (bytes == null) fail \"no number in '${text}'\";
    return bytes * @N;
}

for (String line : [\"@N 1\", \"none\"]) {
    print(\"${line}: ${used@N(line) ?? -1} bytes\");
}

";
        text.push_str(&one.replace("@N", &number.to_string()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_lines() {
        for (ours, java) in PARTS {
            assert_eq!(ours.lines().count(), java.lines().count());
        }
        let pair = generate(1_000);
        assert_eq!(pair.dscript.lines().count(), pair.lines);
        assert_eq!(pair.java.lines().count(), pair.lines);
        assert!(!pair.dscript.contains('@') && !pair.java.contains('@'));
    }
}
