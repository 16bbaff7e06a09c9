//! The first and the last of a fiber: its entry frame, and what its end means.

use std::sync::Arc;

use crate::fiber::{Exit, Running};
use crate::native::Trapped;
use crate::program::Program;
use crate::report::{FiberEnd, Frame, TrapReport};
use crate::value::Value;
use crate::vm::{Cell, StaticState, Vm, trapped};
use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::trap::TrapKind;

/// Frames of a trap report from the inner and from the outer end.
const REPORT_INNER: usize = 32;
const REPORT_OUTER: usize = 8;

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
        for (param, given) in task.params.iter().zip(given) {
            let cell = match (given, param.default) {
                (Some(value), _) => {
                    let imported = self.vm().import_param(param.ty, &value);
                    imported.map_err(|what| {
                        trapped(TrapKind::Argument, format!("parameter {}: {what}", param.name))
                    })?
                }
                (None, Some(default)) => {
                    self.vm().open_entry(default, program, &scalars, index)?;
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
        self.vm().open_entry(function, program, &scalars, index)?;
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
    /// An entry frame with the parameters that are there so far.
    fn open_entry(
        &mut self,
        function: FunctionId,
        program: &Program,
        scalars: &[[u64; 2]],
        task: usize,
    ) -> Result<(), Trapped> {
        self.open_frame(function, true)?;
        let frame = *self.stack.frames.last().expect("a frame was opened");
        let (mut s, mut r) = (frame.scalars as usize, frame.refs as usize);
        let params = &program.manifest().tasks[task].params;
        for (index, (param, bits)) in params.iter().zip(scalars).enumerate() {
            let info = program.info(param.ty);
            for bits in &bits[..usize::from(info.scalars)] {
                self.stack.scalars[s] = *bits;
                s += 1;
            }
            for k in 0..usize::from(info.refs) {
                self.stack.refs[r] = self.stack.temps[2 * index + k];
                r += 1;
            }
        }
        Ok(())
    }

    /// Where a frame is in the source, innermost first: in a function that was put in the place of its call, too.
    fn places(&self, index: usize) -> impl Iterator<Item = Frame> + use<'_> {
        let frame = self.stack.frames[index];
        let origin = self.program.code(frame.function).origin(frame.pc);
        let inner = origin.inner.map(|(function, pc)| self.place(function, pc));
        inner.into_iter().chain([self.place(frame.function, origin.pc)])
    }

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

    /// The innermost place outside the library, else the innermost.
    pub(crate) fn position(&self) -> Option<Frame> {
        let all = (0..self.stack.frames.len()).rev();
        let own = all.take(64).flat_map(|i| self.places(i)).find(|place| !place.file.starts_with("std/"));
        own.or_else(|| self.places(self.stack.frames.len().checked_sub(1)?).next())
    }

    fn report(&self, trap: Trapped) -> TrapReport {
        let count = self.stack.frames.len();
        let mut stack: Vec<Frame> = Vec::new();
        let mut omitted = None;
        let inner = (0..count).rev().flat_map(|i| self.places(i));
        // A function that was put into its caller has no frame, and yet counts as a call.
        let hidden = count.checked_sub(1).map_or(0, |last| self.places(last).count() - 1);
        let calls = count + hidden;
        if calls <= REPORT_INNER + REPORT_OUTER {
            stack.extend(inner);
        } else {
            stack.extend(inner.take(REPORT_INNER));
            stack.extend((0..REPORT_OUTER).rev().flat_map(|i| self.places(i)));
            omitted = Some((REPORT_INNER, calls - REPORT_INNER - REPORT_OUTER));
        }
        TrapReport { kind: trap.kind, text: trap.text, stack, omitted }
    }

    /// The regions of the running fiber, those it was started in included.
    pub(crate) fn regions(&self) -> Vec<u64> {
        let mut all = self.shared.upgrade().map(|shared| shared.regions(self.fiber)).unwrap_or_default();
        all.extend(self.stack.limits.iter().map(|l| l.region));
        all
    }
}
