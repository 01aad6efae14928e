//! Updates: what each edit does, in which order, and what stays as it was.

use tombolo_runtime::contract::{Edit, EditKind, Entry, Fault, Value};

use super::write::other_type;
use crate::case::{Played, cases};
use crate::describe::{Field, Kind, Mutability, Type};
use crate::play::{Play, skip};
use crate::values::{self, edit, is_of, same, text};

cases! {
    Write Mandatory "update/put" put
        "`put` sets exactly these values, of every attribute, and leaves the others as they were";
        "wit/exports.wit: `put` sets exactly these values";
        "write the attribute that the edit names, whole, and no other"
    Write Mandatory "update/answer" answer
        "the answer to an update is the whole object as `get` shows it";
        "wit/exports.wit: the answer is the whole entry as it is now, with a possibly changed anchor";
        "read the object back from the target after writing it"
    Write Mandatory "update/same" put_same
        "`put` of the values that are there succeeds and changes nothing";
        "wit/README.md, Edits";
        "compare before writing; do not treat the object itself as a holder of its unique values"
    Write Mandatory "update/clear" clear
        "`put` without values clears an attribute";
        "wit/exports.wit: `put` sets exactly these values (none: clears the attribute)";
        "take an empty list of values for what it is: no value"
    Write Mandatory "update/add" add
        "`add` adds what is not there, and adding what is there changes nothing";
        "wit/README.md, Edits: adding what is there changes nothing";
        "look at the values that are there before adding"
    Write Mandatory "update/remove" remove
        "`remove` removes by value, and removing what is not there changes nothing";
        "wit/README.md, Edits: removing what is not there changes nothing";
        "remove the named values and no others; a missing one is no error"
    Write Mandatory "update/order" order
        "edits apply in order";
        "wit/exports.wit: edits in order";
        "apply edits one after another to the values that the edit before left"
    Write Mandatory "update/whole" whole
        "an update that is refused changes nothing";
        "wit/README.md, Failures: `invalid` means that nothing of it was done";
        "check every edit before the first one reaches the target, or use the target's transaction"
    Write Mandatory "update/others" others
        "an update of one object leaves the others as they were";
        "wit/exports.wit";
        "write by the whole anchor"
    Write Mandatory "update/immutable" immutable
        "an immutable attribute cannot be changed later";
        "wit/describe.schema.json: `mutability`";
        "refuse another value as `invalid`, naming the attribute"
    Write Mandatory "update/required" required
        "a required attribute cannot be cleared";
        "wit/describe.schema.json: `required`";
        "refuse to clear it as `invalid`, naming the attribute"
    Write Mandatory "update/wrong-type" wrong_type
        "a value of another type breaks nothing: what is read has the described type";
        "wit/README.md, Kinds: values have the type that the description says";
        "convert or refuse what comes; never trap on it, and never show it as another type"
    Write Mandatory "update/many-edits" many
        "an update with every attribute at once does what each edit alone does";
        "wit/exports.wit: edits in order";
        "apply all edits, not only the first"
}

fn changeable<'k>(play: &Play<'_>, kind: &'k Kind) -> Vec<&'k Field> {
    let fields = kind.attributes.iter().filter(|field| {
        field.is_changeable()
            && play.is_usable(kind, field)
            && play.stage.fixed(&kind.name, &field.name).is_none()
    });
    fields.collect()
}

/// Updates, and compares one attribute of the answer and of the object with what should be.
async fn becomes(
    play: &Play<'_>,
    kind: &Kind,
    anchor: &mut String,
    edits: &[Edit],
    field: &Field,
    expected: &[Value],
) -> Played<Option<Entry>> {
    let asked = play.update(&kind.name, anchor, edits, None).await;
    let said = asked.asked.clone();
    let Some(answer) = play.go_on(asked.ok("the object as it is now"))? else {
        return Ok(None);
    };
    anchor.clone_from(&answer.anchor);
    let now = play.now(kind, anchor).await?;
    for (how, entry) in [("the answer", &answer), ("get afterwards", &now)] {
        let held = values::of(entry, &field.name);
        if !same(field, expected, held) {
            play.wrong(
                &said,
                format!("{} is {}", field.name, values::list(expected)),
                format!("in {how} it is {}", values::list(held)),
            );
            break;
        }
    }
    Ok(Some(now))
}

