//! The image file: what is written is read, and nothing else is.

mod common;

use common::*;
use dscript_bytecode::codec::{Reader, Writer};
use dscript_bytecode::file::{self, FileError, content_hash, rehash};
use dscript_bytecode::image::*;
use dscript_bytecode::instr::{Instr, MANUAL};
use std::collections::BTreeSet;

#[test]
fn every_instruction_is_read_back() {
    let mut seen = BTreeSet::new();
    for instr in sample().functions.iter().flat_map(|f| f.code.clone()) {
        let mut out = Writer::default();
        instr.encode(&mut out);
        let mut reader = Reader::new(&out.bytes);
        assert_eq!(Instr::decode(&mut reader).as_ref(), Ok(&instr));
        assert!(reader.is_at_end(), "{instr:?}");
        seen.insert(out.bytes[0]);
    }
    let all: BTreeSet<u8> = MANUAL.iter().map(|(code, ..)| *code).collect();
    assert_eq!(seen, all, "the sample must have every instruction");
}

#[test]
fn image_is_read_back() {
    let image = sample();
    let bytes = image.to_bytes();
    assert_eq!(Image::from_bytes(&bytes).unwrap(), image);
    assert_eq!(bytes, image.to_bytes());
    assert_eq!(content_hash(&bytes), Ok(image.content_hash()));
    let empty = Image::default();
    assert_eq!(Image::from_bytes(&empty.to_bytes()).unwrap(), empty);
}

#[test]
fn signing_keeps_the_content_hash() {
    let mut image = sample();
    let hash = image.content_hash();
    image.signatures.clear();
    assert_eq!(image.content_hash(), hash);
    assert_eq!(content_hash(&image.to_bytes()), Ok(hash));
    image.manifest.name.push('x');
    assert_ne!(image.content_hash(), hash);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let bytes = sample().to_bytes();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x55] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            let error = Image::from_bytes(&bad).expect_err("a flipped byte");
            assert!(!error.to_string().is_empty());
            assert!(content_hash(&bad).is_err());
            assert!(!matches!(error, FileError::Section { .. }), "byte {at} is under no hash: {error}");
        }
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_noticed() {
    let mut bytes = sample().to_bytes();
    for length in 0..bytes.len() {
        let error = Image::from_bytes(&bytes[..length]).expect_err("a cut file");
        match length {
            0 => assert_eq!(error, FileError::NotAnImage),
            _ => assert!(matches!(error, FileError::Cut { .. }), "{length}: {error}"),
        }
    }
    bytes.push(0);
    assert_eq!(Image::from_bytes(&bytes), Err(FileError::Longer { extra: 1 }));
}

#[test]
fn messages() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(Image::from_bytes(bytes).expect_err("bad").to_string(), expected);
    };
    let bytes = sample().to_bytes();
    check(b"\x7fELF\x02\x01\x01", "this is not a D-Script image");
    check(
        &bytes[..100],
        &format!("the image is cut off or damaged: it has 100 bytes and needs at least {}", cut_at(&bytes)),
    );
    let with = |at: usize, byte: u8| {
        let mut bad = bytes.clone();
        bad[at] = byte;
        bad
    };
    check(&with(8, 9), "the image has format version 9; this program reads version 2");
    check(&with(60, 9), "the image is damaged: its content does not fit its hash");
    check(
        &with(bytes.len() - 1, !bytes[bytes.len() - 1]),
        "the image is damaged: its signatures do not fit their hash",
    );
    let rehashed = |at: usize, byte: u8| {
        let mut bad = with(at, byte);
        rehash(&mut bad);
        bad
    };
    check(&rehashed(56, 2), "the image's manifest section is bad: kind 2 stands in its place");
    check(&rehashed(63, 1), "the image's manifest section is bad: it is longer than the content");
    check(&rehashed(12, 6), "the image's scripts section is bad: it is missing");
    check(&rehashed(12, 10), "the image's optional section is bad: the content ends before it");
    let mut long_name = with(64, 0xff);
    long_name[65] = 0x7f;
    rehash(&mut long_name);
    check(&long_name, "the image's manifest section is bad: it ends within a row");
    let many = Image { types: vec![Type::Int; 65_537], ..Image::default() };
    check(&many.to_bytes(), "the image's types section is bad: it has 65537 rows; 65536 are allowed");
}

/// What a file needs at least, by its header.
fn cut_at(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[16..24].try_into().unwrap()) + 36
}

#[test]
fn rehash_mends_only_the_hashes() {
    let bytes = sample().to_bytes();
    let mut same = bytes.clone();
    rehash(&mut same);
    assert_eq!(same, bytes);
    for mut odd in [vec![], vec![0; 30], bytes[..60].to_vec(), vec![0xff; 200]] {
        let before = odd.clone();
        rehash(&mut odd);
        assert_eq!(odd, before);
    }
}

/// A file with one section more.
fn with_section(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = sample().to_bytes();
    let end = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let mut section = kind.to_le_bytes().to_vec();
    section.extend((body.len() as u32).to_le_bytes());
    section.extend(body);
    bytes[16..24].copy_from_slice(&((end + section.len()) as u64).to_le_bytes());
    bytes[12] += 1;
    bytes.splice(end..end, section);
    rehash(&mut bytes);
    bytes
}

#[test]
fn optional_sections_are_skipped_and_hashed() {
    let bytes = with_section(file::OPTIONAL_KINDS_FROM, b"x86_64 code");
    assert_eq!(Image::from_bytes(&bytes).unwrap(), sample());
    assert_ne!(content_hash(&bytes), Ok(sample().content_hash()));
    let error = Image::from_bytes(&with_section(9, b"")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the image's optional section is bad: kind 9 is not known to this program, which must know it"
    );
}
