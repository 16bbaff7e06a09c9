//! A fiber as a future over a stackful coroutine.
//!
//! The task's `Vm` goes into the coroutine with every resume and comes out with every suspension, beside what
//! the fiber waits for. Cancelling is a status it is resumed with: the dispatch loop and natives hand it down
//! until no frame is left, so a coroutine is dropped empty.

use std::cell::Cell as StdCell;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use corosensei::stack::{DefaultStack, Stack as _};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::door;
use crate::memory;
use crate::native::Trapped;
use crate::report::{FiberEnd, TrapReport};
use crate::room::Held;
use crate::stack::Stack;
use crate::start::Start;
use crate::task::Shared;
use crate::vm::Vm;
use dscript_bytecode::trap::TrapKind;

/// Mapped when a fiber first runs and touched as far as it is used. The dispatch loop does not recurse for
/// calls, so this is for natives and the depth of `toString` within collections. Unoptimized frames are larger.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 2 << 20 } else { 256 << 10 };

/// Resumes an abandoned fiber gets until it must have ended.
const ABANDONED_RESUMES_MAX: usize = 64;

type Input = (Box<Vm>, Resume);
type Output = (Box<Vm>, Suspend);

pub(crate) type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// What a fiber suspends for.
pub(crate) struct Suspend {
    pub wait: Wait,
    /// The nearest of its limits.
    pub deadline: Option<i64>,
}

/// What a fiber is resumed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    Done,
    /// The deadline came first.
    Deadline,
    Cancelled,
}

/// Why the dispatch loop leaves frames.
#[derive(Debug)]
pub enum Exit {
    Trap(Trapped),
    Cancelled,
    /// The limit at this index of the fiber's list is past.
    Limit(usize),
}

impl From<Trapped> for Exit {
    fn from(trap: Trapped) -> Self {
        Exit::Trap(trap)
    }
}

/// A running fiber: the one that holds the `Vm`.
pub struct Running<'a> {
    vm: Option<Box<Vm>>,
    yielder: &'a Yielder<Input, Output>,
    /// Dispatch loops on the native stack for texts within texts.
    pub(crate) nested: usize,
    /// The addresses of the native stack, which grows downward.
    pub(crate) stack: Range<usize>,
}

/// What natives that wait see of the fiber, whatever its lifetimes.
pub(crate) trait Waiting {
    fn vm_ref(&self) -> &Vm;
    fn vm_mut(&mut self) -> &mut Vm;
    fn wait(&mut self, wait: Wait) -> Result<(), Exit>;
}

