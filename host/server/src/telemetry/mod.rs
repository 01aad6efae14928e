//! What the host tells of itself: log lines and metrics. Never a body, a token, a filter's value.

mod guards;
pub mod log;
pub mod metrics;
