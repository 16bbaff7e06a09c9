//! The image file `.dsb`: an [`Image`] as bytes and back.
//!
//! All integers are little-endian. Every byte of a file is compared exactly or covered by one of its two hashes,
//! so a flipped byte or a cut is always noticed. The same image gives the same bytes.
//!
//! ```text
//! offset  size  what
//! 0       8     magic: 89 'D' 'S' 'B' 0D 0A 1A 0A; a transfer that changes line ends or drops the eighth bit breaks it
//! 8       4     format version, now 2; all before and including it stays as it is in later versions
//! 12      4     number of sections
//! 16      8     content length C: where the trailer begins
//! 24      32    content hash: BLAKE3 of the bytes 0..24 and 56..C
//! 56            sections, one after the other up to C
//! C       4     length of the signatures, S
//! C+4     S     signatures
//! C+4+S   32    trailer hash: BLAKE3 of the content hash and the bytes C..C+4+S; the file ends with it
//! ```
//!
//! A section is kind (4), length of its body (4) and body. The kinds 1 to 7 come once each, in this order:
//! 1 manifest, 2 types, 3 constants, 4 natives, 5 statics, 6 functions, 7 scripts; then 8 defaults of components and 9
//! arithmetic of times, where there are any. Other kinds below 256 are refused. Kinds from 256 on follow in ascending order, may repeat, and are skipped by a reader that does not know
//! them: the program means the same without. 256 is native code, whose body begins with its target
//! (`dscript-native` says how it goes on); the content hash by which a program is named is that of the file without.
//!
//! The bodies of 1 to 5 and 7 to 9 and the signatures are the rows of `image` in postcard's encoding. The functions are
//! their number (postcard `u32`) and for each: name, params, results, scalars, refs, heads, lines (postcard),
//! the length of its code in bytes (postcard `u32`) and the code as `codec` writes it.
//!
//! A signature is over the content hash, so that signing changes no byte that is signed, and the content hash names
//! the program. The size of every section and the number of rows in it are checked before anything is allocated for
//! them (`limits`); no encoding nests deeper than the types of `image` do, so nothing recurses on what a file says.
//! What the rows mean is not looked at here; that is `verify`.

use crate::codec::{Reader, Writer};
use crate::image::*;
use crate::instr::Instr;
use crate::limits::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

pub const MAGIC: [u8; 8] = *b"\x89DSB\r\n\x1a\n";
pub const FORMAT_VERSION: u32 = 2;
/// The first kind of section that may be skipped.
pub const OPTIONAL_KINDS_FROM: u32 = 256;

const HASH_AT: usize = 24;
const HEADER: usize = 56;
/// Of the trailer, without the signatures.
const TRAILER: usize = 4 + 32;

/// Written only where there are rows.
const DEFAULTS_KIND: u32 = 8;
const TIMES_KIND: u32 = 9;
/// Sections of native code.
pub const NATIVE_KIND: u32 = 256;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Why a file is not an image that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    NotAnImage,
    Version {
        found: u32,
    },
    TooLarge {
        bytes: usize,
    },
    Cut {
        bytes: usize,
        needed: u64,
    },
    Longer {
        extra: u64,
    },
    ContentDamaged,
    SignaturesDamaged,
    /// The hashes are right and yet a section makes no sense.
    Section {
        section: &'static str,
        what: String,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::NotAnImage => f.write_str("this is not a D-Script image"),
            FileError::Version { found } => {
                write!(f, "the image has format version {found}; this program reads version {FORMAT_VERSION}")
            }
            FileError::TooLarge { bytes } => {
                write!(f, "the image has {bytes} bytes; {FILE_BYTES_MAX} are allowed")
            }
            FileError::Cut { bytes, needed } => {
                write!(f, "the image is cut off or damaged: it has {bytes} bytes and needs at least {needed}")
            }
            FileError::Longer { extra } => {
                write!(f, "the image is damaged: {extra} bytes follow its end")
            }
            FileError::ContentDamaged => {
                f.write_str("the image is damaged: its content does not fit its hash")
            }
            FileError::SignaturesDamaged => {
                f.write_str("the image is damaged: its signatures do not fit their hash")
            }
            FileError::Section { section, what } => write!(f, "the image's {section} section is bad: {what}"),
        }
    }
}

