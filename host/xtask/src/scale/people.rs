//! People and groups by number: nothing of them is kept, so that a million cost no memory.

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Population {
    pub(super) users: u64,
    pub(super) groups: u64,
}

const GIVEN: [&str; 16] = [
    "Ana",
    "Jürgen",
    "Zoë",
    "Łukasz",
    "Éloïse",
    "Íñigo",
    "Åsa",
    "João",
    "葵",
    "محمد",
    "Ελένη",
    "小明",
    "Nguyễn",
    "Þóra",
    "Siobhán",
    "Mary Jane",
];
const FAMILY: [&str; 16] = [
    "Ruiz",
    "Müller",
    "O'Brien",
    "Wiśniewska",
    "Lefèvre",
    "Nováková",
    "Yılmaz",
    "Öberg",
    "佐藤",
    "الحسن",
    "Кузнецов",
    "王",
    "Trần",
    "van der Berg",
    "Smith-Jones",
    "King, Jr.",
];
const DEPARTMENTS: [&str; 8] = [
    "Sales",
    "Engineering",
    "Finance",
    "Human Resources",
    "Legal",
    "Operations",
    "Research",
    "IT",
];
const TITLES: [&str; 6] = [
    "Engineer",
    "Analyst",
    "Manager",
    "Director",
    "Clerk",
    "Consultant",
];
/// No group but that of everybody has more members.
const LARGEST: u64 = 20_000;

/// What of a person or a group differs from the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Login,
    External,
    Display,
    Given,
    Family,
    Title,
    Department,
    Phone,
    Number,
}

impl Field {
    pub(super) const ALL: [Self; 10] = [
        Self::Id,
        Self::Login,
        Self::External,
        Self::Display,
        Self::Given,
        Self::Family,
        Self::Title,
        Self::Department,
        Self::Phone,
        Self::Number,
    ];

    /// A word that stands for it in the one person or group that a host is asked to make.
    pub(super) fn word(self, of: &str) -> String {
        format!("{of}-word-{self:?}").to_lowercase()
    }

    /// What a person has.
    pub(super) fn of_user(self, n: u64) -> String {
        let dice = mix(n);
        match self {
            Self::Id => id(n, 1),
            Self::Login => format!("{:x}.{n}@example.test", dice & 0xffff),
            Self::External => format!("{:016x}{:016x}", mix(dice), dice),
            Self::Display => format!("{} {}", Self::Given.of_user(n), Self::Family.of_user(n)),
            Self::Given => pick(&GIVEN, dice).to_owned(),
            // Names repeat, but not by the ten thousand.
            Self::Family => format!("{} {:x}", pick(&FAMILY, dice >> 8), (dice >> 16) & 0xfff),
            Self::Title => pick(&TITLES, dice >> 28).to_owned(),
            Self::Department => pick(&DEPARTMENTS, dice >> 32).to_owned(),
            Self::Phone => format!("+1-555-{:07}", (dice >> 36) % 10_000_000),
            Self::Number => format!("{:07}", 1_000_000 + n),
        }
    }

    /// What a group has.
    pub(super) fn of_group(self, n: u64) -> String {
        match self {
            Self::Id => id(n, 2),
            Self::External => format!("{:016x}{:016x}", mix(n ^ 0xabcd), mix(n)),
            _ if n == 0 => "All staff".to_owned(),
            _ => format!("G-{}-{n:06}", pick(&DEPARTMENTS, mix(n))),
        }
    }
}

impl Population {
    /// How many members a group has: the first has everybody, most are small, some have thousands.
    pub(super) fn size(self, group: u64) -> u64 {
        if group == 0 {
            return self.users;
        }
        // Pareto with the exponent 1.05: half have fewer than twelve.
        #[expect(clippy::cast_precision_loss, reason = "a draw")]
        let draw = ((mix(group ^ 0x5eed) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a draw"
        )]
        let size = (6.0 * draw.powf(-1.0 / 1.05)) as u64;
        size.clamp(1, LARGEST).min(self.users)
    }

    /// The number of a group's member: each once.
    pub(super) fn member(self, group: u64, turn: u64) -> u64 {
        if group == 0 {
            return turn;
        }
        // From a place of the group's own, in steps that meet nobody twice.
        let step = (self.users / self.size(group)).max(1);
        (mix(group) % self.users + turn * step) % self.users
    }
}

fn pick<'a>(from: &[&'a str], dice: u64) -> &'a str {
    let index = usize::try_from(dice % from.len() as u64).unwrap_or(0);
    from[index]
}

/// A UUID of version 7, later for a higher number, some a millisecond as in a first cycle.
fn id(n: u64, sort: u64) -> String {
    let (time, dice) = (0x0199_0000_0000 + n / 2, mix(n * 4 + sort));
    format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        time >> 16,
        time & 0xffff,
        (n % 2) << 11 | (dice & 0x7ff),
        (dice >> 12) & 0xfff,
        mix(dice) & 0xffff_ffff_ffff
    )
}

/// Splitmix64.
pub(super) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_is_in_a_group_twice_and_ids_and_logins_are_their_own() {
        let all = Population {
            users: 1_000,
            groups: 300,
        };
        for group in 0..all.groups {
            let members: BTreeSet<u64> =
                (0..all.size(group)).map(|n| all.member(group, n)).collect();
            assert_eq!(members.len() as u64, all.size(group), "group {group}");
            assert!(members.iter().all(|n| *n < all.users));
        }
        for field in [Field::Id, Field::Login, Field::External, Field::Number] {
            let values: BTreeSet<String> = (0..all.users).map(|n| field.of_user(n)).collect();
            assert_eq!(values.len() as u64, all.users, "{field:?}");
        }
        let ids: Vec<String> = (0..all.users).map(|n| Field::Id.of_user(n)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].len(), 36);
    }
}
