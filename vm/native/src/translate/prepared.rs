//! What is found out about a function before it is translated, be it on its own or in the place of a call.

use cranelift_codegen::ir::Block;
use cranelift_frontend::{FunctionBuilder, Variable};
use dscript_bytecode::ids::*;
use dscript_bytecode::image::{Function, RegType, ScalarKind};
use dscript_bytecode::instr::Instr;

use super::copies::{Copy, Known, copies};
use super::loops::{Chunk, Entry, View, chunks, entries, views};
use super::scalar_type;
use crate::analysis::Analysis;
use crate::loops::{Ends, Facts, Stable, apart, keeps_size, quiet_loops};
use crate::ranges::{Range, Ranges};
use crate::regions::Regions;
use crate::replaced::Replaced;
use crate::unit::{Intrinsic, Unit};

pub(super) struct Prepared {
    pub replaced: Replaced,
    pub fields: Vec<Vec<Variable>>,
    pub regions: Regions,
    pub analysis: Analysis,
    pub ranges: Ranges,
    pub views: Vec<View>,
    pub chunks: Vec<Chunk>,
    pub entries: Vec<Entry>,
    pub blocks: Vec<Option<Block>>,
    pub copies: Vec<Copy>,
}

impl Prepared {
    /// `given` is what is known of the scalar parameters; `entered` as in `Analysis::of`.
    pub fn of(
        b: &mut FunctionBuilder,
        unit: &Unit<'_>,
        function: &Function,
        given: &[Range],
        replaced: Replaced,
        entered: bool,
    ) -> Prepared {
        let collects = |instr: &Instr| {
            replaced.collects(function, instr).unwrap_or_else(|| unit.collects(function, instr))
        };
        let regions = Regions::of(&function.code).expect("a native function has regions that are nested");
        let analysis = Analysis::of(function, &regions, &collects, &replaced, entered);
        let text_of = |instr: &Instr, asked: Intrinsic| match instr {
            Instr::CallNative { native, args, .. } if unit.intrinsic(*native) == Some(asked) => {
                args.iter().find_map(|arg| if let Reg::R(text) = arg { Some(*text) } else { None })
            }
            _ => None,
        };
        let stores = |instr: &Instr| unit.stores(function, instr);
        let char_at = |instr: &Instr| text_of(instr, Intrinsic::CharAt);
        let params = function.params.iter().filter(|param| matches!(param, RegType::Ref(_))).count();
        let kind = |list: R| unit.scalar_elements(function.refs[list.index()].ty);
        let apart = apart(&function.code, params, &kind);
        let facts = Facts { collects: &collects, stores: &stores, char_at: &char_at, apart: &apart };
        let loops = quiet_loops(&function.code, &analysis, &facts);
        let ranges = Ranges::of(function, &analysis.leaders, &regions, given, None);
        let views = views(b, loops);
        let length = |instr: &Instr| {
            text_of(instr, Intrinsic::Length).or_else(|| text_of(instr, Intrinsic::BytesLength))
        };
        let keeps_size = |within: Ends, instr: &Instr, list: R| {
            keeps_size(instr, list, &collects, &|a, b| apart(within, a, b))
        };
        let stable = Stable { length: &length, keeps_size: &keeps_size };
        let chunks = chunks(b, function, &ranges, &stable);
        let mut blocks = blocks(b, &analysis);
        let entries = entries(b, function, &analysis, &chunks);
        let known = Known {
            function,
            regions: &regions,
            analysis: &analysis,
            ranges: &ranges,
            views: &views,
            entries: &entries,
        };
        let copies = copies(b, unit, known, &chunks, &mut blocks);
        let mut variables =
            |kinds: &[ScalarKind]| kinds.iter().map(|kind| b.declare_var(scalar_type(*kind))).collect();
        let fields = replaced.webs.iter().map(|(_, kinds)| variables(kinds)).collect();
        Prepared { replaced, fields, regions, analysis, ranges, views, chunks, entries, blocks, copies }
    }
}

/// Blocks for those of a function that have more than one way to them, by their first instruction.
fn blocks(b: &mut FunctionBuilder, analysis: &Analysis) -> Vec<Option<Block>> {
    let tests = analysis.tests.iter().enumerate();
    let own = tests.map(|(pc, test)| analysis.leaders[pc] && !analysis.joined[pc] && test.is_none());
    own.map(|own| own.then(|| b.create_block())).collect()
}