impl std::error::Error for FileError {}

/// Reads an image file from disk, but not one that cannot be an image: those by far too large, or beginning otherwise.
///
/// # Errors
/// Says in one line what is wrong, without the file's name.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    let meta = file.metadata().map_err(|why| why.to_string())?;
    if meta.is_dir() {
        return Err("is a folder, not an image".into());
    }
    let mut bytes = Vec::new();
    let mut take = |limit: u64, bytes: &mut Vec<u8>| {
        file.by_ref().take(limit).read_to_end(bytes).map_err(|why| why.to_string())
    };
    take(MAGIC.len() as u64, &mut bytes)?;
    if bytes != MAGIC {
        return Err(FileError::NotAnImage.to_string());
    }
    if meta.len() > FILE_BYTES_MAX as u64 {
        return Err(FileError::TooLarge { bytes: meta.len() as usize }.to_string());
    }
    take(FILE_BYTES_MAX as u64 + 1, &mut bytes)?;
    Ok(bytes)
}

impl Image {
    /// The file of this image.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_with(&[])
    }

    /// As `to_bytes`, with sections of native code. The program is the same, with the same `content_hash`.
    pub fn to_bytes_with(&self, native: &[Vec<u8>]) -> Vec<u8> {
        let mut out = content(self, native);
        let content_end = out.len();
        let signatures = put(Vec::new(), &self.signatures);
        out.extend((signatures.len() as u32).to_le_bytes());
        out.extend(signatures);
        out.extend([0; 32]);
        seal(&mut out, content_end);
        out
    }

    /// Reads a whole file. The image is well-formed as data; run `verify` before anything else is done with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Image, FileError> {
        let outline = Outline::read(bytes)?;
        let mut sections = Sections { rest: outline.sections, left: outline.section_count };
        let image = Image {
            manifest: one("manifest", sections.required(1, "manifest", MANIFEST_BYTES_MAX)?)?,
            types: rows("types", sections.required(2, "types", TYPES_BYTES_MAX)?, TYPES_MAX)?,
            constants: rows(
                "constants",
                sections.required(3, "constants", CONSTANTS_BYTES_MAX)?,
                CONSTANTS_MAX,
            )?,
            natives: rows("natives", sections.required(4, "natives", NATIVES_BYTES_MAX)?, NATIVES_MAX)?,
            statics: rows("statics", sections.required(5, "statics", STATICS_BYTES_MAX)?, STATICS_MAX)?,
            functions: functions(sections.required(6, "functions", FUNCTIONS_BYTES_MAX)?)?,
            scripts: rows("scripts", sections.required(7, "scripts", SCRIPTS_BYTES_MAX)?, SCRIPTS_MAX)?,
            defaults: sections.rows_if_next(DEFAULTS_KIND, "defaults", DEFAULTS_BYTES_MAX, DEFAULTS_MAX)?,
            times: sections.rows_if_next(TIMES_KIND, "times", TIMES_BYTES_MAX, TIMES_MAX)?,
            signatures: rows("signatures", outline.signatures, SIGNATURES_MAX)?,
        };
        sections.optional()?;
        Ok(image)
    }

    /// The content hash of this image's file, without native code: what signatures sign and what names the
    /// program. For a file at hand, use [`content_hash`].
    pub fn content_hash(&self) -> Hash {
        let out = content(self, &[]);
        hash_content(&out, out.len())
    }
}

/// The content hash of a file; both hashes of the file are checked, its sections are not read.
pub fn content_hash(bytes: &[u8]) -> Result<Hash, FileError> {
    Outline::read(bytes).map(|outline| outline.hash)
}

