//! What a read and a durable commit cost: `cargo bench -p tombolo-store`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tombolo_store::sled::SledStore;
use tombolo_store::{Commit, Key, Range, Store};

fn key(n: u64) -> Key {
    Key::of("bench").text("app").number(n)
}

fn store(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let store: Arc<dyn Store> =
        Arc::new(SledStore::open(dir.path().join("state")).expect("the store opens"));
    let value = vec![b'x'; 600];
    runtime.block_on(async {
        for chunk in 0..100 {
            let commit = (0..100).fold(Commit::new(), |c, n| {
                c.put(key(chunk * 100 + n), value.clone())
            });
            store.commit(commit).await.expect("the commit goes through");
        }
    });

    let mut n = 0;
    c.bench_function("get", |b| {
        b.iter(|| {
            n = (n + 7919) % 10_000;
            runtime
                .block_on(store.get(&key(n)))
                .expect("the read goes through")
        });
    });
    c.bench_function("scan of 100", |b| {
        b.iter(|| {
            n = (n + 7919) % 9_000;
            let range = Range::prefix(Key::of("bench")).after(key(n)).limit(100);
            runtime
                .block_on(store.scan(range))
                .expect("the scan goes through")
        });
    });

    let next = Arc::new(AtomicU64::new(0));
    for writers in [1u64, 64] {
        let mut group = c.benchmark_group("durable commit");
        group
            .throughput(Throughput::Elements(1))
            .sample_size(20)
            .measurement_time(Duration::from_secs(5));
        group.bench_function(format!("{writers} writers"), |b| {
            b.iter_custom(|commits| {
                runtime.block_on(async {
                    let started = Instant::now();
                    let tasks: Vec<_> = (0..writers)
                        .map(|writer| {
                            let share = commits / writers + u64::from(writer < commits % writers);
                            let (store, next, value) = (store.clone(), next.clone(), value.clone());
                            tokio::spawn(async move {
                                for _ in 0..share {
                                    let n = next.fetch_add(1, Ordering::Relaxed) % 10_000;
                                    let commit =
                                        Commit::new().exists(key(n)).put(key(n), value.clone());
                                    store.commit(commit).await.expect("the commit goes through");
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.expect("the task ends well");
                    }
                    started.elapsed()
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, store);
criterion_main!(benches);
