//! People and groups, the same for the same seed: names from many scripts, and
//! among them, on purpose, every character that a distinguished name escapes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::dice::Dice;

/// URN of the enterprise extension (RFC 7643 section 4.3).
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// URN of the core User schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

const GIVEN: &[&str] = &[
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
    "Dvořák",
    "Renée",
    "Mary Jane",
    "O",
    "Ægir",
];
const FAMILY: &[&str] = &[
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
    "Guðmundsdóttir",
    "शर्मा",
    "van der Berg",
    "Smith-Jones",
];
/// What RFC 4514 wants escaped, alone and in bad company.
const HOSTILE: &[&str] = &[
    ", Jr.",
    "+plus",
    " \"quoted\"",
    "\\back",
    "<less",
    ">more",
    ";semi",
    "#hash",
    "=equal",
    ",+\"\\<>;#=",
    " (paren) *",
    "\\2C",
    " / slash",
];
const DEPARTMENTS: &[&str] = &[
    "Sales",
    "Engineering",
    "Finance, EU",
    "R&D",
    "Legal + Risk",
    "Qualité",
];
const TITLES: &[&str] = &[
    "Engineer",
    "Analyst",
    "Head of \"Things\"",
    "Directrice",
    "C++ Developer",
];

/// One person, as the tenant knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Entra's own key of this person.
    pub external_id: String,
    /// SCIM `userName`.
    pub user_name: String,
    /// SCIM `displayName`.
    pub display: String,
    /// SCIM `name.givenName`.
    pub given: String,
    /// SCIM `name.familyName`.
    pub family: String,
    /// SCIM `title`.
    pub title: String,
    /// Enterprise `department`.
    pub department: String,
    /// Enterprise `employeeNumber`.
    pub employee_number: String,
    /// `emails[type eq "work"].value`.
    pub mail: String,
    /// `phoneNumbers[type eq "mobile"].value`.
    pub mobile: String,
    /// SCIM `active`.
    pub active: bool,
    /// `external_id` of the manager.
    pub manager: Option<String>,
}

/// One group, as the tenant knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Entra's objectId.
    pub external_id: String,
    /// SCIM `displayName`.
    pub display: String,
    /// `external_id`s of the members.
    pub members: BTreeSet<String>,
}

/// Who is in scope, by `external_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// People.
    pub people: BTreeMap<String, Person>,
    /// Groups.
    pub teams: BTreeMap<String, Team>,
}

/// Which names a tenant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Many scripts, nothing that a DN escapes.
    Worldly,
    /// The same, and every seventh with characters that a DN escapes, or with
    /// leading or trailing blanks, in the names and in the `userName`.
    Hostile,
}

impl Person {
    /// What Entra flows for this person: PATCH path and value, without references.
    pub fn attributes(&self) -> Vec<(String, Value)> {
        [
            ("userName", json!(self.user_name)),
            ("externalId", json!(self.external_id)),
            ("displayName", json!(self.display)),
            ("name.givenName", json!(self.given)),
            ("name.familyName", json!(self.family)),
            ("title", json!(self.title)),
            ("emails[type eq \"work\"].value", json!(self.mail)),
            ("phoneNumbers[type eq \"mobile\"].value", json!(self.mobile)),
            (&format!("{ENTERPRISE}:department"), json!(self.department)),
            (
                &format!("{ENTERPRISE}:employeeNumber"),
                json!(self.employee_number),
            ),
            ("active", json!(self.active)),
        ]
        .into_iter()
        .map(|(path, value)| (path.to_owned(), value))
        .collect()
    }

    /// The body of the POST that creates this person. References come later.
    pub fn to_scim(&self) -> Value {
        json!({
            "schemas": [USER, ENTERPRISE],
            "userName": self.user_name,
            "externalId": self.external_id,
            "displayName": self.display,
            "name": { "givenName": self.given, "familyName": self.family },
            "title": self.title,
            "active": self.active,
            "emails": [{ "type": "work", "primary": true, "value": self.mail }],
            "phoneNumbers": [{ "type": "mobile", "value": self.mobile }],
            "roles": [],
            "meta": { "resourceType": "User" },
            ENTERPRISE: { "department": self.department, "employeeNumber": self.employee_number },
        })
    }
}

/// Reads one of [`Person::attributes`]' paths out of a resource.
pub fn read_path<'a>(resource: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(attribute) = path.strip_prefix(ENTERPRISE) {
        return resource.get(ENTERPRISE)?.get(attribute.strip_prefix(':')?);
    }
    if let Some((attribute, rest)) = path.split_once("[type eq \"") {
        let (kind, sub) = rest.split_once("\"].")?;
        return resource
            .get(attribute)?
            .as_array()?
            .iter()
            .find(|element| element["type"] == kind)?
            .get(sub);
    }
    match path.split_once('.') {
        Some((attribute, sub)) => resource.get(attribute)?.get(sub),
        None => resource.get(path),
    }
}

/// The flat keys of a compliant-mode PATCH, as the nested resource they mean.
pub fn flat(pairs: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    pairs.into_iter().collect()
}

impl Tenant {
    /// `people` people and `teams` groups that `seed` describes.
    pub fn new(seed: u64, people: usize, teams: usize, names: Names) -> Self {
        let mut dice = Dice::new(seed);
        let mut tenant = Self::default();
        for n in 0..people {
            let person = tenant.hire(&mut dice, seed, n, names);
            tenant.people.insert(person.external_id.clone(), person);
        }
        let everybody: Vec<String> = tenant.people.keys().cloned().collect();
        for n in 0..teams {
            let external_id = format!("g-{seed:x}-{n:05}");
            let mut display = format!("Team {n:03} {}", dice.pick(DEPARTMENTS));
            if names == Names::Hostile && n % 7 == 3 {
                display.push_str(dice.pick(HOSTILE));
            }
            let mut members = BTreeSet::new();
            if !everybody.is_empty() {
                for _ in 0..=dice.below(20) {
                    members.insert(everybody[dice.below(everybody.len())].clone());
                }
            }
            let team = Team {
                external_id,
                display,
                members,
            };
            tenant.teams.insert(team.external_id.clone(), team);
        }
        tenant
    }