/// For tests and fuzzing only: makes both hashes right again after bytes in between were changed, so that the
/// checks behind them are reached. It changes nothing else; where the header's content length lies outside
/// the file, it does nothing.
pub fn rehash(bytes: &mut [u8]) {
    let Some(length) = bytes.get(16..HASH_AT) else { return };
    let Ok(content_end) = usize::try_from(u64_of(length)) else { return };
    if content_end >= HEADER && content_end.checked_add(TRAILER).is_some_and(|end| end <= bytes.len()) {
        seal(bytes, content_end);
    }
}

/// The bodies of the sections of native code in an image file.
///
/// # Errors
/// Where the file is damaged or not an image.
pub fn native_sections(bytes: &[u8]) -> Result<Vec<&[u8]>, FileError> {
    let outline = Outline::read(bytes)?;
    let mut sections = Sections { rest: outline.sections, left: outline.section_count };
    let mut native = Vec::new();
    while sections.left > 0 {
        let (kind, body) = sections.next("optional")?;
        if kind == NATIVE_KIND {
            native.push(body);
        }
    }
    Ok(native)
}

/// What an executable with an image in it ends with, after the length of the image.
const EMBEDDED: [u8; 8] = *b"DSB-EXEC";
const TAIL_BYTES: u64 = EMBEDDED.len() as u64 + 8;

const ELF: [u8; 4] = *b"\x7fELF";
/// The bytes of an ELF file's head that have no meaning (`EI_PAD` of the ELF specification, up to `EI_NIDENT`).
const PAD: std::ops::Range<usize> = 9..16;
/// In them: that an image is in the executable, before the length of all of it (4 bytes).
const CARRIES: [u8; 3] = *b"DSB";

/// Makes an executable carry an image: behind it come the image, its length (8 bytes) and a mark. How long all of that is
/// stands in its head, so that an executable that was cut short is known for one.
///
/// # Errors
/// Says what is wrong with the executable.
pub fn append_image(executable: &mut Vec<u8>, image: &[u8]) -> Result<(), String> {
    if !executable.starts_with(&ELF) || executable.len() < PAD.end {
        return Err("it is no ELF executable".into());
    }
    if executable[PAD].starts_with(&CARRIES) {
        return Err("it carries a program already".into());
    }
    executable.extend(image);
    executable.extend((image.len() as u64).to_le_bytes());
    executable.extend(EMBEDDED);
    let length =
        u32::try_from(executable.len()).map_err(|_| "with the program it would have more than 4 GiB")?;
    executable[PAD][..CARRIES.len()].copy_from_slice(&CARRIES);
    executable[PAD][CARRIES.len()..].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// The image that an executable carries; `None` where it carries none, or is no file that can be read.
///
/// # Errors
/// Says in one line what is wrong with one that carries an image.
pub fn embedded_image(executable: &std::path::Path) -> Result<Option<Vec<u8>>, String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut head = [0; PAD.end];
    let opened =
        std::fs::File::open(executable).and_then(|mut file| file.read_exact(&mut head).map(|()| file));
    let (Ok(mut file), Some(length)) = (opened, head[PAD].strip_prefix(&CARRIES)) else { return Ok(None) };
    let mut read = |from: u64, size: u64| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.by_ref().take(size).read_to_end(&mut bytes).map(|_| bytes)
    };
    let unreadable = |why: std::io::Error| format!("it cannot be read: {why}");
    let length = u64::from(u32_of(length));
    let found = std::fs::metadata(executable).map_err(unreadable)?.len();
    if found < length {
        return Err(format!("it is cut off: it has {found} bytes of {length}"));
    }
    let end = length.saturating_sub(TAIL_BYTES);
    let tail = read(end, TAIL_BYTES).map_err(unreadable)?;
    match tail.split_at_checked(8) {
        Some((size, mark)) if mark == EMBEDDED && u64_of(size) <= end.min(FILE_BYTES_MAX as u64) => {
            let size = u64_of(size);
            read(end - size, size).map(Some).map_err(unreadable)
        }
        _ => Err("it is damaged: its program is not where it should be".into()),
    }
}

