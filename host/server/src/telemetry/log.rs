//! Log lines, on standard error: standard output is for answers.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::host::LogFormat;

/// Starts logging. `TOMBOLO_LOG` has the last word on the level. A second call changes nothing.
pub fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("TOMBOLO_LOG")
        .try_from_env()
        .or_else(|_| EnvFilter::try_new(level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal());
    // Fails only when logging has been started before.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
}
