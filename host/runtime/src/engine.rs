//! wasmtime's settings and the allocator probe.

use tracing::{info, warn};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Kept resident for each memory between instances. With `PAGEMAP_SCAN` (Linux 6.7) only touched pages are
/// reset, and this is the fastest mode by far; without it these bytes are cleared by hand each time, which
/// makes a small guest 2.5 times slower, so then nothing is kept.
const KEEP_RESIDENT: usize = 1 << 20;

/// An engine and how many instances it can hold.
pub(crate) struct Sized {
    pub(crate) engine: Engine,
    pub(crate) instances: usize,
}

/// What both the compiling child and the running host must agree on.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model(true)
        // Errors carry the guest's backtrace; the log shows it.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    config
}

/// An engine that only compiles.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// The engine that runs: pooling where the machine has the address space, else on demand.
pub(crate) fn runner() -> wasmtime::Result<Sized> {
    // Each instance reserves about 4 GiB of address space: 2,000 need 43 bits of it.
    for instances in [2_000, 250] {
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        match Engine::new(&config) {
            Ok(engine) => {
                info!(instances, "instances come from a pool");
                return Ok(Sized {
                    engine,
                    instances: instances as usize,
                });
            }
            Err(error) => warn!(%error, instances, "no room for a pool of instances"),
        }
    }
    warn!("instances are allocated on demand: calls cost more processor time");
    Ok(Sized {
        engine: Engine::new(&config())?,
        instances: 250,
    })
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        // A component is several core instances (its adapters are modules too) with about one memory.
        .total_core_instances(instances * 10)
        .total_memories(instances)
        .total_tables(instances * 2)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        .max_unused_warm_slots(100);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT);
    }
    pool
}
