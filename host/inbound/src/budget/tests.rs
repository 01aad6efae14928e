use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Decision, Limits, Priority, State, Why};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
}

fn small() -> Limits {
    Limits {
        burst: 5,
        burst_reserve: 1,
        day: 40,
        day_reserve: 8,
        day_window: Duration::from_mins(30),
        ..Limits::entra()
    }
}

/// Calls until the budget says no, each of which ends at once.
fn drain(state: &mut State, now: i64, priority: Priority, limits: &Limits) -> usize {
    let mut made = 0;
    while let Decision::Go(number) = state.take(at(now), priority, limits) {
        state.end(number, at(now));
        made += 1;
    }
    made
}

#[test]
fn a_burst_has_forty_calls_and_four_of_them_are_for_leavers() {
    let (mut state, limits) = (State::default(), Limits::entra());
    assert_eq!(drain(&mut state, 0, Priority::Normal, &limits), 36);
    assert_eq!(drain(&mut state, 10, Priority::Leaver, &limits), 4);
    let wait = state.take(at(20), Priority::Leaver, &limits);
    assert_eq!(wait, Decision::Wait(at(6_000), Why::Burst));
    assert_eq!(drain(&mut state, 5_999, Priority::Leaver, &limits), 0);
    assert_eq!(drain(&mut state, 6_000, Priority::Leaver, &limits), 36);
}

#[test]
fn a_day_has_six_thousand_calls_and_leavers_have_the_last_of_them() {
    let (mut state, limits) = (State::default(), Limits::entra());
    let (mut now, mut made) = (0, 0);
    loop {
        made += drain(&mut state, now, Priority::Normal, &limits);
        match state.take(at(now), Priority::Normal, &limits) {
            Decision::Wait(_, Why::Burst) => now += 40_000,
            other => {
                assert!(matches!(other, Decision::Wait(_, Why::Day)), "{other:?}");
                break;
            }
        }
    }
    assert_eq!(made, 5_400);
    assert_eq!(state.left(at(now), Priority::Normal, &limits), 0);
    assert_eq!(state.left(at(now), Priority::Leaver, &limits), 600);
    assert!(matches!(
        state.take(at(now + 40_000), Priority::Leaver, &limits),
        Decision::Go(_)
    ));
    let written = serde_json::to_vec(&state).unwrap();
    assert!(written.len() < 12_000, "{} bytes", written.len());
}

#[test]
fn a_call_whose_end_nobody_told_counts_until_its_time_out() {
    let limits = Limits {
        burst: 1,
        burst_reserve: 0,
        ..Limits::entra()
    };
    let mut state = State::default();
    assert!(matches!(
        state.take(at(0), Priority::Normal, &limits),
        Decision::Go(_)
    ));
    let flight = i64::try_from(limits.flight.as_millis()).unwrap();
    assert_eq!(
        state.take(at(1), Priority::Normal, &limits),
        Decision::Wait(at(flight + 6_000), Why::Burst)
    );
}

#[test]
fn a_hold_is_obeyed_by_leavers_too_and_not_for_ever() {
    let (mut state, limits) = (State::default(), Limits::entra());
    state.hold(at(0), at(30_000));
    state.hold(at(1), at(10_000));
    assert_eq!(
        state.take(at(2), Priority::Leaver, &limits),
        Decision::Wait(at(30_000), Why::Held)
    );
    state.hold(at(0), at(900_000_000));
    assert_eq!(
        state.take(at(0), Priority::Leaver, &limits),
        Decision::Wait(at(3_600_000), Why::Held)
    );
}

#[test]
fn a_clock_that_ran_a_year_ahead_blocks_for_one_window() {
    let (mut state, limits) = (State::default(), small());
    let year = 365 * 86_400_000;
    assert_eq!(drain(&mut state, year, Priority::Leaver, &limits), 5);
    assert_eq!(
        state.take(at(0), Priority::Leaver, &limits),
        Decision::Wait(at(6_000), Why::Burst)
    );
    assert_eq!(drain(&mut state, 6_000, Priority::Leaver, &limits), 5);
}

/// One thing that happens on one of two hosts.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u32),
    /// A call is wanted; it reaches the service so late, and ends so much later. Some are cut off by a crash.
    Call {
        host: usize,
        leaver: bool,
        arrives: u32,
        ends: u32,
        crash: bool,
    },
    /// Somebody is told to wait.
    Hold(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let call = (
        0..2_usize,
        any::<bool>(),
        0..20_000_u32,
        0..5_000_u32,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(host, leaver, arrives, ends, crash)| Step::Call {
            host,
            leaver,
            arrives,
            ends,
            crash,
        });
    prop_oneof![
        3 => (0..3_000_u32).prop_map(Step::Pass),
        1 => (0..400_000_u32).prop_map(Step::Pass),
        20 => call,
        1 => (0..20_000_u32).prop_map(Step::Hold),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever two hosts do, whose clocks are up to a second apart, however late their calls arrive and however they die:
    /// no window at the service has more calls than it allows.
    #[test]
    fn no_window_at_the_service_is_ever_exceeded(
        steps in prop::collection::vec(step(), 1..600),
        skew in 0..1_000_i64,
    ) {
        let limits = small();
        let mut stored = serde_json::to_vec(&State::default()).unwrap();
        let mut now = 0_i64;
        let mut arrivals: Vec<i64> = Vec::new();
        let mut under_way: Vec<(i64, u64, i64)> = Vec::new();
        for step in steps {
            if let Step::Pass(time) = step {
                now += i64::from(time);
            }
            // Every look at the state is a restart: nothing is kept outside of it.
            let mut state: State = serde_json::from_slice(&stored).unwrap();
            under_way.retain(|(end, number, skew)| {
                if *end <= now {
                    state.end(*number, at(*end + skew));
                }
                *end > now
            });
            match step {
                Step::Pass(_) => {}
                Step::Hold(time) => state.hold(at(now), at(now + i64::from(time))),
                Step::Call { host, leaver, arrives, ends, crash } => {
                    let skew = if host == 0 { 0 } else { skew };
                    let priority = if leaver { Priority::Leaver } else { Priority::Normal };
                    match state.take(at(now + skew), priority, &limits) {
                        Decision::Go(number) => {
                            let arrives = now + i64::from(arrives);
                            arrivals.push(arrives);
                            if !crash {
                                under_way.push((arrives + i64::from(ends), number, skew));
                            }
                        }
                        Decision::Wait(until, _) => prop_assert!(until > at(now + skew)),
                    }
                }
            }
            stored = serde_json::to_vec(&state).unwrap();
        }
        arrivals.sort_unstable();
        for (window, most) in [(5_000, 5), (30 * 60_000, 40)] {
            let mut inside = VecDeque::new();
            for arrival in &arrivals {
                while inside.front().is_some_and(|first| first + window <= *arrival) {
                    inside.pop_front();
                }
                inside.push_back(*arrival);
                prop_assert!(inside.len() <= most, "{} calls in {window} ms", inside.len());
            }
        }
    }

    /// A wait that was named is long enough when nobody else calls.
    #[test]
    fn whoever_waits_as_told_gets_a_call(times in prop::collection::vec(0..30_000_u32, 1..200)) {
        let limits = small();
        let (mut state, mut now) = (State::default(), at(0));
        for time in times {
            now = now.checked_add(SignedDuration::from_millis(i64::from(time))).unwrap();
            while let Decision::Wait(until, _) = state.take(now, Priority::Normal, &limits) {
                prop_assert!(until > now);
                now = until;
            }
        }
    }
}
