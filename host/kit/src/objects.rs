//! Objects for checks: made from the description, in the order that references want, and given back at the end.

use std::sync::Arc;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Attribute, Entry, Fault, Value};

use crate::case::Played;
use crate::describe::{Field, Kind, Mutability, Type};
use crate::play::{Play, skip};
use crate::values::{self, attribute, same, text};

/// How many objects of a kind filters and pages are tried on.
pub(crate) const CROWD: u64 = 23;

impl Play<'_> {
    /// May the kit give the attribute a value?
    pub(crate) fn is_usable(&self, kind: &Kind, field: &Field) -> bool {
        let key = (kind.name.clone(), field.name.clone());
        field.is_creatable() && !field.is_place() && !self.stage.avoided.lock().contains_key(&key)
    }

    /// The `n`th values of an attribute; none where none can be made.
    pub(crate) async fn values(&self, kind: &Kind, field: &Field, n: u64) -> Played<Vec<Value>> {
        if let Some(fixed) = self.stage.fixed(&kind.name, &field.name) {
            return Ok(vec![fixed.clone()]);
        }
        if field.data == Type::Reference {
            let to = field.to.as_deref().unwrap_or_default();
            let anchor = self.referent(to, n).await?;
            return Ok(anchor.map(text).into_iter().collect());
        }
        let mut values: Vec<Value> = self.stage.sampler.value(field, n).into_iter().collect();
        if field.multi && !field.unique {
            values.extend(self.stage.sampler.value(field, n + 1));
            values.dedup();
        }
        Ok(values)
    }

    /// An object to point at, of two that stay to the end of the run.
    async fn referent(&self, kind: &str, n: u64) -> Played<Option<String>> {
        let Some(kind) = self.stage.description.kind(kind) else {
            return Ok(None);
        };
        let key = format!("referents of {}", kind.name);
        let mut crowds = self.stage.crowds.lock().await;
        let known = crowds.get(&key).cloned();
        let referents = match known {
            Some(referents) => referents,
            None => {
                let mut made = Vec::new();
                for _ in 0..2 {
                    let attributes = self.required(kind);
                    let request = self.stage.sampler.request();
                    let entry = self
                        .create(&kind.name, &attributes, &request)
                        .await
                        .ok("an object with what is required")?;
                    self.keep(&kind.name, &entry.anchor);
                    made.push(entry);
                }
                let made = Arc::new(made);
                crowds.insert(key, Arc::clone(&made));
                made
            }
        };
        let at = usize::try_from(n % 2).unwrap_or(0);
        Ok(referents.get(at).map(|entry| entry.anchor.clone()))
    }

    /// What a create cannot be without; required references are beyond the kit unless the operator gives them.
    pub(crate) fn required(&self, kind: &Kind) -> Vec<Attribute> {
        let n = self.stage.sampler.next();
        let fields = kind.attributes.iter().filter(|field| {
            let fixed = self.stage.fixed(&kind.name, &field.name).is_some();
            (field.required || fixed) && field.is_creatable()
        });
        fields
            .filter_map(|field| {
                let fixed = self.stage.fixed(&kind.name, &field.name).cloned();
                let value = fixed.or_else(|| self.stage.sampler.value(field, n))?;
                Some(attribute(&field.name, vec![value]))
            })
            .collect()
    }

    /// A value for every attribute that may have one.
    pub(crate) async fn everything(&self, kind: &Kind) -> Played<Vec<Attribute>> {
        let n = self.stage.sampler.next();
        let mut attributes = Vec::new();
        for field in &kind.attributes {
            if self.is_usable(kind, field) {
                let values = self.values(kind, field, n).await?;
                if !values.is_empty() {
                    attributes.push(attribute(&field.name, values));
                }
            }
        }
        Ok(attributes)
    }

    /// A new object with what is required and nothing else.
    pub(crate) async fn small(&self, kind: &Kind) -> Played<Entry> {
        let attributes = self.required(kind);
        let request = self.stage.sampler.request();
        self.create(&kind.name, &attributes, &request)
            .await
            .ok("an object with what is required")
    }

    /// A new object with a value for every attribute, and what was given to it. An optional attribute whose sample
    /// value the target refuses by name is left out from then on: the description cannot say all that a target wants.
    pub(crate) async fn full(&self, kind: &Kind) -> Played<(Entry, Vec<Attribute>, String)> {
        loop {
            let attributes = self.everything(kind).await?;
            let request = self.stage.sampler.request();
            let asked = self.create(&kind.name, &attributes, &request).await;
            if let Err(CallError::Failure(failure)) = &asked.came
                && matches!(failure.fault, Fault::Invalid | Fault::Unsupported)
                && let Some(name) = &failure.attribute
                && kind.field(name).is_some_and(|field| !field.required)
                && attributes.iter().any(|given| given.name == *name)
            {
                let said = values::error(&CallError::Failure(failure.clone()));
                self.note(format!(
                    "{}.{name} is left out: the sample value was refused ({said}); give one with `--set {}.{name}=VALUE`",
                    kind.name, kind.name
                ));
                let mut avoided = self.stage.avoided.lock();
                avoided.insert((kind.name.clone(), name.clone()), said);
                continue;
            }
            let said = asked.asked.clone();
            let entry = asked.ok("an object with a value for every attribute")?;
            return Ok((entry, attributes, said));
        }
    }

    /// Objects of a kind that filters and pages are tried on, as the connector shows them: made once a run, or, where
    /// nothing can be written, those that are there.
    pub(crate) async fn crowd(&self, kind: &Kind) -> Played<Arc<Vec<Entry>>> {
        let known = self.stage.crowds.lock().await.get(&kind.name).cloned();
        if let Some(crowd) = known {
            return Ok(crowd);
        }
        let listed = if self.stage.component.abilities().write {
            self.make_crowd(kind).await?
        } else {
            let mut there = self.walk(&kind.name, None, 100).await.ok("a listing")?;
            there.truncate(100);
            there
        };
        if listed.is_empty() {
            return skip(format!("there is no {} to try it on", kind.name));
        }
        let crowd = Arc::new(listed);
        let mut crowds = self.stage.crowds.lock().await;
        crowds.insert(kind.name.clone(), Arc::clone(&crowd));
        Ok(crowd)
    }

    async fn make_crowd(&self, kind: &Kind) -> Played<Vec<Entry>> {
        // What the target refuses of samples is learnt first.
        self.full(kind).await?;
        let mut crowd = Vec::new();
        for i in 0..CROWD {
            let mut attributes = Vec::new();
            for field in kind
                .attributes
                .iter()
                .filter(|field| self.is_usable(kind, field))
            {
                let fixed = self.stage.fixed(&kind.name, &field.name);
                let values = match (fixed, field.data) {
                    (Some(fixed), _) => vec![fixed.clone()],
                    (None, Type::Reference) if i % 3 == 0 => Vec::new(),
                    (None, Type::Reference) => self.values(kind, field, i).await?,
                    (None, _) => self.stage.sampler.crowd(field, i),
                };
                if !values.is_empty() {
                    attributes.push(attribute(&field.name, values));
                }
            }
            let request = self.stage.sampler.request();
            let asked = self.create(&kind.name, &attributes, &request).await;
            let made = match &asked.came {
                // Some rule that no description holds: an object with what is required is better than none.
                Err(CallError::Failure(failure)) if failure.fault == Fault::Invalid => {
                    self.note(values::error(&CallError::Failure(failure.clone())));
                    self.small(kind).await?
                }
                _ => asked.ok("an object")?,
            };
            self.keep(&kind.name, &made.anchor);
            let entry = self.get(&kind.name, &made.anchor, &[]).await;
            crowd.push(entry.ok("the object that was just made")?);
        }
        Ok(crowd)
    }

    /// Compares an entry with what was given to it; what the target adds by itself is its own business.
    pub(crate) fn holds(&self, kind: &Kind, entry: &Entry, given: &[Attribute], asked: &str) {
        for given in given {
            let Some(field) = kind.field(&given.name).filter(|field| field.is_readable()) else {
                continue;
            };
            let held = values::of(entry, &given.name);
            if !same(field, &given.values, held) {
                self.wrong(
                    asked,
                    format!("{} is {}", given.name, values::list(&given.values)),
                    format!("{} is {}", given.name, values::list(held)),
                );
            }
        }
    }

    /// Compares two views of one object.
    pub(crate) fn alike(&self, kind: &Kind, asked: &str, expected: &Entry, came: &Entry) {
        if expected.anchor != came.anchor {
            self.wrong(
                asked,
                format!("anchor {}", expected.anchor),
                format!("anchor {}", came.anchor),
            );
        }
        for field in &kind.attributes {
            let (one, two) = (
                values::of(expected, &field.name),
                values::of(came, &field.name),
            );
            if !same(field, one, two) {
                self.wrong(
                    asked,
                    format!("{} is {}", field.name, values::list(one)),
                    format!("{} is {}", field.name, values::list(two)),
                );
            }
        }
    }

    /// The object as it is now.
    pub(crate) async fn now(&self, kind: &Kind, anchor: &str) -> Played<Entry> {
        let asked = self.get(&kind.name, anchor, &[]).await;
        asked.ok("the object as it is now")
    }

    /// An attribute that the kit may change as it likes: optional, single, free text where there is one.
    pub(crate) fn playground<'k>(&self, kind: &'k Kind) -> Option<&'k Field> {
        let usable = |field: &&Field| {
            self.is_usable(kind, field)
                && field.mutability == Mutability::ReadWrite
                && !field.required
                && !field.unique
                && !field.multi
                && self.stage.fixed(&kind.name, &field.name).is_none()
        };
        let mut free = kind.attributes.iter().filter(usable);
        free.clone()
            .find(|field| crate::sample::Sampler::is_free(field) && field.values.is_empty())
            .or_else(|| free.find(|field| field.data == Type::Text))
    }
}
