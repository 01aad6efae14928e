//! Randomness that a seed repeats, on every machine and with every version of every library.

use uuid::Uuid;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The sequence that belongs to `seed` and to what is named: the same for the same thing, whatever comes before it.
    pub(crate) fn of(seed: u64, thing: &str, turn: u64) -> Self {
        // FNV-1a, because the standard library's hasher may change.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for byte in thing.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Self(Self(seed ^ hash).roll() ^ turn.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The next 64 bits.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % limit).unwrap_or(0)
    }

    /// One of `items`, which are not empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// True in `percent` of 100.
    pub(crate) fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < usize::from(percent)
    }

    /// A GUID as Entra's: random, version 4.
    pub(crate) fn guid(&mut self) -> Uuid {
        let bits = (u128::from(self.roll()) << 64) | u128::from(self.roll());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let rolls = |mut dice: Dice| (0..50).map(|_| dice.roll()).collect::<Vec<_>>();
        assert_eq!(rolls(Dice(7)), rolls(Dice(7)));
        assert_ne!(rolls(Dice(7)), rolls(Dice(8)));
        assert_eq!(rolls(Dice::of(7, "ana", 1)), rolls(Dice::of(7, "ana", 1)));
        assert_ne!(rolls(Dice::of(7, "ana", 1)), rolls(Dice::of(7, "ana", 2)));
        assert_ne!(rolls(Dice::of(7, "ana", 1)), rolls(Dice::of(7, "bob", 1)));
        // The published first output of SplitMix64 for the seed 0.
        assert_eq!(Dice(0).roll(), 0xE220_A839_7B1D_CDAF);
    }
}