async fn put(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (mut before, _, _) = play.full(kind).await?;
        let mut anchor = before.anchor.clone();
        for field in changeable(play, kind) {
            let wanted = play.values(kind, field, play.stage.sampler.next()).await?;
            if wanted.is_empty() {
                continue;
            }
            let edits = [edit(EditKind::Put, &field.name, wanted.clone())];
            let Some(now) = becomes(play, kind, &mut anchor, &edits, field, &wanted).await? else {
                continue;
            };
            for other in kind
                .attributes
                .iter()
                .filter(|other| other.name != field.name)
            {
                let (was, is) = (
                    values::of(&before, &other.name),
                    values::of(&now, &other.name),
                );
                // A name of the object may be made of others: `dn`, or what the target computes.
                let derived = other.mutability != Mutability::ReadWrite;
                if !derived && !same(other, was, is) {
                    play.wrong(
                        format!("put {} of {} {anchor}", field.name, kind.name),
                        format!("{} stays {}", other.name, values::list(was)),
                        format!("it is {}", values::list(is)),
                    );
                }
            }
            before = now;
        }
    }
    Ok(())
}

async fn answer(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, _, _) = play.full(kind).await?;
        let Some(field) = changeable(play, kind)
            .into_iter()
            .find(|field| field.data != Type::Reference)
        else {
            continue;
        };
        let wanted = play.values(kind, field, play.stage.sampler.next()).await?;
        let edits = [edit(EditKind::Put, &field.name, wanted)];
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        let said = asked.asked.clone();
        let answer = asked.ok("the object as it is now")?;
        let now = play.now(kind, &answer.anchor).await?;
        play.alike(kind, &said, &now, &answer);
        if now.version != answer.version {
            play.wrong(
                said,
                format!("version {:?}, as get shows it", now.version),
                format!("version {:?}", answer.version),
            );
        }
    }
    Ok(())
}

async fn put_same(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, given, _) = play.full(kind).await?;
        let edits: Vec<Edit> = given
            .into_iter()
            .filter(|given| kind.field(&given.name).is_some_and(Field::is_changeable))
            .map(|given| Edit {
                kind: EditKind::Put,
                attribute: given,
            })
            .collect();
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        let said = asked.asked.clone();
        let answer = asked.ok("the object, unchanged")?;
        play.alike(kind, &said, &entry, &answer);
    }
    Ok(())
}

async fn clear(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, given, _) = play.full(kind).await?;
        let mut anchor = entry.anchor.clone();
        for field in changeable(play, kind) {
            let held = given.iter().find(|given| given.name == field.name);
            let Some(held) = held.filter(|_| !field.required) else {
                continue;
            };
            let edits = [edit(EditKind::Put, &field.name, Vec::new())];
            let asked = play.update(&kind.name, &anchor, &edits, None).await;
            let said = asked.asked.clone();
            let Some(answer) = play.go_on(asked.ok("the object without it"))? else {
                continue;
            };
            anchor.clone_from(&answer.anchor);
            let now = play.now(kind, &anchor).await?;
            let left = values::of(&now, &field.name);
            // A boolean may be one or the other and nothing between.
            if same(field, &held.values, left) && field.data != Type::Boolean {
                play.wrong(
                    &said,
                    format!("{} has no value", field.name),
                    format!("it is {}", values::list(left)),
                );
            } else if !left.is_empty() {
                play.note(format!(
                    "{}.{} is never without a value: the target makes up {}",
                    kind.name,
                    field.name,
                    values::list(left)
                ));
            }
            // Clearing what is clear is no error.
            let again = play.update(&kind.name, &anchor, &edits, None).await;
            play.go_on(again.ok("the object without it, again"))?;
        }
    }
    Ok(())
}