    fn hire(&self, dice: &mut Dice, seed: u64, n: usize, names: Names) -> Person {
        let (mut given, mut family) = (dice.pick(GIVEN).to_owned(), dice.pick(FAMILY).to_owned());
        let mut user_name = format!("w{seed:x}.{n:05}@example.test");
        let mut display = format!("{given} {family} {n}");
        if names == Names::Hostile && n.is_multiple_of(7) {
            let odd = dice.pick(HOSTILE);
            family.push_str(odd);
            display = format!("{given} {family} {n}");
            user_name = format!("w{seed:x}{odd}.{n:05}@example.test");
        }
        if names == Names::Hostile && n.is_multiple_of(31) {
            given = format!(" {given}");
            display = format!(" {display} ");
            user_name = format!(" {user_name} ");
        }
        if names == Names::Hostile && n.is_multiple_of(37) {
            display = format!("#{display}");
        }
        let manager = (n >= 5).then(|| {
            let place = dice.below(n.div_ceil(8).min(n));
            self.people.keys().nth(place).cloned()
        });
        Person {
            external_id: format!("u-{seed:x}-{n:05}"),
            user_name,
            display,
            given,
            family,
            title: dice.pick(TITLES).to_owned(),
            department: dice.pick(DEPARTMENTS).to_owned(),
            employee_number: format!("{:06}", 100_000 + n),
            mail: format!("w{seed:x}.{n:05}@mail.example.test"),
            mobile: format!("+1 555 {:07}", dice.below(10_000_000)),
            active: true,
            manager: manager.flatten(),
        }
    }

    /// What happens to a tenant in a while: some people change title and
    /// department, some marry (name and `userName` change), some are blocked,
    /// some come back, some leave; groups change hands, names, and cease.
    #[must_use]
    pub fn later(&self, seed: u64, share: usize) -> Self {
        let mut dice = Dice::new(seed);
        let mut after = self.clone();
        let keys: Vec<String> = self.people.keys().cloned().collect();
        for key in &keys {
            if !dice.one_in(share.max(1)) {
                continue;
            }
            let Some(person) = after.people.get_mut(key) else {
                continue;
            };
            match dice.below(6) {
                0 => person.title = format!("{} II", dice.pick(TITLES)),
                1 => {
                    person.department = format!("{} ({})", dice.pick(DEPARTMENTS), dice.below(9));
                    person.mobile = format!("+1 556 {:07}", dice.below(10_000_000));
                }
                2 => {
                    person.family = format!("{}-{}", person.family.trim(), dice.pick(FAMILY));
                    person.display = format!("{} ({})", person.display.trim(), dice.pick(FAMILY));
                    person.user_name = format!("new.{}", person.user_name.trim_start());
                    person.mail = format!("new.{}", person.mail);
                }
                3 | 4 => person.active = !person.active,
                _ => {
                    after.people.remove(key);
                    for team in after.teams.values_mut() {
                        team.members.remove(key);
                    }
                    for other in after.people.values_mut() {
                        if other.manager.as_deref() == Some(key) {
                            other.manager = None;
                        }
                    }
                }
            }
        }
        let here: Vec<String> = after.people.keys().cloned().collect();
        let teams: Vec<String> = after.teams.keys().cloned().collect();
        for (n, key) in teams.iter().enumerate() {
            let Some(team) = after.teams.get_mut(key) else {
                continue;
            };
            match n % 5 {
                0 => team.display = format!("{} EU", team.display.trim()),
                1 | 2 if !here.is_empty() => {
                    let gone = team.members.iter().next().cloned();
                    if let Some(gone) = gone {
                        team.members.remove(&gone);
                    }
                    for _ in 0..3 {
                        team.members.insert(here[dice.below(here.len())].clone());
                    }
                }
                3 if n % 15 == 3 => {
                    after.teams.remove(key);
                }
                _ => {}
            }
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_tenant() {
        assert_eq!(
            Tenant::new(7, 300, 20, Names::Hostile),
            Tenant::new(7, 300, 20, Names::Hostile)
        );
        assert_ne!(
            Tenant::new(7, 300, 20, Names::Hostile),
            Tenant::new(8, 300, 20, Names::Hostile)
        );
    }

    #[test]
    fn every_hostile_character_occurs_in_user_names() {
        let tenant = Tenant::new(1, 1000, 0, Names::Hostile);
        for hostile in [',', '+', '"', '\\', '<', '>', ';', '#', '='] {
            assert!(
                tenant
                    .people
                    .values()
                    .any(|p| p.user_name.contains(hostile)),
                "no userName has {hostile}"
            );
        }
        assert!(
            tenant
                .people
                .values()
                .any(|p| p.user_name.starts_with(' ') && p.user_name.ends_with(' '))
        );
    }

    #[test]
    fn paths_read_what_the_post_body_holds() {
        let tenant = Tenant::new(3, 40, 0, Names::Hostile);
        for person in tenant.people.values() {
            let body = person.to_scim();
            for (path, value) in person.attributes() {
                assert_eq!(read_path(&body, &path), Some(&value), "{path}");
            }
        }
    }
}
