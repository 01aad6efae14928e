//! Every limit is hit, costs its own caller a typed error, and costs the neighbour nothing.

mod common;

use std::time::Duration;

use common::*;
use serde_json::json;
use tombolo_runtime::contract::{Comparison, Node, Query, Scalar};
use tombolo_runtime::{CallError, Circuit, CircuitState, Crowded, Limits, LoadError};
use tombolo_tests::hostile::Guest;

fn limits() -> Limits {
    Limits {
        cpu: Duration::from_millis(200),
        wall: Duration::from_secs(20),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_at_the_processor_limit() {
    let street = street(with_limits(limits())).await;
    let began = std::time::Instant::now();
    assert_eq!(
        street.fault("loop").await,
        CallError::CpuExhausted {
            limit: Duration::from_millis(200)
        }
    );
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_on_every_worker_leave_room_for_the_neighbour() {
    let street = std::sync::Arc::new(street(with_limits(limits())).await);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let hostile = street.hostile.clone();
            tokio::spawn(async move { hostile.get(&call(), "loop", "x", &[]).await })
        })
        .collect();
    assert!(matches!(
        street.fault("loop").await,
        CallError::CpuExhausted { .. }
    ));
    for other in others {
        assert!(matches!(
            other.await.unwrap(),
            Err(CallError::CpuExhausted { .. })
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_also_ends_at_the_callers_deadline() {
    let street = street(with_limits(Limits {
        cpu: Duration::from_secs(60),
        ..limits()
    }))
    .await;
    let error = street
        .hostile
        .get(&within(Duration::from_millis(300)), "loop", "x", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error:?}");
    assert!(error.outcome_unknown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_waits_for_ever_ends_at_the_wall_clock() {
    let street = street(with_limits(Limits {
        wall: Duration::from_millis(300),
        ..limits()
    }))
    .await;
    assert!(matches!(
        street.fault("wait").await,
        CallError::TimedOut { .. }
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_is_not_computing() {
    let street = street(with_limits(Limits {
        cpu: Duration::from_millis(50),
        ..limits()
    }))
    .await;
    assert_eq!(street.provoke("nap", "400").await.unwrap(), "woke");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_allocation_ends_at_the_memory_limit() {
    let limits = Limits {
        memory: 16 << 20,
        cpu: Duration::from_secs(5),
        ..limits()
    };
    let street = street(with_limits(limits)).await;
    assert_eq!(
        street.fault("alloc").await,
        CallError::MemoryExhausted { limit: 16 << 20 }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_ends_at_the_stack() {
    let street = street(with_limits(Limits {
        cpu: Duration::from_secs(5),
        ..limits()
    }))
    .await;
    let error = street.fault("recurse").await;
    assert!(matches!(error, CallError::Trapped { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hoarded_handles_end_at_the_resource_limit() {
    let street = street(with_limits(Limits {
        resources: 64,
        ..limits()
    }))
    .await;
    let error = street.fault("hoard-handles").await;
    assert!(
        matches!(&error, CallError::LimitExceeded { what, limit: 64 } if what.contains("handles")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_huge_host_call_is_refused() {
    let street = street(with_limits(limits())).await;
    let error = street.fault("shout").await;
    assert!(
        matches!(&error, CallError::LimitExceeded { what, .. } if what.contains("host-call-bytes")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_bytes_are_summed_over_a_call() {
    let street = street(with_limits(Limits {
        cpu: Duration::from_secs(5),
        ..limits()
    }))
    .await;
    let error = street.fault("state-hoard").await;
    assert!(
        matches!(&error, CallError::LimitExceeded { what, .. } if what.contains("host-call-bytes")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_answer_is_refused() {
    let street = street(with_limits(limits())).await;
    assert!(matches!(
        street.fault("huge").await,
        CallError::LimitExceeded { .. }
    ));
    let error = street.hostile.get(&call(), "large", "3000000", &[]).await;
    assert!(error.is_ok(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_response_limit_is_its_own() {
    let street = street(with_limits(Limits {
        response_bytes: 10_000,
        ..limits()
    }))
    .await;
    let error = street.provoke("large", "20000").await.unwrap_err();
    assert!(
        matches!(&error, CallError::LimitExceeded { limit: 10_000, .. }),
        "{error:?}"
    );
    street.provoke("large", "5000").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_outside_the_contract_are_refused() {
    let street = street(with_limits(limits())).await;
    for kind in ["anchor-empty", "anchor-long", "name-bad", "attributes-many"] {
        let error = street.provoke(kind, "x").await.unwrap_err();
        assert!(
            matches!(
                error,
                CallError::Broken(_) | CallError::LimitExceeded { .. }
            ),
            "{kind}: {error:?}"
        );
    }
    let query = || tombolo_runtime::contract::Query {
        filter: None,
        attributes: vec![],
        cursor: None,
        limit: 10,
    };
    assert_eq!(
        street
            .hostile
            .search(&call(), "any", query())
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
    for kind in ["too-many", "twice", "cursor-long"] {
        let error = street
            .hostile
            .search(&call(), kind, query())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                CallError::Broken(_) | CallError::LimitExceeded { .. }
            ),
            "{kind}: {error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_ends_at_its_quota_and_the_guest_is_told() {
    let street = street(with_limits(Limits {
        state_bytes: 10_000,
        ..limits()
    }))
    .await;
    assert_eq!(
        street.provoke("state-fill", "x").await.unwrap(),
        "9 StateError::Full"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_slot_before_the_deadline_the_caller_is_told_to_come_back() {
    let street = street(with_limits(Limits {
        concurrency: 1,
        wall: Duration::from_secs(5),
        ..limits()
    }))
    .await;
    let hostile = street.hostile.clone();
    let long = tokio::spawn(async move { hostile.get(&call(), "nap", "1500", &[]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = street
        .hostile
        .get(&within(Duration::from_millis(100)), "entry", "x", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Busy { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
    long.await.unwrap().unwrap();
    assert_eq!(street.provoke("entry", "x").await.unwrap(), "entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_any_export_is_a_typed_fault_of_that_call_alone() {
    for function in [
        "check",
        "get",
        "search",
        "create",
        "update",
        "delete",
        "list-members",
        "change-members",
        "set-password",
        "since",
    ] {
        let street = street(with_settings(json!({ "trap-in": function }))).await;
        let (hostile, call) = (&street.hostile, call());
        let query = tombolo_runtime::contract::Query {
            filter: None,
            attributes: vec![],
            cursor: None,
            limit: 1,
        };
        let results = [
            ("check", hostile.check(&call).await.err()),
            ("get", hostile.get(&call, "any", "a", &[]).await.err()),
            ("search", hostile.search(&call, "any", query).await.err()),
            ("create", hostile.create(&call, "any", &[], "r").await.err()),
            (
                "update",
                hostile
                    .update(&call, "any", "a", &[], None, "r")
                    .await
                    .err(),
            ),
            ("delete", hostile.delete(&call, "any", "a", "r").await.err()),
            (
                "list-members",
                hostile.list_members(&call, "g", None, 1).await.err(),
            ),
            (
                "change-members",
                hostile
                    .change_members(&call, "g", &[], &[], "r")
                    .await
                    .err(),
            ),
            (
                "set-password",
                hostile
                    .set_password(&call, "", "new".into(), false)
                    .await
                    .err(),
            ),
            ("since", hostile.since(&call, "any", None, 5).await.err()),
        ];
        for (name, error) in results {
            match error {
                Some(error) => assert!(
                    name == function && matches!(error, CallError::Trapped { .. }),
                    "{function}: {name}: {error:?}"
                ),
                None => assert_ne!(name, function),
            }
        }
        street
            .neighbour
            .get(&call, "user", "ada", &[])
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_by_exit_is_a_crash() {
    let street = street(with_limits(limits())).await;
    let error = street.fault("exit").await;
    assert!(matches!(&error, CallError::Trapped { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_ability_is_named() {
    let street = street(with_limits(limits())).await;
    let error = street
        .neighbour
        .list_members(&call(), "g", None, 1)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        CallError::NotExported {
            interface: "members"
        }
    );
    assert!(!error.outcome_unknown());
}

/// What a guest of the hostile corpus comes to under these limits, the first time and the second.
async fn strike(guest: &str, limits: Limits) -> [CallError; 2] {
    let Guest::Bytes(bytes) = tombolo_tests::hostile::guest(guest).unwrap() else {
        panic!("{guest} is no file of its own");
    };
    let runtime = runtime();
    let component = runtime.load(guest, bytes).await.unwrap();
    let connector = runtime.bind(&component, with_limits(limits)).await.unwrap();
    let search = async || {
        let wanted = Scalar::Text("strike".to_owned());
        let query = Query {
            filter: Some(vec![Node::Test((
                "login".to_owned(),
                Comparison::Equal,
                wanted,
            ))]),
            attributes: Vec::new(),
            cursor: None,
            limit: 10,
        };
        connector.search(&call(), "user", query).await.unwrap_err()
    };
    [search().await, search().await]
}

fn is_limit(error: &CallError, key: &str, value: u64) {
    assert!(
        matches!(error, CallError::LimitExceeded { what, limit } if what.contains(key) && *limit == value),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_growing_table_ends_at_the_table_limit() {
    let limits = Limits {
        tables: 5_000,
        ..limits()
    };
    for error in strike("table_bomb", limits).await {
        is_limit(&error, "`limits.tables`", 5_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_more_core_instances_than_allowed_does_not_load() {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    let limits = Limits {
        instances: 1,
        ..limits()
    };
    match runtime.bind(&component, with_limits(limits)).await.err() {
        Some(LoadError::Trial(error)) => is_limit(&error, "`limits.instances`", 1),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_targets_are_counted_and_weighed_also_those_that_are_denied() {
    let requests = Limits {
        outbound_requests: 5,
        ..limits()
    };
    for error in strike("request_flood", requests).await {
        is_limit(&error, "`limits.outbound-requests`", 5);
    }
    let bytes = Limits {
        outbound_bytes: 100,
        ..limits()
    };
    for error in strike("request_flood", bytes).await {
        is_limit(&error, "`limits.outbound-bytes`", 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_bytes_are_summed_in_both_directions() {
    let limits = Limits {
        host_call_bytes: 1 << 20,
        cpu: Duration::from_secs(5),
        ..limits()
    };
    for guest in ["state_hose", "state_sponge"] {
        for error in strike(guest, limits.clone()).await {
            is_limit(&error, "`limits.host-call-bytes`", 1 << 20);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_beyond_the_queue_is_refused_at_once() {
    let street = street(with_limits(Limits {
        concurrency: 1,
        queue: 0,
        ..limits()
    }))
    .await;
    let hostile = street.hostile.clone();
    // Whoever of the two comes first has the slot for a moment.
    let long = tokio::spawn(async move {
        while let Err(CallError::Busy { .. }) = hostile.get(&call(), "nap", "60000", &[]).await {
            tokio::task::yield_now().await;
        }
    });
    // The first call is in its slot as soon as another one finds none.
    let refused = loop {
        match street.provoke("entry", "x").await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            refused,
            CallError::Busy {
                crowded: Crowded::Queue { limit: 0 },
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(!refused.outcome_unknown());
    long.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_in_a_row_open_the_circuit_and_a_good_probe_closes_it() {
    let street = street(with_limits(Limits {
        circuit: Circuit {
            faults: 2,
            pause: Duration::from_millis(200),
            max_pause: Duration::from_millis(200),
        },
        ..limits()
    }))
    .await;
    let mut changes = street.runtime.circuits();
    // An answer that breaks the contract is a fault like a crash; a refusal is none.
    street.provoke("anchor-empty", "x").await.unwrap_err();
    street.provoke("fail", "no such thing").await.unwrap_err();
    street.provoke("anchor-empty", "x").await.unwrap_err();
    street.provoke("trap", "x").await.unwrap_err();
    changes.changed().await.unwrap();
    let refused = street.provoke("entry", "x").await.unwrap_err();
    assert!(
        matches!(&refused, CallError::CircuitOpen { cause, .. } if cause.contains("crashed")),
        "{refused:?}"
    );
    assert!(!refused.outcome_unknown());
    // The neighbour has a circuit of its own.
    let entry = street.neighbour.get(&call(), "user", "ada", &[]).await;
    entry.unwrap();
    let CircuitState::Open { next, .. } = street.hostile.circuit() else {
        panic!("it is closed");
    };
    tokio::time::sleep(next.unwrap_or_default()).await;
    street.provoke("entry", "x").await.unwrap();
    changes.changed().await.unwrap();
    assert_eq!(street.hostile.circuit(), CircuitState::Closed);
    let stats = street.hostile.stats().read();
    assert_eq!(stats.circuit_openings, 1);
    assert!(stats.faults.contains(&("circuit", 1)), "{stats:?}");
}