impl Running<'_> {
    #[inline]
    pub(crate) fn vm(&mut self) -> &mut Vm {
        self.vm.as_mut().expect("a running fiber holds the task's state")
    }

    fn suspend(&mut self, wait: Wait) -> Resume {
        let mut vm = self.vm.take().expect("a running fiber holds the task's state");
        let deadline = vm.stack.limits.iter().map(|l| l.deadline).min();
        let (fiber, running) = (vm.fiber, vm.running);
        vm.parked[fiber] = Some(Box::new(std::mem::take(&mut vm.stack)));
        let (mut vm, resume) = self.yielder.suspend((vm, Suspend { wait, deadline }));
        (vm.fiber, vm.running) = (fiber, running);
        vm.stack = *vm.parked[fiber].take().expect("a parked fiber has its stack");
        vm.begin_turn();
        self.vm = Some(vm);
        resume
    }

    /// The outermost limit that is past.
    fn limit_past(&mut self) -> Option<usize> {
        let vm = self.vm();
        if vm.stack.limits.is_empty() {
            return None;
        }
        let now = vm.host.monotonic();
        vm.stack.limits.iter().position(|l| l.deadline <= now)
    }

    /// The limit whose timer rang: the outermost that is past, where timer and clock differ the nearest.
    fn limit_rung(&mut self) -> Option<usize> {
        let limits = &self.vm().stack.limits;
        let nearest = limits.iter().enumerate().min_by_key(|(_, l)| l.deadline).map(|(i, _)| i);
        self.limit_past().or(nearest)
    }

    pub(crate) fn status(&mut self) -> Result<(), Exit> {
        let vm = self.vm();
        let cancelled = vm.shared.upgrade().is_none_or(|shared| shared.is_cancelled(vm.fiber));
        if cancelled {
            return Err(Exit::Cancelled);
        }
        match self.limit_past() {
            Some(limit) => Err(Exit::Limit(limit)),
            None => Ok(()),
        }
    }

    /// Counts what the fiber's stack has grown by for the task's memory. Fibers do so whenever they wait, or give way with a
    /// deeper stack than was counted, so at most one has grown by what a turn can do, and the engines need no check of
    /// their own.
    fn count_stack(&mut self, gives_way: bool) -> Result<(), Trapped> {
        let here = 0u8;
        let depth = self.stack.end.saturating_sub(std::ptr::from_ref(&here).addr());
        let vm = self.vm();
        if gives_way && depth + vm.stack.bytes_in_use() <= vm.stack.held.as_ref().map_or(0, Held::bytes) {
            return Ok(());
        }
        let native = memory::touched(self.stack.clone(), true);
        let vm = self.vm();
        let bytes = native + vm.stack.bytes();
        if bytes <= vm.stack.held.as_ref().map_or(0, Held::bytes) {
            return Ok(());
        }
        let room = &vm.heap.room;
        vm.stack.held.get_or_insert_with(|| room.hold()).set(bytes);
        if !vm.has_room_beside(0) {
            vm.collect_now();
            if !vm.has_room_beside(0) {
                return Err(vm.out_of_memory());
            }
        }
        Ok(())
    }

    /// The counter of interruptions ran out: is the fiber to stop, or to give way?
    #[cold]
    pub fn interrupted(&mut self) -> Result<(), Exit> {
        if self.vm().next_slice() {
            return Ok(());
        }
        self.status()?;
        self.count_stack(true)?;
        if self.vm().turn_again() {
            return Ok(());
        }
        let turn = self.vm().host.yield_now();
        self.go_on_after(turn)
    }

    /// What waiting for something has come to.
    fn go_on_after(&mut self, wait: Wait) -> Result<(), Exit> {
        match self.suspend(wait) {
            Resume::Done => Ok(()),
            Resume::Cancelled => Err(Exit::Cancelled),
            Resume::Deadline => Err(self.limit_rung().map_or(Exit::Cancelled, Exit::Limit)),
        }
    }
}

impl Waiting for Running<'_> {
    fn vm_ref(&self) -> &Vm {
        self.vm.as_ref().expect("a running fiber holds the task's state")
    }

    fn vm_mut(&mut self) -> &mut Vm {
        self.vm()
    }

    fn wait(&mut self, wait: Wait) -> Result<(), Exit> {
        self.status()?;
        self.count_stack(false)?;
        self.go_on_after(wait)
    }
}

/// One fiber of a task: polling it runs the program until it waits or its turn is used up. Not `Send`.
/// Dropping it cancels what is left of it.
pub struct Fiber {
    shared: Rc<Shared>,
    id: usize,
    state: State,
}

enum State {
    New(Start),
    Suspended {
        coroutine: Coroutine<Input, Output, (Box<Vm>, FiberEnd), DefaultStack>,
        wait: Wait,
        deadline: Deadline,
    },
    /// Only while it runs.
    Busy,
    Ended,
}

struct Deadline {
    at: Option<i64>,
    sleep: Option<Wait>,
}

impl Fiber {
    pub(crate) fn new(shared: Rc<Shared>, id: usize, start: Start) -> Self {
        Fiber { shared, id, state: State::New(start) }
    }

