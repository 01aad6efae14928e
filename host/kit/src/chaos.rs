//! Which host calls are struck, and with what.

use std::time::Duration;

use parking_lot::Mutex;
use tombolo_runtime::{HostCall, Interference, Strike};

/// Long enough for two calls to change places, short enough for a thousand of them.
const DELAY: Duration = Duration::from_millis(5);

/// What can go wrong with one host call.
pub(crate) const STRIKES: [(&str, Strike); 4] = [
    ("delayed", Strike::Delay(DELAY)),
    ("reset before its effect", Strike::Reset),
    ("done, and its answer lost", Strike::Lose),
    ("answered in part", Strike::Shorten),
];

/// The plan of one run: nothing, one strike at one call, or some at random.
#[derive(Default)]
pub(crate) struct Plan(Mutex<State>);

#[derive(Default)]
struct State {
    to_targets: usize,
    calls: usize,
    mode: Mode,
    struck: Vec<String>,
}

#[derive(Default)]
enum Mode {
    #[default]
    Quiet,
    Once(usize, Strike),
    Random {
        dice: Dice,
        percent: u64,
    },
}

impl Plan {
    /// Host calls to targets since the plan was made.
    pub(crate) fn calls_to_targets(&self) -> usize {
        self.0.lock().to_targets
    }

    /// Counts from here on, and strikes nothing.
    pub(crate) fn quiet(&self) {
        self.set(Mode::Quiet);
    }

    /// Strikes the host call of this number, counted from here on.
    pub(crate) fn once(&self, at: usize, strike: Strike) {
        self.set(Mode::Once(at, strike));
    }

    /// Strikes so many of a hundred, as the seed has it.
    pub(crate) fn random(&self, seed: u64, percent: u64) {
        self.set(Mode::Random {
            dice: Dice(seed),
            percent,
        });
    }

    fn set(&self, mode: Mode) {
        let mut state = self.0.lock();
        state.calls = 0;
        state.struck.clear();
        state.mode = mode;
    }

    /// Ends what was set: how many host calls there were, and which were struck.
    pub(crate) fn end(&self) -> (usize, Vec<String>) {
        let mut state = self.0.lock();
        state.mode = Mode::Quiet;
        (state.calls, std::mem::take(&mut state.struck))
    }
}

impl Interference for Plan {
    fn strike(&self, call: &HostCall<'_>) -> Strike {
        let mut state = self.0.lock();
        if call.capability != "state" {
            state.to_targets += 1;
        }
        let at = state.calls;
        state.calls += 1;
        let strike = match &mut state.mode {
            Mode::Quiet => Strike::None,
            Mode::Once(wanted, strike) if *wanted == at => *strike,
            Mode::Once(..) => Strike::None,
            Mode::Random { dice, percent } => {
                if dice.roll() % 100 < *percent {
                    let which = usize::try_from(dice.roll() % 4).unwrap_or(0);
                    STRIKES[which].1
                } else {
                    Strike::None
                }
            }
        };
        if let Some((words, _)) = STRIKES.iter().find(|(_, known)| *known == strike) {
            state.struck.push(format!(
                "host call {at}, {}.{}, {words}",
                call.capability, call.operation
            ));
        }
        strike
    }
}

/// Numbers that look random and are the same for the same seed, for ever (SplitMix64).
#[derive(Clone, Copy, Default)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(capability: &'static str) -> HostCall<'static> {
        HostCall {
            capability,
            operation: "search",
            target: "directory",
            request: "r",
        }
    }

    #[test]
    fn one_call_is_struck_and_told() {
        let plan = Plan::default();
        plan.once(1, Strike::Lose);
        let strikes = [(); 3].map(|()| plan.strike(&call("ldap")));
        assert_eq!(strikes, [Strike::None, Strike::Lose, Strike::None]);
        let (calls, struck) = plan.end();
        assert_eq!(calls, 3);
        assert_eq!(
            struck,
            ["host call 1, ldap.search, done, and its answer lost"]
        );
        plan.strike(&call("state"));
        assert_eq!(plan.calls_to_targets(), 3);
    }

    #[test]
    fn the_same_seed_is_the_same_chaos() {
        let strikes = |seed| {
            let plan = Plan::default();
            plan.random(seed, 50);
            (0..50)
                .map(|_| plan.strike(&call("ldap")))
                .collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }
}
