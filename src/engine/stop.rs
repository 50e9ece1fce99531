//! What ends a run before its next write (RU-4).

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio_util::sync::CancellationToken;

use crate::domain::report::StopCause;

/// Asked before every write of a run. The first cause wins and stays.
#[derive(Clone, Debug, Default)]
pub struct StopToken {
    token: CancellationToken,
    cause: Arc<OnceLock<StopCause>>,
    only_plans: Arc<AtomicBool>,
}

impl StopToken {
    /// A token that nobody has stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run changes nothing: a suspension does not stop it, planning goes on (AI-7).
    pub fn only_plans(&self) {
        self.only_plans.store(true, Ordering::Relaxed);
    }

    /// Stops the run.
    pub fn stop(&self, cause: StopCause) {
        if cause == StopCause::Suspended && self.only_plans.load(Ordering::Relaxed) {
            return;
        }
        let _already_stopped = self.cause.set(cause);
        self.token.cancel();
    }

    /// Stops the run after so long, unless it is over by then.
    pub fn stop_after(&self, deadline: std::time::Duration, cause: StopCause) {
        if deadline.is_zero() {
            self.stop(cause);
            return;
        }
        // Held weakly: a run that is over must not be kept in memory by its deadline.
        let (token, settled, only_plans) = (self.token.clone(), Arc::downgrade(&self.cause), Arc::clone(&self.only_plans));
        tokio::spawn(async move {
            tokio::time::sleep(deadline).await;
            if let Some(settled) = settled.upgrade() {
                Self { token, cause: settled, only_plans }.stop(cause);
            }
        });
    }

    /// Why the run has to stop; `None` while it may go on.
    pub fn cause(&self) -> Option<StopCause> {
        self.token.is_cancelled().then(|| self.cause.get().copied()).flatten()
    }

    /// Waits until the run has to stop.
    pub async fn stopped(&self) -> StopCause {
        self.token.cancelled().await;
        self.cause.get().copied().unwrap_or(StopCause::Shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_stays() {
        let stop = StopToken::new();
        assert_eq!(stop.cause(), None);
        stop.stop(StopCause::Suspended);
        stop.clone().stop(StopCause::Shutdown);
        assert_eq!(stop.cause(), Some(StopCause::Suspended));
    }

    #[test]
    fn a_suspension_lets_planning_go_on() {
        let stop = StopToken::new();
        stop.only_plans();
        stop.stop(StopCause::Suspended);
        assert_eq!(stop.cause(), None);
        stop.stop(StopCause::Shutdown);
        assert_eq!(stop.cause(), Some(StopCause::Shutdown));
    }
}