fn u32_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn hash_content(bytes: &[u8], content_end: usize) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..HASH_AT]).update(&bytes[HEADER..content_end]);
    hasher.finalize().into()
}

/// Of the trailer up to its own hash, which ends the file.
fn hash_trailer(bytes: &[u8], content_end: usize) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[HASH_AT..HEADER]).update(&bytes[content_end..bytes.len() - 32]);
    hasher.finalize().into()
}

/// Writes both hashes of a file that is otherwise complete.
fn seal(bytes: &mut [u8], content_end: usize) {
    let content = hash_content(bytes, content_end);
    bytes[HASH_AT..HEADER].copy_from_slice(&content);
    let trailer = hash_trailer(bytes, content_end);
    let end = bytes.len();
    bytes[end - 32..].copy_from_slice(&trailer);
}

// ---- writing ----

/// Appends `value`. Nothing that an image holds can fail to serialize into memory.
fn put(out: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, out).expect("postcard writes any image row into memory")
}

/// Everything before the trailer, the hash left open.
fn content(image: &Image, native: &[Vec<u8>]) -> Vec<u8> {
    let mut bodies = vec![
        (1, put(Vec::new(), &image.manifest)),
        (2, put(Vec::new(), &image.types)),
        (3, put(Vec::new(), &image.constants)),
        (4, put(Vec::new(), &image.natives)),
        (5, put(Vec::new(), &image.statics)),
        (6, functions_body(&image.functions)),
        (7, put(Vec::new(), &image.scripts)),
    ];
    if !image.defaults.is_empty() {
        bodies.push((DEFAULTS_KIND, put(Vec::new(), &image.defaults)));
    }
    if !image.times.is_empty() {
        bodies.push((TIMES_KIND, put(Vec::new(), &image.times)));
    }
    let mut out = Vec::from(MAGIC);
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend(((bodies.len() + native.len()) as u32).to_le_bytes());
    out.extend([0; HEADER - 16]);
    let native = native.iter().map(|body| (NATIVE_KIND, body));
    for (kind, body) in bodies.iter().map(|(kind, body)| (*kind, body)).chain(native) {
        out.extend(u32::to_le_bytes(kind));
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
    }
    let length = out.len() as u64;
    out[16..HASH_AT].copy_from_slice(&length.to_le_bytes());
    out
}

/// A function without its code, as the file has it.
#[derive(Deserialize)]
struct FunctionForm {
    name: String,
    params: Vec<RegType>,
    results: Vec<RegType>,
    scalars: Vec<ScalarKind>,
    refs: Vec<RefType>,
    heads: Vec<Head>,
    lines: Vec<Line>,
    code_bytes: u32,
}

fn functions_body(functions: &[Function]) -> Vec<u8> {
    let mut out = put(Vec::new(), &(functions.len() as u32));
    for f in functions {
        let mut code = Writer::default();
        f.code.iter().for_each(|instr| instr.encode(&mut code));
        // The fields of `FunctionForm`, in its order.
        let code_bytes = code.bytes.len() as u32;
        out =
            put(out, &(&f.name, &f.params, &f.results, &f.scalars, &f.refs, &f.heads, &f.lines, code_bytes));
        out.extend(code.bytes);
    }
    out
}

// ---- reading ----

/// A file whose frame and hashes are right.
struct Outline<'a> {
    hash: Hash,
    section_count: u32,
    sections: &'a [u8],
    signatures: &'a [u8],
}

