//! From `[sink]` to a sink.

use std::sync::Arc;

use tombolo_engine::flow::sink::Sink;
use tombolo_engine::flow::{AppSink, Apps};

use crate::config::flow::{FlowFile, SinkFile};

/// The sink of a flow's file.
pub(super) fn sink(file: &FlowFile, apps: Arc<dyn Apps>) -> Arc<dyn Sink> {
    match &file.sink {
        SinkFile::App { app, object } => Arc::new(AppSink::new(
            apps,
            &app.value,
            object,
            &file.definition.name,
        )),
    }
}
