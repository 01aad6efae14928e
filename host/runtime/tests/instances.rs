//! What becomes of instances: reuse, poison, recycling, dropped callers.

mod common;

use std::time::Duration;

use common::*;
use tombolo_runtime::{AppSpec, CallError, Limits, Reuse};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_instance_remembers_nothing_and_a_warm_one_does() {
    let fresh = street(AppSpec {
        reuse: Reuse::Fresh,
        ..spec("fresh")
    })
    .await;
    for _ in 0..3 {
        assert_eq!(fresh.provoke("count", "x").await.unwrap(), "1");
    }
    let warm = street(AppSpec {
        reuse: Reuse::Warm,
        ..spec("warm")
    })
    .await;
    for count in 1..=3 {
        assert_eq!(warm.provoke("count", "x").await.unwrap(), count.to_string());
    }
    assert_eq!(warm.hostile.stats().read().instantiations, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_instance_is_never_used_again() {
    let limits = Limits {
        cpu: Duration::from_millis(100),
        wall: Duration::from_secs(1),
        memory: 32 << 20,
        ..Limits::default()
    };
    let street = street(with_limits(limits)).await;
    for kind in ["trap", "loop", "wait", "alloc", "exit", "huge"] {
        street.provoke("entry", "x").await.unwrap();
        street.provoke(kind, "x").await.unwrap_err();
        assert_eq!(
            street.provoke("count", "x").await.unwrap(),
            "1",
            "after {kind}"
        );
    }
    assert_eq!(street.hostile.stats().read().discarded, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_a_clean_return() {
    let street = street(spec("app")).await;
    street.provoke("fail", "no such thing").await.unwrap_err();
    assert_eq!(street.provoke("count", "x").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_takes_the_instance_along_and_frees_the_slot() {
    let street = street(with_limits(Limits {
        concurrency: 1,
        ..Limits::default()
    }))
    .await;
    street.provoke("entry", "x").await.unwrap();
    let call = call();
    let dropped = tokio::time::timeout(
        Duration::from_millis(200),
        street.hostile.get(&call, "nap", "60000", &[]),
    );
    assert!(dropped.await.is_err());
    assert_eq!(street.provoke("count", "x").await.unwrap(), "1");
    assert_eq!(street.hostile.stats().read().dropped, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_memory_grows_is_retired() {
    let street = street(spec("app")).await;
    street.provoke("entry", "x").await.unwrap();
    street.provoke("grow", "x").await.unwrap();
    assert_eq!(street.provoke("count", "x").await.unwrap(), "1");
    assert_eq!(street.hostile.stats().read().recycled, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_retired_after_ten_thousand_calls() {
    let street = street(spec("app")).await;
    let call = call();
    for _ in 0..10_001 {
        street.hostile.get(&call, "count", "x", &[]).await.unwrap();
    }
    let stats = street.hostile.stats().read();
    assert_eq!(
        (stats.instantiations, stats.recycled, stats.calls),
        (2, 1, 10_001)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_are_as_many_as_slots_and_each_has_its_own_instance() {
    let street = street(with_limits(Limits {
        concurrency: 4,
        ..Limits::default()
    }))
    .await;
    let began = std::time::Instant::now();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let hostile = street.hostile.clone();
            tokio::spawn(async move { hostile.get(&call(), "nap", "300", &[]).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(
        began.elapsed() >= Duration::from_millis(600)
            && began.elapsed() < Duration::from_millis(2000),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(street.hostile.stats().read().instantiations, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_measurement_chooses_and_is_told() {
    let street = street(AppSpec {
        reuse: Reuse::Auto,
        ..spec("app")
    })
    .await;
    let cost = street.hostile.cost();
    assert_ne!(cost.reuse, Reuse::Auto);
    assert!(cost.call > Duration::ZERO, "{cost:?}");
    assert!(matches!(
        street.provoke("trap", "x").await,
        Err(CallError::Trapped { .. })
    ));
}
