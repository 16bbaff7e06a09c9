//! The first and the last of a fiber: its entry frame, and what its end means.

use std::sync::Arc;

use crate::code::Origin;
use crate::door::{Look, Met, Sampled};
use crate::fiber::{Exit, Running};
use crate::native::Trapped;
use crate::program::Program;
use crate::report::{FiberEnd, Frame, TrapReport};
use crate::value::Value;
use crate::vm::{Cell, StaticState, Vm, trapped};
use dscript_bytecode::capability::Capability;
use dscript_bytecode::ids::{FunctionId, TypeId};
use dscript_bytecode::trap::TrapKind;

/// Frames of a trap report from the inner and from the outer end.
const REPORT_INNER: usize = 32;
const REPORT_OUTER: usize = 8;

/// The calls of a trap's report: function and instruction, innermost first.
#[derive(Default)]
pub(crate) struct Trace {
    inner: Vec<(FunctionId, u32)>,
    outer: Vec<(FunctionId, u32)>,
    /// Left out between the two.
    omitted: usize,
}

/// What a fiber runs.
pub(crate) enum Start {
    /// A task of the manifest; a parameter that is not given takes its default.
    Task { index: usize, undo: bool, params: Vec<Option<Value>> },
    /// The function value that its stack holds as only temporary.
    Closure,
}

impl Running<'_> {
    pub(crate) fn run_start(&mut self, start: Start) -> FiberEnd {
        let program = Arc::clone(&self.vm().program);
        let result = match start {
            Start::Task { index, undo, params } => self.run_task(&program, index, undo, params),
            Start::Closure => self.run_closure(&program).map(|()| Ok(true)),
        };
        let end = match result {
            Ok(Ok(value)) => FiberEnd::Returned(value),
            Ok(Err(error)) => FiberEnd::Failed(self.vm().failed(error)),
            Err(Exit::Trap(trap)) => FiberEnd::Trapped(self.vm().report(trap)),
            Err(Exit::Cancelled | Exit::Limit(_)) => FiberEnd::Cancelled,
        };
        let vm = self.vm();
        while !vm.stack.frames.is_empty() {
            vm.abandon_frame();
        }
        let fiber = vm.fiber;
        // An entry frame of a static's initializer has no caller to say so.
        for slot in vm.statics.iter_mut().filter(|s| s.state == StaticState::Running(fiber)) {
            slot.state = StaticState::Unset;
        }
        end
    }

    /// True, false, or the reference of an error.
    fn run_task(
        &mut self,
        program: &Program,
        index: usize,
        undo: bool,
        mut given: Vec<Option<Value>>,
    ) -> Result<Result<bool, u32>, Exit> {
        let missing =
            |what: &str| Exit::Trap(trapped(TrapKind::Internal, format!("the program has no such {what}")));
        let task = program.manifest().tasks.get(index).ok_or_else(|| missing("task"))?;
        let function = if undo { task.undo.ok_or_else(|| missing("undo"))? } else { task.function };
        given.resize(task.params.len(), None);
        // References wait as temporaries, two a parameter, scalars here.
        let mut scalars: Vec<[u64; 2]> = Vec::new();
        let types: Vec<TypeId> = task.params.iter().map(|param| param.ty).collect();
        for (param, given) in task.params.iter().zip(given) {
            let cell = match (given, param.default) {
                (Some(value), _) => {
                    let value = self.completed(param.ty, value)?;
                    let imported = self.vm().import_param(param.ty, &value);
                    imported.map_err(|what| {
                        trapped(TrapKind::Argument, format!("parameter {}: {what}", param.name))
                    })?
                }
                (None, Some(default)) => {
                    self.vm().open_entry(default, &types, &scalars, 0)?;
                    self.run(0)?;
                    self.vm().returned
                }
                (None, None) => {
                    return Err(
                        trapped(TrapKind::Argument, format!("parameter {} is missing", param.name)).into()
                    );
                }
            };
            scalars.push(cell.s);
            self.vm().stack.temps.extend(cell.r);
        }
        self.vm().open_entry(function, &types, &scalars, 0)?;
        self.vm().stack.temps.clear();
        self.run(0)?;
        let Cell { s, r } = self.vm().returned;
        Ok(if r[0] != 0 { Err(r[0]) } else { Ok(undo || s[0] != 0) })
    }

    fn run_closure(&mut self, program: &Program) -> Result<(), Exit> {
        let vm = self.vm();
        let closure = vm.stack.temps.pop().unwrap_or_default();
        let code = program.closure_code(vm.heap.tag(closure));
        vm.open_frame(code, true)?;
        vm.set_r(dscript_bytecode::ids::R(0), closure);
        vm.stack.temps.clear();
        self.run(0)
    }
}

impl Vm {
    /// An entry frame with the parameters that are there so far: their scalars, and two temporaries each from `temps` on.
    pub(crate) fn open_entry(
        &mut self,
        function: FunctionId,
        types: &[TypeId],
        scalars: &[[u64; 2]],
        temps: usize,
    ) -> Result<(), Trapped> {
        self.open_frame(function, true)?;
        let frame = *self.stack.frames.last().expect("a frame was opened");
        let (mut s, mut r) = (frame.base.scalars(), frame.base.refs());
        let program = Arc::clone(&self.program);
        for (index, (ty, bits)) in types.iter().zip(scalars).enumerate() {
            let info = program.info(*ty);
            for bits in &bits[..usize::from(info.scalars)] {
                self.stack.scalars[s] = *bits;
                s += 1;
            }
            for k in 0..usize::from(info.refs) {
                self.stack.refs[r] = self.stack.temps[temps + 2 * index + k];
                r += 1;
            }
        }
        Ok(())
    }

