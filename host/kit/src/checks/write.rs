//! Creating and deleting.

use tombolo_runtime::contract::{EditKind, Fault, Query, Scalar, Value};

use crate::case::{Played, cases};
use crate::describe::{Mutability, Type};
use crate::play::{Play, skip};
use crate::values::{attribute, edit, same, text};
use crate::{sample::Sampler, values};

cases! {
    Write Mandatory "create/required" required
        "an object can be made of what is required";
        "wit/describe.schema.json: `required` is what a create cannot be without, and so all that it needs";
        "describe every attribute as required that the target insists on"
    Write Mandatory "create/full" full
        "an object can be made with a value for every attribute, and has them";
        "wit/README.md, Edits: what is given is what is held";
        "store every described attribute, or describe it as read-only"
    Write Mandatory "create/answer" answer
        "the answer to a create is the whole object as `get` shows it";
        "wit/exports.wit: the answer is the whole entry as it is now";
        "read the object back from the target after writing it"
    Write Optional "create/missing" missing
        "a create without what is required is refused as `invalid`, and makes nothing";
        "wit/README.md, Failures: `invalid` names the attribute";
        "check what is required before the target is touched"
    Write Mandatory "create/unknown-attribute" unknown_attribute
        "a create or update with an attribute that is not described is refused, and changes nothing";
        "wit/README.md, Failures: `invalid` or `unsupported`, with the attribute's name: what is dropped silently is lost";
        "refuse names that are not in the description; do not skip them"
    Write Mandatory "create/read-only" read_only
        "an attribute that is read-only does not take the caller's word";
        "wit/describe.schema.json: `mutability`";
        "refuse a value for a read-only attribute as `invalid`, or leave what is there"
    Write Mandatory "write-only/hidden" write_only
        "an attribute that is write-only is never shown";
        "wit/describe.schema.json: `mutability`";
        "leave write-only attributes out of every answer"
    Write Mandatory "create/unknown-kind" unknown_kind
        "a kind that is not described is refused";
        "wit/README.md, Failures: `unsupported`";
        "answer `unsupported` for a kind that you do not know; the SDK has `no_such_kind`"
    Write Mandatory "delete/gone" gone
        "a deleted object is found by nothing any more";
        "wit/exports.wit: `get` of an unknown anchor is `not-found`";
        "delete the object itself, and every index and cache that knows it"
    Write Mandatory "delete/unknown" unknown
        "deleting or changing what is not there is `not-found`";
        "wit/README.md, Failures: `not-found` settles the link";
        "look whether the object is there, and say so"
    Write Mandatory "delete/others" others
        "deleting one object leaves the others as they were";
        "wit/exports.wit";
        "delete by the whole anchor"
}

async fn required(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let given = play.required(kind);
        let request = play.stage.sampler.request();
        let asked = play.create(&kind.name, &given, &request).await;
        let said = asked.asked.clone();
        let entry = asked.ok("an object with what is required")?;
        play.holds(kind, &entry, &given, &said);
        let now = play.now(kind, &entry.anchor).await?;
        play.holds(kind, &now, &given, &said);
    }
    Ok(())
}

async fn full(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, given, said) = play.full(kind).await?;
        play.holds(kind, &entry, &given, &said);
        let now = play.now(kind, &entry.anchor).await?;
        play.holds(kind, &now, &given, &format!("get after {said}"));
    }
    Ok(())
}

async fn answer(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, _, said) = play.full(kind).await?;
        let now = play.now(kind, &entry.anchor).await?;
        play.alike(kind, &said, &now, &entry);
        if now.version != entry.version {
            play.wrong(
                said,
                format!("version {:?}, as get shows it", now.version),
                format!("version {:?}", entry.version),
            );
        }
    }
    Ok(())
}

async fn missing(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        for field in kind.attributes.iter().filter(|field| field.required) {
            let mut given = play.required(kind);
            given.retain(|given| given.name != field.name);
            let request = play.stage.sampler.request();
            let asked = play.create(&kind.name, &given, &request).await;
            play.go_on(asked.refused(&[Fault::Invalid]))?;
        }
    }
    Ok(())
}

/// A name that no connector describes.
const NOBODY: &str = "kitNobodyHasThis";

async fn unknown_attribute(play: &Play<'_>) -> Played {
    let refusals = [Fault::Invalid, Fault::Unsupported];
    for kind in play.stage.kinds() {
        let mut given = play.required(kind);
        given.push(attribute(NOBODY, vec![text("x")]));
        let before = play
            .walk(&kind.name, None, 100)
            .await
            .ok("a listing")?
            .len();
        let request = play.stage.sampler.request();
        let asked = play.create(&kind.name, &given, &request).await;
        let said = asked.asked.clone();
        if let Some(failure) = play.go_on(asked.refused(&refusals))? {
            if failure.attribute.as_deref() != Some(NOBODY) {
                play.wrong(
                    &said,
                    format!("the failure names the attribute {NOBODY}"),
                    format!("it names {:?}", failure.attribute),
                );
            }
            let after = play
                .walk(&kind.name, None, 100)
                .await
                .ok("a listing")?
                .len();
            if after != before {
                play.wrong(
                    &said,
                    format!("{before} objects, as before"),
                    format!("{after}"),
                );
            }
        }
        let entry = play.small(kind).await?;
        let edits = [edit(EditKind::Put, NOBODY, vec![text("x")])];
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        play.go_on(asked.refused(&refusals))?;
        let now = play.now(kind, &entry.anchor).await?;
        play.alike(
            kind,
            "update with an attribute that is not described",
            &entry,
            &now,
        );
    }
    Ok(())
}