fn several(play: &Play<'_>, kind: &Kind) -> Option<Field> {
    let multi = changeable(play, kind).into_iter().find(|field| {
        field.multi && !field.unique && !matches!(field.data, Type::Reference | Type::Boolean)
    });
    multi.cloned()
}

async fn add(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some(field) = several(play, kind) else {
            continue;
        };
        played = true;
        let value = |n| play.stage.sampler.value(&field, n).into_iter();
        let values = |ns: &[u64]| ns.iter().flat_map(|n| value(*n)).collect::<Vec<_>>();
        let mut anchor = play.small(kind).await?.anchor;
        let steps: [(&[u64], &[u64]); 4] = [
            (&[1], &[1]),
            (&[2], &[1, 2]),
            (&[1, 2], &[1, 2]),
            (&[2, 3], &[1, 2, 3]),
        ];
        for (added, expected) in steps {
            let edits = [edit(EditKind::Add, &field.name, values(added))];
            becomes(play, kind, &mut anchor, &edits, &field, &values(expected)).await?;
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has no attribute with several values that can be changed")
    }
}

async fn remove(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some(field) = several(play, kind) else {
            continue;
        };
        played = true;
        let value = |n| play.stage.sampler.value(&field, n).into_iter();
        let values = |ns: &[u64]| ns.iter().flat_map(|n| value(*n)).collect::<Vec<_>>();
        let mut anchor = play.small(kind).await?.anchor;
        let edits = [edit(EditKind::Put, &field.name, values(&[1, 2, 3]))];
        becomes(play, kind, &mut anchor, &edits, &field, &values(&[1, 2, 3])).await?;
        let steps: [(&[u64], &[u64]); 4] = [
            (&[2], &[1, 3]),
            (&[2], &[1, 3]),
            (&[9, 3], &[1]),
            (&[1], &[]),
        ];
        for (removed, expected) in steps {
            let edits = [edit(EditKind::Remove, &field.name, values(removed))];
            becomes(play, kind, &mut anchor, &edits, &field, &values(expected)).await?;
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has no attribute with several values that can be changed")
    }
}

async fn order(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let Some(field) = play.playground(kind).cloned() else {
            continue;
        };
        let mut anchor = play.small(kind).await?.anchor;
        let value = |n| {
            play.stage
                .sampler
                .value(&field, n)
                .into_iter()
                .collect::<Vec<_>>()
        };
        let put = |n| edit(EditKind::Put, &field.name, value(n));
        let cleared = edit(EditKind::Put, &field.name, Vec::new());
        becomes(
            play,
            kind,
            &mut anchor,
            &[put(1), put(2)],
            &field,
            &value(2),
        )
        .await?;
        becomes(
            play,
            kind,
            &mut anchor,
            &[cleared.clone(), put(1)],
            &field,
            &value(1),
        )
        .await?;
        let asked = play
            .update(&kind.name, &anchor, &[put(2), cleared], None)
            .await;
        let said = asked.asked.clone();
        let answer = asked.ok("the object without it")?;
        anchor.clone_from(&answer.anchor);
        let left = values::of(&answer, &field.name);
        // What the target makes up for it is not what was put before.
        if same(&field, &value(2), left) {
            play.wrong(
                said,
                format!("{} has no value", field.name),
                values::list(left),
            );
        }
        if let Some(field) = several(play, kind) {
            let value = |n| {
                play.stage
                    .sampler
                    .value(&field, n)
                    .into_iter()
                    .collect::<Vec<_>>()
            };
            let does = |what, n| edit(what, &field.name, value(n));
            let edits = [
                does(EditKind::Put, 1),
                does(EditKind::Add, 2),
                does(EditKind::Remove, 1),
            ];
            becomes(play, kind, &mut anchor, &edits, &field, &value(2)).await?;
        }
    }
    Ok(())
}

