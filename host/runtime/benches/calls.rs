//! What the sandbox costs, with the connector that does nothing: a call on a fresh instance, a call on a warm
//! one, a load with and without the cache. Processor time is printed beside criterion's wall time.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use tombolo_runtime::{AppSpec, Call, Connector, Limits, Options, Reuse, Runtime, state};

fn guest() -> Vec<u8> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/guests");
    let built = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--target",
            "wasm32-wasip2",
        ])
        .current_dir(guests)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(built.success());
    std::fs::read(target.join("wasm32-wasip2/release/guest_null.wasm")).unwrap()
}

fn spec(reuse: Reuse) -> AppSpec {
    AppSpec {
        app: "bench".to_owned(),
        settings: serde_json::json!({}),
        targets: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeMap::new(),
        directories: Vec::new(),
        state: Arc::new(state::Memory::default()),
        limits: Limits::default(),
        reuse,
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        now.tv_sec.try_into().unwrap(),
        now.tv_nsec.try_into().unwrap(),
    )
}

async fn once(connector: &Connector) {
    let call = Call {
        request_id: "bench".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(10),
    };
    black_box(connector.get(&call, "user", "ada", &[]).await.unwrap());
}

fn calls(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let runtime = Runtime::new(Options::default()).unwrap();
    let component = tokio.block_on(runtime.load("null", guest())).unwrap();
    for (name, reuse) in [("call/fresh", Reuse::Fresh), ("call/warm", Reuse::Warm)] {
        let connector = tokio
            .block_on(runtime.bind(&component, spec(reuse)))
            .unwrap();
        let (rounds, began) = (20_000_u32, processor_time());
        tokio.block_on(async {
            for _ in 0..rounds {
                once(&connector).await;
            }
        });
        println!(
            "{name}: {:?} of processor time a call",
            processor_time().saturating_sub(began) / rounds
        );
        let (began, wall) = (processor_time(), Instant::now());
        tokio.block_on(async {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let connector = connector.clone();
                    tokio::spawn(async move {
                        for _ in 0..rounds / 4 {
                            once(&connector).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let each = processor_time().saturating_sub(began) / rounds;
        println!(
            "{name}, 4 tasks: {each:?} of processor time a call, {:.0} calls/s",
            f64::from(rounds) / wall.elapsed().as_secs_f64()
        );
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| tokio.block_on(once(&connector)));
        });
    }
    println!(
        "measured at bind: {:?}",
        tokio
            .block_on(runtime.bind(&component, spec(Reuse::Auto)))
            .unwrap()
            .cost()
    );
}

fn loads(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let bytes = guest();
    let compiling = Runtime::new(Options::default()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let caching = Runtime::new(Options {
        cache: Some(home.path().join("cache")),
        ..Options::default()
    })
    .unwrap();
    tokio.block_on(caching.load("null", bytes.clone())).unwrap();
    for (name, runtime) in [("load/compiled", compiling), ("load/cached", caching)] {
        let (rounds, began) = (10_u32, processor_time());
        for _ in 0..rounds {
            tokio.block_on(runtime.load("null", bytes.clone())).unwrap();
        }
        println!(
            "{name}: {:?} of processor time a load",
            processor_time().saturating_sub(began) / rounds
        );
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| tokio.block_on(runtime.load("null", bytes.clone())).unwrap());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = calls, loads
}
criterion_main!(benches);
