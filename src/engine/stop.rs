//! What ends a run before its next write (RU-4).

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::domain::report::StopCause;

/// Asked before every write of a run. The first cause wins and stays.
#[derive(Clone, Debug, Default)]
pub struct StopToken {
    token: CancellationToken,
    cause: Arc<OnceLock<StopCause>>,
}

impl StopToken {
    /// A token that nobody has stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the run.
    pub fn stop(&self, cause: StopCause) {
        let _already_stopped = self.cause.set(cause);
        self.token.cancel();
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
}
