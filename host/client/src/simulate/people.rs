//! Generated tenants: people and groups that a seed describes, and what happens to them between two cycles.
//!
//! Names come from many scripts and have the characters that break directories and spreadsheets. The matching
//! attributes stay plain: Entra itself cannot match by values with special characters.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::tenant::{Group, Tenant, User};

const GIVEN: [&str; 20] = [
    "Ana",
    "Jürgen",
    "Zoë",
    "Łukasz",
    "Éloïse",
    "Žofie",
    "Íñigo",
    "Çağla",
    "Åsa",
    "João",
    "葵",
    "محمد",
    "Ελένη",
    "Анастасия",
    "小明",
    "Nguyễn",
    "Þóra",
    "अदिति",
    "Siobhán",
    "Mary Jane",
];
const FAMILY: [&str; 22] = [
    "Ruiz",
    "Müller",
    "O'Brien",
    "Wiśniewska",
    "Lefèvre",
    "Nováková",
    "Muñoz",
    "Yılmaz",
    "Öberg",
    "Conceição",
    "佐藤",
    "الحسن",
    "Παπαδόπουλος",
    "Кузнецов",
    "王",
    "Trần",
    "शर्मा",
    "van der Berg",
    "Smith-Jones",
    "King, Jr.",
    "Muir \"Mo\" Reid",
    "Back\\Slash; & Sons",
];
const DEPARTMENTS: [&str; 6] = [
    "Sales",
    "Engineering",
    "Finance, EU",
    "R&D",
    "Legal + Risk",
    "Qualité",
];
const TITLES: [&str; 5] = [
    "Engineer",
    "Analyst",
    "Head of \"Things\"",
    "Directrice",
    "C++ Developer",
];
const TEAMS: [&str; 5] = ["Sales", "Engineering", "Finance", "Research", "Legal"];
const CITIES: [(&str, &str, &str); 4] = [
    ("Lima", "LIM", "PE"),
    ("Zürich", "ZH", "CH"),
    ("Kraków", "MA", "PL"),
    ("Seattle", "WA", "US"),
];
/// Everybody's domain; reserved for such use (RFC 2606).
const DOMAIN: &str = "example.test";
/// Members of a new group, at most.
const TEAM_SIZE: usize = 20;

/// What a generated tenant is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// The same seed, the same tenant.
    pub seed: u64,
    /// How many users.
    pub people: usize,
    /// How many groups.
    pub groups: usize,
    /// How many in a hundred objects change between two cycles.
    pub churn: u8,
}

impl Population {
    /// The tenant before its first cycle.
    pub fn begin(&self) -> Tenant {
        let mut dice = Dice::of(self.seed, "tenant", 0);
        let mut tenant = Tenant::default();
        let mut hired = Vec::with_capacity(self.people);
        for n in 0..self.people {
            let user = self.hire(&mut dice, n, &hired);
            hired.push(user.id.clone());
            tenant.users.insert(user.id.clone(), user);
        }
        for n in 0..self.groups {
            let group = self.found(&mut dice, n, &hired);
            tenant.groups.insert(group.id.clone(), group);
        }
        tenant
    }

    /// The tenant at a later cycle: joiners, movers, leavers, and the groups that follow them. `turn` is the cycle's
    /// number, so that the same cycle is always the same change.
    pub fn later(&self, before: &Tenant, turn: u64) -> Tenant {
        let mut dice = Dice::of(self.seed, "later", turn);
        let mut tenant = before.clone();
        self.change_users(&mut tenant, &mut dice, turn);
        self.change_groups(&mut tenant, &mut dice, turn);
        tenant
    }

    fn change_users(&self, tenant: &mut Tenant, dice: &mut Dice, turn: u64) {
        let everybody: Vec<String> = tenant.users.keys().cloned().collect();
        let mut purged = BTreeSet::new();
        for id in &everybody {
            let Some(user) = tenant.users.get_mut(id) else {
                continue;
            };
            if user.soft_deleted {
                // The recycle bin: most leave it by the purge, some are restored.
                if dice.chance(70) {
                    purged.insert(id.clone());
                } else {
                    user.soft_deleted = false;
                }
                continue;
            }
            if !dice.chance(self.churn) {
                continue;
            }
            match dice.below(10) {
                0 | 1 => user.set("jobTitle", format!("{} II", dice.pick(&TITLES))),
                2 => {
                    user.set(
                        "department",
                        format!("{} ({})", dice.pick(&DEPARTMENTS), dice.below(9)),
                    );
                    user.set("mobile", phone(dice));
                }
                3 => user.move_house(dice),
                4 => user.marry(dice, turn),
                5 => {
                    user.manager =
                        Some(dice.pick(&everybody).clone()).filter(|manager| manager != id);
                }
                6 => user.manager = None,
                7 => user.account_enabled = !user.account_enabled,
                8 => user.assigned = !user.assigned,
                _ => user.soft_deleted = true,
            }
        }
        tenant.users.retain(|id, _| !purged.contains(id));
        for user in tenant.users.values_mut() {
            if user
                .manager
                .as_ref()
                .is_some_and(|manager| purged.contains(manager))
            {
                user.manager = None;
            }
        }
        for group in tenant.groups.values_mut() {
            group.members.retain(|member| !purged.contains(member));
        }
        let staff: Vec<String> = tenant.users.keys().cloned().collect();
        let joiners = share(self.people, self.churn).div_ceil(4);
        for n in 0..joiners {
            let user = self.hire(dice, number(turn, n), &staff);
            tenant.users.insert(user.id.clone(), user);
        }
    }