impl<'a> Outline<'a> {
    fn read(bytes: &'a [u8]) -> Result<Outline<'a>, FileError> {
        let magic = &MAGIC[..bytes.len().min(MAGIC.len())];
        if bytes.is_empty() || !bytes.starts_with(magic) {
            return Err(FileError::NotAnImage);
        }
        let cut = |needed: u64| FileError::Cut { bytes: bytes.len(), needed };
        if bytes.len() < HEADER + TRAILER {
            return Err(cut((HEADER + TRAILER) as u64));
        }
        let version = u32_of(&bytes[8..12]);
        if version != FORMAT_VERSION {
            return Err(FileError::Version { found: version });
        }
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FileError::TooLarge { bytes: bytes.len() });
        }
        let length = u64_of(&bytes[16..HASH_AT]);
        let room = bytes.len() - TRAILER;
        let content_end = match usize::try_from(length) {
            Ok(end) if end <= room => end,
            _ => return Err(cut(length.saturating_add(TRAILER as u64))),
        };
        if content_end < HEADER {
            return Err(FileError::ContentDamaged);
        }
        let hash = hash_content(bytes, content_end);
        if hash != bytes[HASH_AT..HEADER] {
            return Err(FileError::ContentDamaged);
        }
        let signature_bytes = u64::from(u32_of(&bytes[content_end..content_end + 4]));
        let end = (content_end + TRAILER) as u64 + signature_bytes;
        let found = bytes.len() as u64;
        if end > found {
            return Err(cut(end));
        }
        if end < found {
            return Err(FileError::Longer { extra: found - end });
        }
        if hash_trailer(bytes, content_end) != bytes[bytes.len() - 32..] {
            return Err(FileError::SignaturesDamaged);
        }
        let signatures = &bytes[content_end + 4..bytes.len() - 32];
        check_size("signatures", signatures, SIGNATURES_BYTES_MAX)?;
        Ok(Outline {
            hash,
            section_count: u32_of(&bytes[12..16]),
            sections: &bytes[HEADER..content_end],
            signatures,
        })
    }
}

fn bad<T>(section: &'static str, what: impl Into<String>) -> Result<T, FileError> {
    Err(FileError::Section { section, what: what.into() })
}

fn check_size(section: &'static str, body: &[u8], bytes_max: usize) -> Result<(), FileError> {
    if body.len() > bytes_max {
        return bad(section, format!("it has {} bytes; {bytes_max} are allowed", body.len()));
    }
    Ok(())
}

/// The sections not read yet.
struct Sections<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Sections<'a> {
    fn next(&mut self, section: &'static str) -> Result<(u32, &'a [u8]), FileError> {
        if self.left == 0 {
            return bad(section, "it is missing");
        }
        let Some((head, rest)) = self.rest.split_at_checked(8) else {
            return bad(section, "the content ends before it");
        };
        let length = u32_of(&head[4..]) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return bad(section, "it is longer than the content");
        };
        self.rest = rest;
        self.left -= 1;
        Ok((u32_of(&head[..4]), body))
    }

    fn required(
        &mut self,
        kind: u32,
        section: &'static str,
        bytes_max: usize,
    ) -> Result<&'a [u8], FileError> {
        if self.left as usize > SECTIONS_MAX {
            return bad(section, format!("the image has more than {SECTIONS_MAX} sections"));
        }
        let (found, body) = self.next(section)?;
        if found != kind {
            return bad(section, format!("kind {found} stands in its place"));
        }
        check_size(section, body, bytes_max)?;
        Ok(body)
    }

    /// The body of the next section, where that is of this kind.
    fn if_next(&mut self, kind: u32) -> Result<Option<&'a [u8]>, FileError> {
        match self.rest.get(..4) {
            Some(found) if self.left > 0 && u32_of(found) == kind => {
                self.next("optional").map(|(_, body)| Some(body))
            }
            _ => Ok(None),
        }
    }

    /// The rows of a section that is there only where it has some.
    fn rows_if_next<T: DeserializeOwned>(
        &mut self,
        kind: u32,
        name: &'static str,
        bytes_max: usize,
        rows_max: usize,
    ) -> Result<Vec<T>, FileError> {
        let Some(body) = self.if_next(kind)? else { return Ok(Vec::new()) };
        check_size(name, body, bytes_max)?;
        rows(name, body, rows_max)
    }

    /// Passes over what follows the required sections.
    fn optional(mut self) -> Result<(), FileError> {
        let mut last = OPTIONAL_KINDS_FROM;
        while self.left > 0 {
            let (kind, _) = self.next("optional")?;
            if kind < OPTIONAL_KINDS_FROM {
                return bad(
                    "optional",
                    format!("kind {kind} is not known to this program, which must know it"),
                );
            }
            if kind < last {
                return bad("optional", format!("kind {kind} follows kind {last}"));
            }
            last = kind;
        }
        if !self.rest.is_empty() {
            return bad("optional", format!("{} bytes follow the last section", self.rest.len()));
        }
        Ok(())
    }
}

