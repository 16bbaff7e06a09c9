//! Machine code in an image: made ahead of time, kept in a section of the image's file, and used only by who trusts
//! the file.
//!
//! A section is a row of postcard: the target (an architecture, as the least processor of it has it), a hash of all
//! that the code takes for granted of the engine, the hash of the program it was made of, the features of the
//! processor it needs, and then the piece: code, entries, places, sites, return addresses. Code is not verified, so
//! whether a file is trusted is decided before, by the caller.

use std::sync::Arc;

use dscript_bytecode::codec::{Reader, Writer};
use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::image::Image;
use dscript_bytecode::instr::Instr;
use dscript_interp::Program;
use dscript_interp::door::{BOOLS_IN_BYTES, NATIVE_FRAME_BYTES, NATIVE_REGISTERS, STATIC_LAYOUT};
use serde::{Deserialize, Serialize};

use crate::compile::{Piece, PieceEntry, Target, compile_some};
use crate::context;
use crate::engine::Native;
use crate::layout;
use crate::translate::Start;
use crate::unit::{Facts, Place, Site};

/// Architectures that code can be made for.
pub const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

#[derive(Serialize, Deserialize)]
struct Section {
    target: String,
    abi: [u8; 32],
    program: [u8; 32],
    features: Vec<String>,
    code: Vec<u8>,
    /// Function, offset of its code and of its trampoline.
    entries: Vec<(u32, u32, u32)>,
    /// Function, instruction, slots of the window, the call it was inlined for.
    places: Vec<(u32, u32, u32, Option<u32>)>,
    /// Place, instruction and its scalars.
    sites: Vec<(u32, Vec<u8>, u32)>,
    returns: Vec<(u32, u32)>,
    extra_frame_bytes: u32,
}

/// A hash of what code takes for granted.
fn abi() -> [u8; 32] {
    let facts = format!(
        "{} {} {:?} {:?} {STATIC_LAYOUT:?} {BOOLS_IN_BYTES} {NATIVE_FRAME_BYTES} {NATIVE_REGISTERS}",
        env!("CARGO_PKG_VERSION"),
        env!("ENGINE_STATE"),
        context::at::ALL,
        layout::ALL,
    );
    blake3::hash(facts.as_bytes()).into()
}

/// Compiles every function of the image that may be native, but what runs through once, for the least processor of an
/// architecture, the same bytes wherever it is done: the body of a section.
///
/// # Errors
/// Where there is no code generator for the architecture.
pub fn compile_ahead(image: &Image, architecture: &str) -> Result<Vec<u8>, String> {
    if !ARCHITECTURES.contains(&architecture) {
        return Err(format!(
            "there is no native code for {architecture}, but for {}",
            ARCHITECTURES.join(" and ")
        ));
    }
    let target = Target::new(architecture, false)?;
    let program = Program::unlinked(image.clone()).map_err(|why| why.to_string())?;
    let facts = Facts::of(&program);
    let piece = compile_some(&program, &facts, &target, facts.wanted(image), 0)?;
    let instr = |site: &Site| {
        let mut out = Writer::default();
        site.instr.encode(&mut out);
        (site.place, out.bytes, site.scalars as u32)
    };
    let section = Section {
        target: architecture.to_owned(),
        abi: abi(),
        program: image.content_hash(),
        features: Vec::new(),
        entries: piece.entries.iter().map(|e| (e.function.0, e.code, e.trampoline)).collect(),
        places: piece.places.iter().map(|p| (p.function.0, p.pc, p.slots, p.caller)).collect(),
        sites: piece.sites.iter().map(instr).collect(),
        returns: piece.returns,
        extra_frame_bytes: piece.extra_frame_bytes as u32,
        code: piece.code,
    };
    postcard::to_stdvec(&section).map_err(|why| why.to_string())
}

/// Lets a program run the code of the first section that fits this machine and the program; the file that they are
/// of is trusted.
///
/// # Errors
/// Says why none of them fits; then the program runs as it would without.
pub fn attach_ahead(program: &Arc<Program>, sections: &[&[u8]]) -> Result<(), String> {
    let mut misfits = Vec::new();
    for body in sections {
        match read(program, body) {
            Ok(piece) => {
                let native = Native::new(program, None);
                native.add(program, piece)?;
                program.attach(native);
                return Ok(());
            }
            Err(why) => misfits.push(why),
        }
    }
    if misfits.is_empty() {
        misfits.push("the image has none; see `dsc compile --native`".into());
    }
    Err(misfits.join("; "))
}

fn read(program: &Program, body: &[u8]) -> Result<Piece, String> {
    let (target, _) = postcard::take_from_bytes::<String>(body).map_err(|_| "it cannot be read")?;
    if target != std::env::consts::ARCH {
        return Err(format!("it is for {target}, and this is {}", std::env::consts::ARCH));
    }
    let broken = || "it cannot be read, or another version of dsc made it".to_owned();
    let section: Section = postcard::from_bytes(body).map_err(|_| broken())?;
    if section.abi != abi() {
        return Err("another version of dsc made it".into());
    }
    if section.program != program.content_hash() {
        return Err("it is another program's".into());
    }
    let missing: Vec<&String> =
        section.features.iter().filter(|f| !crate::compile::host_features().contains(&f.as_str())).collect();
    if let Some(feature) = missing.first() {
        return Err(format!("this processor lacks {feature}, which it needs"));
    }
    let code_len = section.code.len();
    let functions = program.image().functions.len();
    let function = |id: u32| ((id as usize) < functions).then_some(FunctionId(id)).ok_or_else(broken);
    let offset = |at: u32| ((at as usize) < code_len).then_some(at).ok_or_else(broken);
    let entries = section.entries.iter().map(|&(id, code, trampoline)| {
        Ok(PieceEntry {
            function: function(id)?,
            start: Start::Call,
            code: offset(code)?,
            trampoline: offset(trampoline)?,
        })
    });
    let places = section
        .places
        .iter()
        .map(|&(id, pc, slots, caller)| Ok(Place { function: function(id)?, pc, slots, caller }));
    let places_len = section.places.len();
    let sites = section.sites.iter().map(|(place, bytes, scalars)| {
        let place = ((*place as usize) < places_len).then_some(*place).ok_or_else(broken)?;
        let instr = Instr::decode(&mut Reader::new(bytes)).map_err(|_| broken())?;
        Ok(Site { place, instr, scalars: *scalars as usize })
    });
    Ok(Piece {
        entries: entries.collect::<Result<_, String>>()?,
        places: places.collect::<Result<_, String>>()?,
        sites: sites.collect::<Result<_, String>>()?,
        code: section.code,
        returns: section.returns,
        extra_frame_bytes: section.extra_frame_bytes as usize,
    })
}