    fn change_groups(&self, tenant: &mut Tenant, dice: &mut Dice, turn: u64) {
        let staff: Vec<String> = tenant.users.keys().cloned().collect();
        let mut closed = Vec::new();
        for (id, group) in &mut tenant.groups {
            if !dice.chance(self.churn) {
                continue;
            }
            match dice.below(8) {
                0 => group.display_name = format!("{} {}", base_name(&group.display_name), turn),
                1 => group.assigned = !group.assigned,
                2 => closed.push(id.clone()),
                _ => {
                    for _ in 0..dice.below(4) {
                        if let Some(leaver) = group
                            .members
                            .iter()
                            .nth(dice.below(group.members.len()))
                            .cloned()
                        {
                            group.members.remove(&leaver);
                        }
                    }
                    if !staff.is_empty() {
                        group
                            .members
                            .extend((0..dice.below(5)).map(|_| dice.pick(&staff).clone()));
                    }
                }
            }
        }
        for id in closed {
            tenant.groups.remove(&id);
        }
        for n in 0..share(self.groups, self.churn).div_ceil(4) {
            let group = self.found(dice, number(turn, n), &staff);
            tenant.groups.insert(group.id.clone(), group);
        }
    }

    /// `colleagues` are who may be the manager.
    fn hire(&self, dice: &mut Dice, n: usize, colleagues: &[String]) -> User {
        let nick = format!("w{:x}.{n:06}", self.seed);
        let mut user = User::new(dice.guid(), format!("{nick}@{DOMAIN}"));
        let (given, family) = (*dice.pick(&GIVEN), *dice.pick(&FAMILY));
        user.set("mailNickname", nick.clone());
        user.set("displayName", format!("{given} {family} {n}"));
        user.set("givenName", given);
        user.set("surname", family);
        user.set("mail", format!("{nick}@mail.{DOMAIN}"));
        user.set("mobile", phone(dice));
        user.set("employeeId", format!("{:06}", 100_000 + n));
        user.set("department", *dice.pick(&DEPARTMENTS));
        // Not everybody has everything: a null property flows nowhere.
        if dice.chance(70) {
            user.set("jobTitle", *dice.pick(&TITLES));
        }
        if dice.chance(40) {
            user.set("telephoneNumber", phone(dice));
        }
        if dice.chance(50) {
            user.move_house(dice);
        }
        // The first few have nobody above them; whoever follows has one of the earliest eighth.
        if n >= 5 && !colleagues.is_empty() {
            user.manager = Some(colleagues[dice.below(colleagues.len().div_ceil(8))].clone());
        }
        user.account_enabled = !dice.chance(2);
        user
    }

    fn found(&self, dice: &mut Dice, n: usize, staff: &[String]) -> Group {
        let id = dice.guid().to_string();
        let display_name = format!("{} {:x} {n:04}", dice.pick(&TEAMS), self.seed);
        let members = match staff {
            [] => BTreeSet::new(),
            _ => (0..=dice.below(TEAM_SIZE))
                .map(|_| dice.pick(staff).clone())
                .collect(),
        };
        Group {
            id,
            display_name,
            assigned: true,
            members,
        }
    }
}

impl User {
    fn set(&mut self, property: &str, value: impl Into<String>) {
        self.properties.insert(property.to_owned(), value.into());
    }

    fn move_house(&mut self, dice: &mut Dice) {
        let (city, state, country) = *dice.pick(&CITIES);
        self.set(
            "streetAddress",
            format!("{} Rue de l'Été", 1 + dice.below(200)),
        );
        self.set("city", city);
        self.set("state", state);
        self.set("country", country);
        self.set("postalCode", format!("{:05}", dice.below(100_000)));
    }