async fn read_only(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        for field in kind
            .attributes
            .iter()
            .filter(|field| field.mutability == Mutability::ReadOnly)
        {
            let Some(value) = play.stage.sampler.value(field, play.stage.sampler.next()) else {
                continue;
            };
            played = true;
            let entry = play.small(kind).await?;
            let edits = [edit(EditKind::Put, &field.name, vec![value.clone()])];
            let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
            let said = asked.asked.clone();
            let now = play.now(kind, &entry.anchor).await?;
            let (before, held) = (
                values::of(&entry, &field.name),
                values::of(&now, &field.name),
            );
            if same(field, &[value], held) && !same(field, before, held) {
                play.wrong(
                    said,
                    format!("{} stays {}", field.name, values::list(before)),
                    format!("it is {}", values::list(held)),
                );
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it describes no attribute as read-only")
    }
}

async fn write_only(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let hidden: Vec<_> = kind
            .attributes
            .iter()
            .filter(|field| !field.is_readable())
            .collect();
        if hidden.is_empty() {
            continue;
        }
        played = true;
        let (entry, _, said) = play.full(kind).await?;
        let got = play.now(kind, &entry.anchor).await?;
        let names: Vec<&str> = hidden.iter().map(|field| field.name.as_str()).collect();
        let asked = play.get(&kind.name, &entry.anchor, &names).await;
        let selected = asked.ok("the object without them")?;
        let listed = play.walk(&kind.name, None, 100).await.ok("a listing")?;
        let listed = listed
            .into_iter()
            .find(|listed| listed.anchor == entry.anchor);
        let views = [
            ("create", Some(entry)),
            ("get", Some(got)),
            ("get of it by name", Some(selected)),
            ("search", listed),
        ];
        for (how, view) in views {
            let shown = view
                .iter()
                .flat_map(|view| &view.attributes)
                .find(|held| names.contains(&held.name.as_str()));
            if let Some(shown) = shown {
                play.wrong(
                    format!("{how}, after {said}"),
                    format!("nothing of {}", shown.name),
                    "it is in the answer",
                );
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it describes no attribute as write-only")
    }
}

async fn unknown_kind(play: &Play<'_>) -> Played {
    let refusals = [Fault::Unsupported, Fault::Invalid, Fault::NotFound];
    let request = play.stage.sampler.request();
    let name = vec![attribute("name", vec![text("x")])];
    play.create("kit-no-such-kind", &name, &request)
        .await
        .refused(&refusals)?;
    let page = Query {
        filter: None,
        attributes: Vec::new(),
        cursor: None,
        limit: 1,
    };
    // A page without objects would be taken for a target without objects.
    play.search("kit-no-such-kind", page)
        .await
        .refused(&refusals[..2])?;
    play.get("kit-no-such-kind", "1", &[])
        .await
        .refused(&refusals)?;
    play.delete("kit-no-such-kind", "1")
        .await
        .refused(&refusals)?;
    Ok(())
}

async fn gone(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (entry, _, _) = play.full(kind).await?;
        play.delete(&kind.name, &entry.anchor)
            .await
            .ok("it is deleted")?;
        let asked = play.get(&kind.name, &entry.anchor, &[]).await;
        play.go_on(asked.refused(&[Fault::NotFound]))?;
        let listed = play.walk(&kind.name, None, 100).await.ok("a listing")?;
        if listed.iter().any(|listed| listed.anchor == entry.anchor) {
            play.wrong(
                format!("search {} after delete {}", kind.name, entry.anchor),
                "it is not listed",
                "it is",
            );
        }
    }
    Ok(())
}

/// Keys that no target has; some are words of a language that a connector may speak to it.
pub(super) const STRANGERS: &[&str] = &[
    "kit-no-such-anchor",
    "00000000-0000-0000-0000-000000000000",
    "0",
    "-1",
    "99999999999999999999",
    "*",
    "' OR '1'='1",
    "*)(objectClass=*",
    "../../etc/passwd",
    "a/b?c=d#e%00",
    "\u{0}",
    "Ünï\u{1F600}\u{202E}",
];

async fn unknown(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let edits = [edit(
            EditKind::Put,
            &field.name,
            play.values(kind, field, 1).await?,
        )];
        for anchor in STRANGERS {
            let asked = play.update(&kind.name, anchor, &edits, None).await;
            play.go_on(asked.refused(&[Fault::NotFound]))?;
            let asked = play.delete(&kind.name, anchor).await;
            play.go_on(asked.refused(&[Fault::NotFound]))?;
        }
    }
    Ok(())
}

async fn others(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let doomed = play.small(kind).await?;
        play.delete(&kind.name, &doomed.anchor)
            .await
            .ok("it is deleted")?;
        for before in crowd.iter().take(5) {
            let now = play.now(kind, &before.anchor).await?;
            play.alike(kind, "get after another was deleted", before, &now);
        }
    }
    Ok(())
}

/// A value of another type than the attribute's.
pub(super) fn other_type(data: Type) -> Value {
    match data {
        Type::Text | Type::Reference => Value::Simple(Scalar::Integer(7)),
        _ => text("kit: not of this type"),
    }
}

/// Text attributes that the kit can put anything into.
pub(super) fn free_texts<'k>(
    play: &Play<'_>,
    kind: &'k crate::describe::Kind,
) -> Vec<&'k crate::describe::Field> {
    let free = kind.attributes.iter().filter(|field| {
        Sampler::is_free(field)
            && field.is_changeable()
            && play.is_usable(kind, field)
            && play.stage.fixed(&kind.name, &field.name).is_none()
    });
    free.collect()
}
