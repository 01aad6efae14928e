//! Many calls, and calls after one that went wrong.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tombolo_runtime::contract::Query;
use tombolo_runtime::{AppSpec, Call, CallError, Limits, Reuse};

use crate::case::{Played, cases};
use crate::play::{Play, skip, stop};
use crate::values;

cases! {
    Nothing Mandatory "endurance/warm" warm
        "thousands of calls on kept instances all succeed: nothing is leaked that runs out";
        "wit/README.md, Abilities; limits: `resources`, `memory`";
        "drop every handle (secrets, connections, transactions) before the call returns"
    Nothing Mandatory "endurance/memory" memory
        "kept instances do not grow";
        "limits: `memory`; an instance that doubles is recycled, which costs its next caller a cold start";
        "keep no caches without a bound; free what a call has used"
    Nothing Mandatory "endurance/latency" latency
        "the last of many calls are as quick as the first";
        "wit/README.md, Abilities";
        "look for lists that grow with every call"
    Nothing Mandatory "endurance/recovery" recovery
        "after calls that ran out of time or of processor, the next call works";
        "wit/README.md, Failures: the instance is thrown away; the target and `state` must not be left locked";
        "leave no lock in the target or in `state` that only the end of the call would release"
    Nothing Mandatory "endurance/parallel" parallel
        "calls at the same time do not disturb each other";
        "wit/README.md, Abilities: as many calls as the app's concurrency";
        "share nothing between calls but the target"
}

fn first_page() -> Query {
    Query {
        filter: None,
        attributes: Vec::new(),
        cursor: None,
        limit: 1,
    }
}

/// What a run of many calls told.
struct Story {
    times: Vec<Duration>,
    grown: Option<(u64, u64)>,
    recycled: u64,
}

/// A binding of its own, so that its counters are about these calls only.
async fn many(play: &Play<'_>) -> Played<Story> {
    let stage = play.stage;
    let calls = stage.settings.calls;
    if calls == 0 {
        return skip("--calls 0");
    }
    let kind = stage.kinds()[0];
    let anchor = play
        .crowd(kind)
        .await
        .ok()
        .and_then(|crowd| crowd.first().map(|entry| entry.anchor.clone()));
    let spec = AppSpec {
        reuse: Reuse::Warm,
        ..stage.spec.clone()
    };
    let bound = stage.runtime.bind(&stage.component, spec).await;
    let connector = bound.map_err(|why| stop("bind", "it loads", why.to_string()))?;
    let on = play.on(&connector);
    let mut times = Vec::with_capacity(calls);
    let mut early = 0;
    for n in 0..calls {
        let began = Instant::now();
        match (&anchor, n % 3) {
            (Some(anchor), 0 | 1) => drop(
                on.get(&kind.name, anchor, &[])
                    .await
                    .ok("the object, as in the calls before")?,
            ),
            _ => drop(
                on.search(&kind.name, first_page())
                    .await
                    .ok("a page, as in the calls before")?,
            ),
        }
        times.push(began.elapsed());
        if n == calls / 10 {
            early = connector.stats().read().memory_peak;
        }
    }
    play.take_over(&on);
    let told = connector.stats().read();
    Ok(Story {
        times,
        grown: (early > 0).then_some((early, told.memory_peak)),
        recycled: told.recycled,
    })
}

async fn warm(play: &Play<'_>) -> Played {
    let story = many(play).await?;
    play.note(format!("{} calls", story.times.len()));
    Ok(())
}

/// What an allocator may take in steps without anything being wrong.
const SLACK: u64 = 2 << 20;

async fn memory(play: &Play<'_>) -> Played {
    let story = many(play).await?;
    let said = format!("{} calls on kept instances", story.times.len());
    if let Some((early, late)) = story.grown
        && late > early + early / 2 + SLACK
    {
        play.wrong(
            &said,
            format!("about the {early} bytes of the first tenth"),
            format!("{late} bytes"),
        );
    }
    if story.recycled > 0 {
        play.wrong(
            said,
            "no instance is recycled",
            format!("{} were, for their growth", story.recycled),
        );
    }
    Ok(())
}

fn middle(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

async fn latency(play: &Play<'_>) -> Played {
    let story = many(play).await?;
    let tenth = story.times.len() / 10;
    if tenth < 20 {
        return skip("too few calls to compare; see --calls");
    }
    let first = middle(&story.times[tenth..2 * tenth]);
    let last = middle(&story.times[story.times.len() - tenth..]);
    if last > first * 3 + Duration::from_millis(2) {
        play.wrong(
            format!("{} calls on kept instances", story.times.len()),
            format!("about {first:?} a call, as in the beginning"),
            format!("{last:?} in the end"),
        );
    }
    Ok(())
}

async fn recovery(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let kind = stage.kinds()[0];
    // No time at all, then more of it, on instances that are kept.
    for microseconds in [0, 20, 50, 100, 200, 500, 1_000] {
        let call = Call {
            deadline: Instant::now() + Duration::from_micros(microseconds),
            ..stage.call()
        };
        drop(stage.warm.search(&call, &kind.name, first_page()).await);
        play.on(&stage.warm)
            .search(&kind.name, first_page())
            .await
            .ok("a page, after a call that ran out of time")?;
    }
    let spec = AppSpec {
        limits: Limits {
            cpu: Duration::from_nanos(1),
            ..stage.spec.limits.clone()
        },
        ..stage.spec.clone()
    };
    // Without processor time most do not even load; those that do are stopped in their first call.
    if let Ok(starved) = stage.runtime.bind(&stage.component, spec).await {
        drop(
            starved
                .search(&stage.call(), &kind.name, first_page())
                .await,
        );
    }
    for connector in [&stage.warm, &stage.fresh] {
        let on = play.on(connector);
        on.search(&kind.name, first_page())
            .await
            .ok("a page, after a call that was stopped")?;
        on.check()
            .await
            .ok("success, after a call that was stopped")?;
    }
    Ok(())
}

async fn parallel(play: &Play<'_>) -> Played {
    let stage = play.stage;
    for kind in stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for connector in [&stage.warm, &stage.fresh] {
            let on = play.on(connector);
            let calls = crowd
                .iter()
                .map(|entry| on.get(&kind.name, &entry.anchor, &[]));
            for (entry, asked) in crowd.iter().zip(join_all(calls).await) {
                let said = format!("{} at once: {}", crowd.len(), asked.asked);
                match asked.came {
                    Ok(came) => play.alike(kind, &said, entry, &came),
                    Err(CallError::Busy { .. }) => {}
                    Err(CallError::Failure(failure))
                        if failure.fault == tombolo_runtime::contract::Fault::Busy => {}
                    Err(error) => play.wrong(said, "the object", values::error(&error)),
                }
            }
            play.take_over(&on);
        }
    }
    Ok(())
}
