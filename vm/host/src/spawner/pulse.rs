//! One timer for all programs of a run that have just been started.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(3);

/// Beats while somebody waits. A timer for each would cost short programs, one after the other, more than what it is to
/// spare them: the runtime wakes itself up for the first one that rings before all others.
pub struct Pulse {
    beats: watch::Sender<u64>,
    beating: Cell<bool>,
}

impl Pulse {
    pub fn new() -> Rc<Pulse> {
        Rc::new(Pulse { beats: watch::Sender::new(0), beating: Cell::new(false) })
    }

    /// Waits for one beat at least, and for two at most.
    pub async fn wait(self: &Rc<Self>) {
        let mut beats = self.beats.subscribe();
        let done = *beats.borrow() + 2;
        if !self.beating.replace(true) {
            tokio::task::spawn_local(self.clone().beat());
        }
        // The sender lives as long as `self`.
        let _ = beats.wait_for(|beats| *beats >= done).await;
    }

    async fn beat(self: Rc<Self>) {
        while self.beats.receiver_count() > 0 {
            tokio::time::sleep(BEAT).await;
            self.beats.send_modify(|beats| *beats += 1);
        }
        self.beating.set(false);
    }
}
