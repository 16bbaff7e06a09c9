//! Numbers and durations as a program writes them, read from text, and durations as text.

pub use dscript_units::duration_text;

/// As Java's `Double.parseDouble`, with surrounding space, without its `f` and `d` suffixes and hexadecimals.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let is_name = matches!(unsigned, "NaN" | "Infinity");
    if is_number || is_name { text.parse().ok() } else { None }
}

/// What `duration_text` writes, and any other sum of literals, with surrounding space.
pub fn parse_duration(text: &str) -> Option<i64> {
    dscript_units::parse_duration(text.trim())
}