    /// Where an instruction is in the source.
    fn place(&self, function: FunctionId, pc: u32) -> Frame {
        let function = &self.program.image().functions[function.index()];
        let line = match function.lines.partition_point(|l| l.at <= pc) {
            0 => None,
            after => Some(function.lines[after - 1]),
        };
        let sources = &self.program.manifest().sources;
        let file = line.and_then(|l| sources.get(l.source as usize)).map_or("?", |source| &source.path);
        let (line, column) = line.map_or((0, 0), |l| (l.line, l.column));
        Frame { function: function.name.clone(), file: file.into(), line, column }
    }

    /// Shows the calls that are nested, innermost first, those in native code included, until `see` says no.
    pub(crate) fn calls(&self, mut see: impl FnMut(FunctionId, u32) -> bool) {
        let mut activations = self.stack.activations.iter().rev().peekable();
        let mut index = self.stack.frames.len();
        while index > 0 {
            index -= 1;
            match activations.peek() {
                Some(native) if native.lent && index == native.frame + 1 => {}
                Some(native) if index == native.frame => {
                    let engine = self.program.engine().expect("native code is an engine's");
                    if !engine.calls(native, &mut see) {
                        return;
                    }
                    activations.next();
                }
                _ => {
                    let frame = self.stack.frames[index];
                    let origin = self.program.code(frame.function).origin(self.place_of(index));
                    if origin.inner.is_some_and(|(function, pc)| !see(function, pc)) {
                        return;
                    }
                    if !see(frame.function, origin.pc) {
                        return;
                    }
                }
            }
        }
    }

    /// Tells the engine where the fiber is, after an interruption.
    pub(crate) fn tell_engine(&self, function: FunctionId, pc: u32, met: Met) -> Sampled {
        match self.program.engine() {
            Some(engine) if engine.samples().is_some() => {
                engine.sampled(&self.program, function, pc, met, &mut self.looks(pc))
            }
            _ => Sampled::Nothing,
        }
    }

    /// The frames, outermost first, up to one that native code runs; the innermost is at `pc`.
    fn looks(&self, pc: u32) -> impl Iterator<Item = Look<'_>> {
        let native = self.stack.activations.first().map_or(usize::MAX, |native| native.frame);
        let frames = self.stack.frames.iter().enumerate().take(native.saturating_add(1));
        frames
            .flat_map(move |(index, frame)| {
                let origin = match index {
                    _ if index == native => None,
                    _ if index + 1 == self.stack.frames.len() => Some(Origin { pc, inner: None }),
                    _ => Some(self.program.code(frame.function).origin(self.place_of(index))),
                };
                let window = frame.base.scalars()..frame.end.scalars();
                let scalars = self.stack.scalars.get(window).unwrap_or_default();
                let own = Look { function: frame.function, pc: origin.map(|origin| origin.pc), scalars };
                let inner = origin.and_then(|origin| origin.inner);
                [Some(own), inner.map(|(function, pc)| Look { function, pc: Some(pc), scalars: &[] })]
            })
            .flatten()
    }

    /// What the innermost function of the program's own may ask for, where it says so.
    pub(crate) fn needs(&self) -> Option<&[Capability]> {
        if self.program.needs.is_empty() {
            return None;
        }
        let mut own = None;
        self.calls(|function, pc| {
            own = Some(function).filter(|_| !self.place(function, pc).is_library());
            own.is_none()
        });
        self.program.needs.get(&own?).map(Vec::as_slice)
    }

    /// The innermost place outside the library, else the innermost.
    pub(crate) fn position(&self) -> Option<Frame> {
        let (mut innermost, mut own) = (None, None);
        let mut left = 64;
        self.calls(|function, pc| {
            let place = self.place(function, pc);
            left -= 1;
            if place.is_library() {
                innermost.get_or_insert(place);
                left > 0
            } else {
                own = Some(place);
                false
            }
        });
        own.or(innermost)
    }

    /// Keeps the calls that are nested now for the report of a trap; for native code, whose frames are gone
    /// when the fiber ends.
    pub(crate) fn keep_trace(&mut self) {
        if self.trace.is_none() {
            self.trace = Some(self.trace_now());
        }
    }

    fn trace_now(&self) -> Trace {
        let mut trace = Trace::default();
        let mut outer = std::collections::VecDeque::new();
        self.calls(|function, pc| {
            if trace.inner.len() < REPORT_INNER {
                trace.inner.push((function, pc));
            } else {
                outer.push_back((function, pc));
                if outer.len() > REPORT_OUTER {
                    outer.pop_front();
                    trace.omitted += 1;
                }
            }
            true
        });
        trace.outer = outer.into();
        trace
    }

    fn report(&mut self, trap: Trapped) -> TrapReport {
        let trace = self.trace.take().unwrap_or_else(|| self.trace_now());
        let places = trace.inner.iter().chain(&trace.outer);
        let stack = places.map(|(function, pc)| self.place(*function, *pc)).collect();
        let omitted = (trace.omitted > 0).then_some((REPORT_INNER, trace.omitted));
        TrapReport { kind: trap.kind, text: trap.text, stack, omitted }
    }

    /// The regions of the running fiber, those it was started in included.
    pub(crate) fn regions(&self) -> Vec<u64> {
        let mut all = self.shared.upgrade().map(|shared| shared.regions(self.fiber)).unwrap_or_default();
        all.extend(self.stack.limits.iter().map(|l| l.region));
        all
    }
}
