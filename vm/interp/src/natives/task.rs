//! Fibers of the program's own: what `parallel` and `eachLine` stand on.

use crate::native::{Body, Failure, NativeDef, OutsideCall, PureCall, Trapped};
use crate::value::Value;
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;

pub(super) const DEFS: &[NativeDef] = &[
    NativeDef { name: "Task.fiber", signature: "(() -> void) -> void", body: Body::Pure(fiber) },
    NativeDef { name: "Task.ended", signature: "() -> int", body: Body::Pure(ended) },
    NativeDef { name: "Task.waitEnded", signature: "(int) -> void", body: Body::Outside(wait_ended) },
];

fn gone() -> Trapped {
    trapped(TrapKind::Internal, "the task is gone")
}

/// Starts a function as a fiber of the task.
fn fiber(call: &mut PureCall<'_>) -> Result<(), Trapped> {
    let closure = call.object(0);
    let shared = call.vm.shared.upgrade().ok_or_else(gone)?;
    shared.start_fiber(call.vm, closure)
}

/// How many fibers of the task have ended.
fn ended(call: &mut PureCall<'_>) -> Result<(), Trapped> {
    let shared = call.vm.shared.upgrade().ok_or_else(gone)?;
    call.give_int(shared.ended_count() as i64)
}

/// Waits until more than so many have ended. Asking `Task.ended` before looking at what a fiber did, and then
/// waiting for more than that, misses none.
fn wait_ended(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let seen = call.int(0) as u64;
    let shared = call.waiting.vm_ref().shared.upgrade().ok_or_else(|| Failure::Trap(gone()))?;
    call.wait(std::future::poll_fn(move |cx| {
        if shared.poll_ended(seen, cx.waker()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    }))?;
    Ok(Value::Null)
}
