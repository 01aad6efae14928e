//! Log lines, on standard error: standard output is for answers.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::auth::AUDIT;
use crate::config::host::LogFormat;

/// The record of decisions is kept whatever the level is, unless the operator names its target.
fn with_audit(filter: EnvFilter) -> EnvFilter {
    if filter.to_string().contains(AUDIT) {
        return filter;
    }
    match format!("{AUDIT}=info").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// Starts logging. `TOMBOLO_LOG` has the last word on the level. A second call changes nothing.
pub fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("TOMBOLO_LOG")
        .try_from_env()
        .or_else(|_| EnvFilter::try_new(level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = with_audit(filter);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_record_is_kept_at_every_level_unless_its_target_is_named() {
        let shown = |level: &str| with_audit(EnvFilter::new(level)).to_string();
        assert!(shown("error").contains("tombolo::audit=info"));
        assert!(!shown("info,tombolo::audit=off").contains("tombolo::audit=info"));
    }
}