fn take<'a, T: DeserializeOwned>(section: &'static str, bytes: &'a [u8]) -> Result<(T, &'a [u8]), FileError> {
    match postcard::take_from_bytes(bytes) {
        Ok(taken) => Ok(taken),
        Err(postcard::Error::DeserializeUnexpectedEnd) => bad(section, "it ends within a row"),
        Err(postcard::Error::DeserializeBadUtf8) => bad(section, "a text is not UTF-8"),
        Err(error) => bad(section, format!("a row cannot be read ({error})")),
    }
}

/// A section that is one value.
fn one<T: DeserializeOwned>(section: &'static str, body: &[u8]) -> Result<T, FileError> {
    match take(section, body)? {
        (value, []) => Ok(value),
        (_, rest) => bad(section, format!("{} bytes follow its last row", rest.len())),
    }
}

/// A section that is a table.
fn rows<T: DeserializeOwned>(
    section: &'static str,
    body: &[u8],
    rows_max: usize,
) -> Result<Vec<T>, FileError> {
    let (count, _) = take::<u32>(section, body)?;
    if count as usize > rows_max {
        return bad(section, format!("it has {count} rows; {rows_max} are allowed"));
    }
    one(section, body)
}

fn functions(body: &[u8]) -> Result<Vec<Function>, FileError> {
    const SECTION: &str = "functions";
    let (count, mut rest) = take::<u32>(SECTION, body)?;
    if count as usize > FUNCTIONS_MAX || count as usize > rest.len() {
        return bad(SECTION, format!("it says {count} rows; {FUNCTIONS_MAX} and its bytes are the limit"));
    }
    let mut all = Vec::new();
    let mut instructions_left = INSTRUCTIONS_MAX;
    for _ in 0..count {
        let (form, after) = take::<FunctionForm>(SECTION, rest)?;
        let Some((code, after)) = after.split_at_checked(form.code_bytes as usize) else {
            return bad(
                SECTION,
                format!("the code of `{}` is longer than the section", form.name.escape_debug()),
            );
        };
        rest = after;
        let code = instructions(code, &mut instructions_left)
            .or_else(|what| bad(SECTION, format!("in the code of `{}`: {what}", form.name.escape_debug())))?;
        let FunctionForm { name, params, results, scalars, refs, heads, lines, .. } = form;
        all.push(Function { name, params, results, scalars, refs, code, heads, lines });
    }
    if !rest.is_empty() {
        return bad(SECTION, format!("{} bytes follow its last row", rest.len()));
    }
    Ok(all)
}

fn instructions(code: &[u8], left: &mut usize) -> Result<Vec<Instr>, String> {
    let mut all = Vec::with_capacity(code.len() / 4);
    let mut reader = Reader::new(code);
    while !reader.is_at_end() {
        if *left == 0 {
            return Err(format!("the image has more than {INSTRUCTIONS_MAX} instructions"));
        }
        *left -= 1;
        all.push(Instr::decode(&mut reader).map_err(|e| format!("{} at byte {}", e.what, e.at))?);
    }
    Ok(all)
}
