//! The native code of a program as it runs: pieces that are added and never taken away, and the tables by which
//! native code reaches what is not in its own piece.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use dscript_bytecode::ids::FunctionId;

use crate::compile::Piece;
use crate::memory::CodeMemory;
use crate::translate::Start;
use crate::unit::{Facts, Place, Site};

/// Pieces of one program; ids of places and sites have the piece in their upper bits.
const PIECES_MAX: usize = 256;
const PIECE_SHIFT: u32 = 24;

pub(crate) struct Code {
    pub facts: Facts,
    /// By function: the address of its code, or 0.
    entries: Box<[AtomicUsize]>,
    pieces: Box<[OnceLock<Loaded>]>,
    count: AtomicUsize,
    /// What the largest frames of all pieces need beyond the usual.
    extra_frame_bytes: AtomicUsize,
}

struct Loaded {
    memory: CodeMemory,
    places: Vec<Place>,
    sites: Vec<Lent>,
    returns: Vec<(u32, u32)>,
    entries: Vec<Entry>,
}

/// A site with what its place says.
pub(crate) struct Lent {
    pub site: Site,
    pub place: Place,
}

/// What the interpreter enters native code by; its address is the entry it is given.
pub(crate) struct Entry {
    pub function: FunctionId,
    pub start: Start,
    pub code: usize,
    pub trampoline: usize,
}

impl Code {
    pub fn new(facts: Facts) -> Code {
        let entries = facts.eligible.iter().map(|_| AtomicUsize::new(0)).collect();
        let pieces = (0..PIECES_MAX).map(|_| OnceLock::new()).collect();
        Code { facts, entries, pieces, count: AtomicUsize::new(0), extra_frame_bytes: AtomicUsize::new(0) }
    }

    /// What ids of places and sites of the next piece begin with; `None` where there is no room for another.
    pub fn next_base(&self) -> Option<u32> {
        let count = self.count.load(Ordering::Acquire);
        (count < PIECES_MAX).then_some((count as u32) << PIECE_SHIFT)
    }

    /// Puts a piece that was compiled for `next_base` where it can run. Only one thread adds pieces.
    pub fn add(&self, piece: Piece) -> Result<&[Entry], String> {
        let index = self.count.load(Ordering::Acquire);
        if piece.places.len() >= 1 << PIECE_SHIFT || piece.sites.len() >= 1 << PIECE_SHIFT {
            return Err("a piece of native code is too large".into());
        }
        let memory =
            CodeMemory::new(&piece.code).map_err(|why| format!("no memory for native code: {why}"))?;
        let entries = piece
            .entries
            .iter()
            .map(|entry| Entry {
                function: entry.function,
                start: entry.start,
                code: memory.address(entry.code),
                trampoline: memory.address(entry.trampoline),
            })
            .collect();
        let Piece { places, sites, returns, .. } = piece;
        let place = |site: &Site| places[(site.place & ((1 << PIECE_SHIFT) - 1)) as usize];
        let sites = sites.into_iter().map(|site| Lent { place: place(&site), site }).collect();
        self.extra_frame_bytes.fetch_add(piece.extra_frame_bytes, Ordering::Release);
        let loaded = self.pieces[index].get_or_init(|| Loaded { memory, places, sites, returns, entries });
        self.count.store(index + 1, Ordering::Release);
        for entry in loaded.entries.iter().filter(|entry| entry.start == Start::Call) {
            self.entries[entry.function.index()].store(entry.code, Ordering::Release);
        }
        Ok(&loaded.entries)
    }

    pub fn entries(&self) -> *const usize {
        // Native code reads what `add` stores; both are whole words.
        self.entries.as_ptr().cast()
    }

    pub fn dispatch(&self) -> *const u32 {
        self.facts.dispatch.as_ptr()
    }

    pub fn has_code(&self, function: FunctionId) -> bool {
        self.entries[function.index()].load(Ordering::Acquire) != 0
    }

    pub fn extra_frame_bytes(&self) -> usize {
        self.extra_frame_bytes.load(Ordering::Acquire)
    }

    fn row<T>(&self, id: u32, rows: impl FnOnce(&Loaded) -> &[T]) -> &T {
        let piece =
            self.pieces[(id >> PIECE_SHIFT) as usize].get().expect("an id is of a piece that is there");
        &rows(piece)[(id & ((1 << PIECE_SHIFT) - 1)) as usize]
    }

    pub fn place(&self, place: u32) -> (FunctionId, u32) {
        let place = self.row(place, |piece| &piece.places);
        (place.function, place.pc)
    }

    /// The place of the call that a place was inlined for.
    pub fn caller(&self, place: u32) -> Option<u32> {
        self.row(place, |piece| &piece.places).caller
    }

    pub fn slots_at(&self, place: u32) -> usize {
        self.row(place, |piece| &piece.places).slots as usize
    }

    pub fn site(&self, site: u32) -> &Lent {
        self.row(site, |piece| &piece.sites)
    }

    /// The place of the call that returns to an address.
    pub fn find_place(&self, address: usize) -> Option<u32> {
        let count = self.count.load(Ordering::Acquire);
        self.pieces[..count].iter().filter_map(OnceLock::get).find_map(|piece| {
            let offset = piece.memory.offset_of(address)?;
            let at = piece.returns.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
            Some(piece.returns[at].1)
        })
    }
}
