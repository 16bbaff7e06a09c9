//! A running D-Task.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use crate::fiber::Fiber;
use crate::heap::Heap;
use crate::native::Trapped;
use crate::output::{OutputLimit, Printed};
use crate::program::Program;
use crate::room::Room;
use crate::stack::Stack;
use crate::start::Start;
use crate::value::Value;
use crate::vm::{self, StaticSlot, TURN, Vm};
use dscript_bytecode::capability::Capability;
use dscript_bytecode::trap::TrapKind;

/// The door to the world that every task needs: lines it prints, and time. The only clock seam.
pub trait Host {
    /// One line without its end.
    fn print(&self, line: &str);
    /// Nanoseconds since 1970 UTC.
    fn now(&self) -> i64;
    /// Nanoseconds on a clock that only goes forward.
    fn monotonic(&self) -> i64;
    /// Ready once `monotonic` has reached the given moment.
    fn sleep_until(&self, monotonic_ns: i64) -> Pin<Box<dyn Future<Output = ()>>>;
    /// Ready after others had their turn.
    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()>>>;
    /// Whether a fiber whose turn is used up, and which is its task's only one, may go on: giving way takes as long as a
    /// twentieth of a turn in machine code.
    fn may_go_on(&self) -> bool {
        false
    }
    /// Whether the run is to end by now: what never waits asks, and the program does not go on.
    fn is_over(&self) -> bool {
        false
    }
    /// The program started a fiber: `Task::take_new_fibers` has it.
    fn fiber_started(&self) {}
    /// A `within` region was cancelled; what was started while `OutsideCall::regions` named it must end.
    fn region_cancelled(&self, region: u64) {
        let _ = region;
    }
}

pub struct TaskOptions {
    /// Live bytes of the heap, and the stacks of the fibers.
    pub memory_bytes: u64,
    /// Frames of one fiber.
    pub frames_max: u32,
    /// `None` is no limit.
    pub output: Option<OutputLimit>,
    pub host: Rc<dyn Host>,
    /// What `OutsideCall::host` gives.
    pub data: Rc<dyn Any>,
    /// The policy of the run, asked besides the capabilities that the image declares.
    pub allow: Box<dyn Fn(&str) -> bool>,
}

impl TaskOptions {
    /// The documented limits and none of output, nothing allowed or refused beyond what the image declares.
    pub fn new(host: Rc<dyn Host>, data: Rc<dyn Any>) -> Self {
        let (memory_bytes, frames_max) = (256 << 20, 64 << 10);
        Self { memory_bytes, frames_max, output: None, host, data, allow: Box::new(|_| true) }
    }
}

/// Heap, types and fibers of one task. Clones are the same task.
#[derive(Clone)]
pub struct Task {
    shared: Rc<Shared>,
}

impl Task {
    pub fn new(program: Arc<Program>, options: TaskOptions) -> Task {
        let image = program.image();
        let capabilities =
            image.manifest.capabilities.iter().filter_map(|c| Capability::parse(c).ok()).collect();
        let heap = Heap::new(options.memory_bytes);
        let room = heap.room.clone();
        let shared = Rc::new_cyclic(|weak| {
            let vm = Vm {
                heap,
                stack: Stack::default(),
                parked: Vec::new(),
                fiber: 0,
                running: std::ptr::null_mut(),
                exit: None,
                #[cfg(debug_assertions)]
                machine: crate::code::M::default(),
                fuel: TURN,
                turn_left: 0,
                trace: None,
                constants: vec![0; image.constants.len()],
                statics: vec![StaticSlot::default(); image.statics.len()],
                returned: vm::Cell::default(),
                memo: crate::map::Memo::default(),
                ahead: crate::map::Ahead::default(),
                resources: Vec::new(),
                next_region: 1,
                printed: Printed::new(options.output, &*options.host),
                pieces: Vec::new(),
                frames_max: options.frames_max as usize,
                capabilities,
                host: Rc::clone(&options.host),
                data: options.data,
                allow: options.allow,
                shared: Weak::clone(weak),
                program: Arc::clone(&program),
            };
            Shared {
                program: Arc::clone(&program),
                host: options.host,
                vm: Cell::new(Some(Box::new(vm))),
                room,
                cancelled: Cell::new(false),
                fibers: RefCell::default(),
                started: RefCell::default(),
                pulse: RefCell::default(),
            }
        });
        Task { shared }
    }

    /// A fiber for the body of a task of the manifest. Parameters that are not given have their defaults.
    pub fn start(&self, task_index: usize, params: Vec<Value>) -> Fiber {
        self.start_with(task_index, params.into_iter().map(Some).collect())
    }

    /// As `start`; `None` is a parameter that takes its default.
    pub fn start_with(&self, task_index: usize, params: Vec<Option<Value>>) -> Fiber {
        self.fiber(Start::Task { index: task_index, undo: false, params })
    }

    /// A fiber for the undo block of a task; `None` where it has none. A task that was cancelled runs nothing
    /// more: run the undo block in a new one.
    pub fn run_undo(&self, task_index: usize, params: Vec<Option<Value>>) -> Option<Fiber> {
        self.shared.program.manifest().tasks.get(task_index)?.undo?;
        Some(self.fiber(Start::Task { index: task_index, undo: true, params }))
    }

    fn fiber(&self, start: Start) -> Fiber {
        let id = self.shared.new_fiber(Vec::new());
        Fiber::new(Rc::clone(&self.shared), id, start)
    }

    /// Where what is held for the task counts.
    pub fn room(&self) -> Room {
        self.shared.room.clone()
    }

    /// Every fiber of the task is resumed with the cancelled status at its next wait or interruption point.
    pub fn cancel(&self) {
        self.shared.cancelled.set(true);
        self.shared.wake(|_| true);
    }