    /// Runs on; gives how it ended where it did.
    fn resume(
        &mut self,
        mut coroutine: Coroutine<Input, Output, (Box<Vm>, FiberEnd), DefaultStack>,
        resume: Resume,
    ) -> Option<FiberEnd> {
        let Some(vm) = self.shared.take_vm() else {
            // Another fiber of the task panicked, and its state is gone.
            return Some(internal("the task's state is lost"));
        };
        let result = catch_unwind(AssertUnwindSafe(|| coroutine.resume((vm, resume))));
        match result {
            Ok(CoroutineResult::Yield((vm, suspend))) => {
                self.shared.put_vm(vm);
                let deadline = Deadline { at: suspend.deadline, sleep: None };
                self.state = State::Suspended { coroutine, wait: suspend.wait, deadline };
                None
            }
            Ok(CoroutineResult::Return((vm, end))) => {
                self.shared.put_vm(vm);
                Some(end)
            }
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic");
                Some(internal(text))
            }
        }
    }

    fn begin(&mut self, start: Start) -> Option<FiberEnd> {
        if self.shared.is_cancelled(self.id) {
            return Some(FiberEnd::Cancelled);
        }
        let native = self.shared.program.engine().map_or(0, |_| door::NATIVE_STACK_BYTES);
        let Ok(stack) = DefaultStack::new(STACK_BYTES + native) else {
            return Some(internal("no memory for another fiber"));
        };
        let addresses = stack.limit().get()..stack.base().get();
        let id = self.id;
        let coroutine =
            Coroutine::with_stack(stack, move |yielder: &Yielder<Input, Output>, (mut vm, _): Input| {
                vm.fiber = id;
                vm.stack = vm.slot(id).take().map_or_else(Stack::default, |stack| *stack);
                vm.begin_turn();
                let mut running = Running { vm: Some(vm), yielder, nested: 0, stack: addresses };
                let end = running.run_start(start);
                let mut vm = running.vm.take().expect("a running fiber holds the task's state");
                vm.stack = Stack::default();
                (vm, end)
            });
        self.resume(coroutine, Resume::Done)
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.shared.fiber_ended(self.id);
    }
}

fn internal(text: &str) -> FiberEnd {
    FiberEnd::Trapped(TrapReport {
        kind: TrapKind::Internal,
        text: text.into(),
        stack: Vec::new(),
        omitted: None,
    })
}

impl Future for Fiber {
    type Output = FiberEnd;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FiberEnd> {
        let this = &mut *self;
        this.shared.set_waker(this.id, cx.waker());
        loop {
            let result = match std::mem::replace(&mut this.state, State::Busy) {
                State::New(start) => this.begin(start),
                State::Suspended { coroutine, mut wait, mut deadline } => {
                    let status = if this.shared.is_cancelled(this.id) {
                        Some(Resume::Cancelled)
                    } else if wait.as_mut().poll(cx).is_ready() {
                        Some(Resume::Done)
                    } else {
                        deadline.poll(&this.shared, cx)
                    };
                    match status {
                        Some(status) => {
                            // The future goes before the fiber goes on: it may hold what was waited for.
                            drop(wait);
                            this.resume(coroutine, status)
                        }
                        None => {
                            this.state = State::Suspended { coroutine, wait, deadline };
                            return Poll::Pending;
                        }
                    }
                }
                State::Busy => panic!("a fiber is polled while it runs"),
                State::Ended => panic!("a fiber is polled after its end"),
            };
            if let Some(end) = result {
                this.end();
                return Poll::Ready(end);
            }
        }
    }
}

impl Deadline {
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Option<Resume> {
        let at = self.at?;
        let sleep = self.sleep.get_or_insert_with(|| shared.host.sleep_until(at));
        sleep.as_mut().poll(cx).is_ready().then_some(Resume::Deadline)
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Busy) {
            State::Ended => return,
            State::Suspended { mut coroutine, wait, .. } => {
                drop(wait);
                self.shared.cancel_fiber(self.id);
                for _ in 0..ABANDONED_RESUMES_MAX {
                    if self.resume(coroutine, Resume::Cancelled).is_some() {
                        break;
                    }
                    match std::mem::replace(&mut self.state, State::Busy) {
                        State::Suspended { coroutine: again, .. } => coroutine = again,
                        _ => break,
                    }
                }
            }
            State::New(_) | State::Busy => {}
        }
        self.end();
    }
}

/// A one-shot place where a wait leaves what it got.
pub(crate) struct Slot<T>(Rc<StdCell<Option<T>>>);

impl<T> Slot<T> {
    pub fn new() -> Self {
        Slot(Rc::new(StdCell::new(None)))
    }

    pub fn filled_by(&self, future: impl Future<Output = T> + 'static) -> Wait
    where
        T: 'static,
    {
        let slot = Rc::clone(&self.0);
        Box::pin(async move { slot.set(Some(future.await)) })
    }

    pub fn take(&self) -> Option<T> {
        self.0.take()
    }
}
