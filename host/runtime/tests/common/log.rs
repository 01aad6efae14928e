//! Everything that a test's process logs, at every level; the compiler's own notes would be gigabytes.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    tracing_subscriber::fmt()
        .with_env_filter("trace,cranelift=off,cranelift_codegen=off,regalloc2=off,wasmtime=off,wasmtime_internal_cranelift=off")
        .with_ansi(false)
        .with_writer(move || Sink(Arc::clone(&writer)))
        .init();
    log
});

struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Listens from now on.
pub fn listen() {
    LazyLock::force(&LOG);
}

/// What was heard.
pub fn logged() -> String {
    String::from_utf8_lossy(&LOG.lock()).into_owned()
}