    /// Fibers the program started since the last call; they run only when polled.
    pub fn take_new_fibers(&self) -> Vec<Fiber> {
        let started = self.shared.started.take();
        started.into_iter().map(|id| Fiber::new(Rc::clone(&self.shared), id, Start::Closure)).collect()
    }

    /// Collects at every allocation, to find references that a collection misses.
    pub fn stress_collector(&self) {
        if let Some(mut vm) = self.shared.take_vm() {
            vm.heap.set_stress();
            self.shared.put_vm(vm);
        }
    }

    /// Collections so far, and bytes in use now, garbage included.
    pub fn heap_stats(&self) -> (u64, u64) {
        let Some(vm) = self.shared.take_vm() else { return (0, 0) };
        let stats = (vm.heap.collections, vm.heap.used() as u64 * 8);
        self.shared.put_vm(vm);
        stats
    }
}

/// What a task and its fibers share outside the coroutines.
pub(crate) struct Shared {
    pub program: Arc<Program>,
    pub host: Rc<dyn Host>,
    /// `None` while a fiber runs, and for good when one panicked.
    vm: Cell<Option<Box<Vm>>>,
    room: Room,
    cancelled: Cell<bool>,
    fibers: RefCell<Vec<Option<FiberEntry>>>,
    /// By the program, and not yet taken.
    started: RefCell<Vec<usize>>,
    /// Who waits for a fiber of the task to end.
    pulse: RefCell<Pulse>,
}

#[derive(Default)]
struct FiberEntry {
    cancelled: bool,
    waker: Option<Waker>,
    /// The regions it was started in.
    regions: Vec<u64>,
}

#[derive(Default)]
struct Pulse {
    /// Fibers that ended.
    count: u64,
    wakers: Vec<Waker>,
}

/// Fibers of one task at once.
const FIBERS_MAX: usize = 16 << 10;

impl Shared {
    pub fn take_vm(&self) -> Option<Box<Vm>> {
        self.vm.take()
    }

    pub fn put_vm(&self, vm: Box<Vm>) {
        self.vm.set(Some(vm));
    }

    fn new_fiber(&self, regions: Vec<u64>) -> usize {
        let mut fibers = self.fibers.borrow_mut();
        let id = fibers.iter().position(Option::is_none).unwrap_or_else(|| {
            fibers.push(None);
            fibers.len() - 1
        });
        fibers[id] = Some(FiberEntry { regions, ..FiberEntry::default() });
        id
    }

    /// A fiber for a function value, started by the running one.
    pub fn start_fiber(&self, vm: &mut Vm, closure: u32) -> Result<(), Trapped> {
        let regions = vm.regions();
        if self.fibers.borrow().iter().flatten().count() >= FIBERS_MAX {
            return Err(vm::trapped(TrapKind::Memory, format!("more than {FIBERS_MAX} fibers")));
        }
        let id = self.new_fiber(regions);
        let stack = Stack { temps: vec![closure], ..Stack::default() };
        *vm.slot(id) = Some(Box::new(stack));
        self.started.borrow_mut().push(id);
        self.host.fiber_started();
        Ok(())
    }

    pub fn regions(&self, fiber: usize) -> Vec<u64> {
        self.fibers.borrow().get(fiber).and_then(Option::as_ref).map_or_else(Vec::new, |f| f.regions.clone())
    }

    pub fn is_cancelled(&self, fiber: usize) -> bool {
        self.cancelled.get()
            || self.host.is_over()
            || self.fibers.borrow().get(fiber).and_then(Option::as_ref).is_none_or(|f| f.cancelled)
    }

    /// Whether no fiber is there but one.
    pub fn has_one_fiber(&self) -> bool {
        self.fibers.borrow().iter().flatten().nth(1).is_none()
    }

    pub fn set_waker(&self, fiber: usize, waker: &Waker) {
        if let Some(Some(entry)) = self.fibers.borrow_mut().get_mut(fiber) {
            match &mut entry.waker {
                Some(old) => old.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    pub fn cancel_fiber(&self, fiber: usize) {
        if let Some(Some(entry)) = self.fibers.borrow_mut().get_mut(fiber) {
            entry.cancelled = true;
        }
    }

    /// Cancels the fibers that were started in a region.
    pub fn cancel_region(&self, region: u64) {
        for entry in self.fibers.borrow_mut().iter_mut().flatten() {
            entry.cancelled |= entry.regions.contains(&region);
        }
        self.wake(|entry| entry.cancelled);
    }

    fn wake(&self, which: impl Fn(&FiberEntry) -> bool) {
        let wakers: Vec<Waker> = {
            let fibers = self.fibers.borrow();
            fibers.iter().flatten().filter(|f| which(f)).filter_map(|f| f.waker.clone()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub fn fiber_ended(&self, fiber: usize) {
        {
            let mut fibers = self.fibers.borrow_mut();
            if let Some(entry) = fibers.get_mut(fiber) {
                *entry = None;
            }
            while fibers.pop_if(|last| last.is_none()).is_some() {}
        }
        if let Some(mut vm) = self.take_vm() {
            *vm.slot(fiber) = None;
            self.put_vm(vm);
        }
        let wakers = {
            let mut pulse = self.pulse.borrow_mut();
            pulse.count += 1;
            std::mem::take(&mut pulse.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Fibers that ended so far.
    pub fn ended_count(&self) -> u64 {
        self.pulse.borrow().count
    }

    /// Ready when more than `seen` fibers have ended.
    pub fn poll_ended(&self, seen: u64, waker: &Waker) -> bool {
        let mut pulse = self.pulse.borrow_mut();
        if pulse.count > seen {
            return true;
        }
        pulse.wakers.push(waker.clone());
        false
    }
}
