//! Versions: what differs when the object differs.

use tombolo_runtime::contract::{EditKind, Entry, Fault};

use crate::case::{Played, cases};
use crate::describe::{Field, Kind};
use crate::play::{Play, skip, stop};
use crate::values::{self, edit};

cases! {
    Write Mandatory "version/differs" differs
        "the version differs when the object differs";
        "wit/README.md, Kinds: a version is anything that differs when the object differs";
        "take the target's row version or change counter, or hash what is shown"
    Write Mandatory "version/everywhere" everywhere
        "the version is the same wherever the object is shown";
        "wit/types.wit: compared, never parsed";
        "make the version in one place, from the object and not from the selection of attributes"
    Write Mandatory "version/stale" stale
        "an update for a version that is no more is `changed`, and changes nothing";
        "wit/README.md, Failures: `changed`: the version given is not the version stored";
        "compare `if-version` in the same step that writes"
    Write Mandatory "version/current" current
        "an update for the version that is stored is done";
        "wit/exports.wit: `if-version`";
        "compare `if-version` with the version that `get` shows"
}

/// An object with a version, and an attribute that can be changed.
async fn versioned<'k>(
    play: &Play<'_>,
    kind: &'k Kind,
) -> Played<Option<(Entry, String, &'k Field)>> {
    let Some(field) = play.playground(kind) else {
        return Ok(None);
    };
    let entry = play.small(kind).await?;
    let version = entry.version.clone();
    Ok(version.map(|version| (entry, version, field)))
}

const NONE: &str = "it gives no versions";

async fn differs(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some((entry, mut last, field)) = versioned(play, kind).await? else {
            continue;
        };
        played = true;
        for n in 1..=3 {
            let edits = [edit(
                EditKind::Put,
                &field.name,
                play.values(kind, field, n).await?,
            )];
            let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
            let said = asked.asked.clone();
            let before = last.clone();
            let answer = asked.ok("the object, changed")?;
            last = answer.version.clone().unwrap_or_default();
            let now = play.now(kind, &answer.anchor).await?;
            if now.version.as_deref() == Some(before.as_str()) {
                play.wrong(said, format!("another version than {before}"), "the same");
            }
        }
    }
    if played { Ok(()) } else { skip(NONE) }
}

async fn everywhere(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some((entry, version, field)) = versioned(play, kind).await? else {
            continue;
        };
        played = true;
        let got = play.now(kind, &entry.anchor).await?;
        let only = play.get(&kind.name, &entry.anchor, &[&field.name]).await;
        let only = only.ok("the object, one attribute of it")?;
        let listed = play.walk(&kind.name, None, 100).await.ok("a listing")?;
        let listed = listed
            .into_iter()
            .find(|listed| listed.anchor == entry.anchor);
        let listed = listed.ok_or_else(|| {
            stop(
                format!("search {}", kind.name),
                format!("{} is listed", entry.anchor),
                "it is not",
            )
        })?;
        for (how, view) in [
            ("get", got),
            ("get of one attribute", only),
            ("search", listed),
        ] {
            if view.version.as_deref() != Some(version.as_str()) {
                play.wrong(
                    format!("{how} of {} {}", kind.name, entry.anchor),
                    format!("version {version}, as create answered"),
                    format!("{:?}", view.version),
                );
            }
        }
    }
    if played { Ok(()) } else { skip(NONE) }
}

async fn stale(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some((entry, old, field)) = versioned(play, kind).await? else {
            continue;
        };
        played = true;
        let edits = [edit(
            EditKind::Put,
            &field.name,
            play.values(kind, field, 1).await?,
        )];
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        let before = asked.ok("the object, changed")?;
        let edits = [edit(
            EditKind::Put,
            &field.name,
            play.values(kind, field, 2).await?,
        )];
        for version in [old.as_str(), "kit-no-version"] {
            let asked = play
                .update(&kind.name, &before.anchor, &edits, Some(version))
                .await;
            let said = asked.asked.clone();
            play.go_on(asked.refused(&[Fault::Changed]))?;
            let now = play.now(kind, &before.anchor).await?;
            play.alike(kind, &said, &before, &now);
        }
    }
    if played { Ok(()) } else { skip(NONE) }
}

async fn current(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let Some((entry, version, field)) = versioned(play, kind).await? else {
            continue;
        };
        played = true;
        let wanted = play.values(kind, field, 1).await?;
        let edits = [edit(EditKind::Put, &field.name, wanted.clone())];
        let asked = play
            .update(&kind.name, &entry.anchor, &edits, Some(&version))
            .await;
        let said = asked.asked.clone();
        let answer = asked.ok("the object, changed")?;
        play.holds(
            kind,
            &answer,
            &[values::attribute(&field.name, wanted)],
            &said,
        );
    }
    if played { Ok(()) } else { skip(NONE) }
}