    /// Name, mail and `userPrincipalName` change; the person does not.
    fn marry(&mut self, dice: &mut Dice, turn: u64) {
        let family = *dice.pick(&FAMILY);
        let given = self.property("givenName").unwrap_or_default().to_owned();
        self.set("surname", family);
        self.set("displayName", format!("{given} {family} ({turn})"));
        let local = self
            .user_principal_name
            .split(['@', '+'])
            .next()
            .unwrap_or_default()
            .to_owned();
        self.user_principal_name = format!("{local}+{turn}@{DOMAIN}");
        self.set("mail", format!("{local}.{turn}@mail.{DOMAIN}"));
    }
}

/// A number that no object of another cycle has.
fn number(turn: u64, n: usize) -> usize {
    usize::try_from(turn).unwrap_or(0) * 100_000 + n
}

fn share(of: usize, percent: u8) -> usize {
    (of * usize::from(percent)).div_ceil(100)
}

fn phone(dice: &mut Dice) -> String {
    format!("+1 555 {:07}", dice.below(10_000_000))
}

/// A group's name without the number that an earlier renaming gave it.
fn base_name(name: &str) -> String {
    name.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(population: &Population, turns: u64) -> Tenant {
        (1..=turns).fold(population.begin(), |tenant, turn| {
            population.later(&tenant, turn)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_same_seed_is_the_same_tenant_at_every_cycle(seed: u64, people in 0..120_usize, groups in 0..12_usize, churn in 0..=100_u8) {
            let population = Population { seed, people, groups, churn };
            prop_assert_eq!(after(&population, 3), after(&population, 3));
            prop_assert_eq!(population.begin().users.len(), people);
        }

        #[test]
        fn no_two_users_share_a_name_and_no_reference_dangles(seed: u64, churn in 0..=100_u8) {
            let population = Population { seed, people: 150, groups: 12, churn };
            let tenant = after(&population, 4);
            let names: BTreeSet<&str> = tenant.users.values().map(|u| u.user_principal_name.as_str()).collect();
            prop_assert_eq!(names.len(), tenant.users.len());
            let teams: BTreeSet<&str> = tenant.groups.values().map(|g| g.display_name.as_str()).collect();
            prop_assert_eq!(teams.len(), tenant.groups.len());
            for user in tenant.users.values() {
                prop_assert!(user.manager.as_ref().is_none_or(|m| tenant.users.contains_key(m) && *m != user.id));
            }
            for group in tenant.groups.values() {
                prop_assert!(group.members.iter().all(|m| tenant.users.contains_key(m)));
            }
        }
    }

    #[test]
    fn every_kind_of_change_happens() {
        let population = Population {
            seed: 1,
            people: 400,
            groups: 60,
            churn: 30,
        };
        let (first, third) = (population.begin(), after(&population, 2));
        let both = || {
            first
                .users
                .values()
                .filter_map(|user| Some((user, third.users.get(&user.id)?)))
        };
        assert!(
            third.users.keys().any(|id| !first.users.contains_key(id)),
            "joiners"
        );
        assert!(
            first.users.keys().any(|id| !third.users.contains_key(id)),
            "leavers"
        );
        assert!(
            both().any(|(old, new)| old.user_principal_name != new.user_principal_name),
            "renamed"
        );
        assert!(
            both().any(|(old, new)| old.account_enabled && !new.account_enabled),
            "blocked"
        );
        assert!(
            both().any(|(old, new)| old.assigned && !new.assigned),
            "unassigned"
        );
        assert!(both().any(|(_, new)| new.soft_deleted), "soft-deleted");
        assert!(
            both().any(|(old, new)| old.manager.is_some() && new.manager.is_none()),
            "managers gone"
        );
        assert!(
            both().any(|(old, new)| old.manager != new.manager && new.manager.is_some()),
            "managers changed"
        );
        let teams = || {
            first
                .groups
                .values()
                .filter_map(|group| Some((group, third.groups.get(&group.id)?)))
        };
        assert!(
            third.groups.keys().any(|id| !first.groups.contains_key(id)),
            "new groups"
        );
        assert!(
            first.groups.keys().any(|id| !third.groups.contains_key(id)),
            "closed groups"
        );
        assert!(
            teams().any(|(old, new)| old.display_name != new.display_name),
            "renamed groups"
        );
        assert!(
            teams().any(|(old, new)| old.members.difference(&new.members).count() > 0),
            "members gone"
        );
        assert!(
            teams().any(|(old, new)| new.members.difference(&old.members).count() > 0),
            "members come"
        );
    }
}