async fn whole(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let before = play.small(kind).await?;
        let good = edit(
            EditKind::Put,
            &field.name,
            play.values(kind, field, 1).await?,
        );
        let bad = edit(EditKind::Put, "kitNobodyHasThis", vec![text("x")]);
        let asked = play
            .update(&kind.name, &before.anchor, &[good, bad], None)
            .await;
        let said = asked.asked.clone();
        if asked.came.is_err() {
            let now = play.now(kind, &before.anchor).await?;
            play.alike(kind, &said, &before, &now);
        }
    }
    Ok(())
}

async fn others(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let crowd = play.crowd(kind).await?;
        let mut anchor = play.small(kind).await?.anchor;
        let wanted = play.values(kind, field, play.stage.sampler.next()).await?;
        let edits = [edit(EditKind::Put, &field.name, wanted.clone())];
        becomes(play, kind, &mut anchor, &edits, field, &wanted).await?;
        for before in crowd.iter().take(5) {
            let now = play.now(kind, &before.anchor).await?;
            play.alike(kind, "get after another was changed", before, &now);
        }
    }
    Ok(())
}

async fn immutable(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let fields = kind.attributes.iter().filter(|field| {
            field.mutability == Mutability::Immutable && play.is_usable(kind, field)
        });
        for field in fields {
            played = true;
            let (entry, _, _) = play.full(kind).await?;
            let wanted = play.values(kind, field, play.stage.sampler.next()).await?;
            let edits = [edit(EditKind::Put, &field.name, wanted)];
            let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
            let said = asked.asked.clone();
            play.go_on(asked.refused(&[Fault::Invalid, Fault::Unsupported, Fault::Forbidden]))?;
            let now = play.now(kind, &entry.anchor).await?;
            play.alike(kind, &said, &entry, &now);
        }
    }
    if played {
        Ok(())
    } else {
        skip("it describes no immutable attribute that the kit can make a value of")
    }
}

async fn required(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        for field in kind
            .attributes
            .iter()
            .filter(|field| field.required && field.is_changeable())
        {
            let entry = play.small(kind).await?;
            let edits = [edit(EditKind::Put, &field.name, Vec::new())];
            let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
            let said = asked.asked.clone();
            play.go_on(asked.refused(&[Fault::Invalid, Fault::Unsupported]))?;
            let now = play.now(kind, &entry.anchor).await?;
            play.alike(kind, &said, &entry, &now);
        }
    }
    Ok(())
}

async fn wrong_type(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let entry = play.small(kind).await?;
        for field in changeable(play, kind)
            .into_iter()
            .filter(|field| !field.unique)
        {
            let edits = [edit(
                EditKind::Put,
                &field.name,
                vec![other_type(field.data)],
            )];
            let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
            let said = asked.asked.clone();
            if let Err(error) = &asked.came
                && !matches!(error, tombolo_runtime::CallError::Failure(_))
            {
                play.wrong(
                    &said,
                    "a failure, or a value of the described type",
                    values::error(error),
                );
            }
            let now = play.now(kind, &entry.anchor).await?;
            for value in values::of(&now, &field.name) {
                let fits = match value {
                    Value::Simple(scalar) => is_of(field.data, scalar),
                    Value::Complex(_) => field.data == Type::Complex,
                };
                if !fits {
                    play.wrong(
                        &said,
                        format!("{} reads as {:?}", field.name, field.data),
                        values::list(std::slice::from_ref(value)),
                    );
                }
            }
        }
    }
    Ok(())
}

async fn many(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let entry = play.small(kind).await?;
        let n = play.stage.sampler.next();
        let mut edits = Vec::new();
        for field in changeable(play, kind) {
            let wanted = play.values(kind, field, n).await?;
            if !wanted.is_empty() {
                edits.push(edit(EditKind::Put, &field.name, wanted));
            }
        }
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        let said = asked.asked.clone();
        let answer = asked.ok("the object with all of it")?;
        let given: Vec<_> = edits.into_iter().map(|edit| edit.attribute).collect();
        play.holds(kind, &answer, &given, &said);
        let now = play.now(kind, &answer.anchor).await?;
        play.holds(kind, &now, &given, &said);
    }
    Ok(())
}
