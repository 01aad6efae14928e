//! The connector that comes with the binary, so that `tombolo init` has something to run.

/// `csv.wasm`, built by this crate's build script from `plugins/csv`.
pub const CSV: &[u8] = include_bytes!(env!("TOMBOLO_CSV_WASM"));
