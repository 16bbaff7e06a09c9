//! Where a text is cut. Pieces are named by the bytes where they begin and end; texts have fewer than `1 << 32`.
//!
//! Most pieces are short, so the bytes are looked at eight at a time, in a word whose bytes are marked by their highest
//! bit.

type Pieces = Vec<(u32, u32)>;

const LOWS: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The pieces up to each of `ends` and to the end of the text, with separators of `size` bytes between them.
pub(super) fn at(len: usize, ends: impl Iterator<Item = usize>, size: usize, pieces: &mut Pieces) {
    let mut start = 0;
    for end in ends {
        pieces.push((start as u32, end as u32));
        start = end + size;
    }
    pieces.push((start as u32, len as u32));
}

/// At most `limit` pieces between bytes that are `byte`.
pub(super) fn at_byte(text: &[u8], byte: u8, limit: usize, pieces: &mut Pieces) {
    let mut start = 0;
    let wanted = LOWS * u64::from(byte);
    each_marked(
        text,
        |word| zeroes(word ^ wanted),
        !byte,
        |at| {
            if pieces.len() + 1 < limit {
                pieces.push((start as u32, at as u32));
                start = at + 1;
            }
        },
    );
    pieces.push((start as u32, text.len() as u32));
}

/// The words of a text that is ASCII, between white space as `char::is_whitespace` has it; at most so many.
pub(super) fn ascii_words(text: &str, most: usize, pieces: &mut Pieces) {
    // Where a word begins or ends: what differs from the byte before.
    let (mut before, mut start) = (0x80, None);
    let edges = |word: u64| {
        let spaces = spaces(word);
        let edges = spaces ^ (spaces << 8 | before);
        before = spaces >> 56;
        edges
    };
    each_marked(text.as_bytes(), edges, b' ', |at| match start.take() {
        Some(start) if pieces.len() < most => pieces.push((start, at as u32)),
        Some(_) => {}
        None => start = Some(at as u32),
    });
    if let Some(start) = start.filter(|_| pieces.len() < most) {
        pieces.push((start, text.len() as u32));
    }
}

/// Calls `see` with the place of each byte that `mark` marks. The last word is filled up with `filler`.
fn each_marked(text: &[u8], mut mark: impl FnMut(u64) -> u64, filler: u8, mut see: impl FnMut(usize)) {
    let (words, rest) = text.as_chunks::<8>();
    let mut see_all = |at: usize, mut marks: u64| {
        while marks != 0 {
            see(at + marks.trailing_zeros() as usize / 8);
            marks &= marks - 1;
        }
    };
    for (index, word) in words.iter().enumerate() {
        see_all(8 * index, mark(u64::from_le_bytes(*word)));
    }
    if !rest.is_empty() {
        let mut last = [filler; 8];
        last[..rest.len()].copy_from_slice(rest);
        let marks = mark(u64::from_le_bytes(last));
        see_all(8 * words.len(), marks & ((1 << (8 * rest.len())) - 1));
    }
}

/// Marks the bytes that are 0.
fn zeroes(word: u64) -> u64 {
    !(((word & !HIGHS) + !HIGHS) | word | !HIGHS)
}

/// Marks white space; all bytes are ASCII.
fn spaces(word: u64) -> u64 {
    let from = |byte: u8| word + LOWS * u64::from(0x80 - byte);
    ((from(b'\t') & !from(b'\r' + 1)) | zeroes(word ^ (LOWS * u64::from(b' ')))) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'t>(text: &'t str, pieces: &Pieces) -> Vec<&'t str> {
        pieces.iter().map(|(start, end)| &text[*start as usize..*end as usize]).collect()
    }

    #[test]
    fn cuts_as_the_library_of_rust_does() {
        let alphabet =
            ["a", "b", " ", "  ", "\t", "\r\n", "\u{1f}", "\u{8}", "\u{e}", "xyz", "!", "\u{7f}", ","];
        let mut seed = 42usize;
        for length in 0..400 {
            let mut text = String::new();
            for _ in 0..length % 40 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                text += alphabet[(seed >> 33) % alphabet.len()];
            }
            let mut pieces = Pieces::new();
            ascii_words(&text, usize::MAX, &mut pieces);
            assert_eq!(texts(&text, &pieces), text.split_whitespace().collect::<Vec<_>>(), "{text:?}");
            pieces.clear();
            ascii_words(&text, 2, &mut pieces);
            assert_eq!(
                texts(&text, &pieces),
                text.split_whitespace().take(2).collect::<Vec<_>>(),
                "{text:?}"
            );
            for (byte, limit) in [(b' ', usize::MAX), (b',', usize::MAX), (b'a', 3), (b'!', 1)] {
                pieces.clear();
                at_byte(text.as_bytes(), byte, limit, &mut pieces);
                let expected: Vec<_> = text.splitn(limit, byte as char).collect();
                assert_eq!(texts(&text, &pieces), expected, "{text:?}");
            }
        }
        let text = "\u{fc}ber, \u{e9}t\u{e9}, \u{a0},";
        let mut pieces = Pieces::new();
        at_byte(text.as_bytes(), b',', usize::MAX, &mut pieces);
        assert_eq!(texts(text, &pieces), text.split(',').collect::<Vec<_>>());
    }
}
