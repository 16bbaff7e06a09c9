//! A running D-Task.

/// Heap, types and fibers of one task.
pub struct Vm {}
