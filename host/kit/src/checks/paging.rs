//! Listings, page after page.

use std::collections::BTreeSet;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Fault, Query};

use crate::case::{Played, cases};
use crate::describe::Kind;
use crate::play::{Play, skip, stop};
use crate::values;

cases! {
    Nothing Mandatory "paging/whole" whole
        "a walk over all pages shows every object once, whatever the limit";
        "wit/README.md, Cursors: none in the answer ends the listing";
        "put the last key of the page into the cursor, and go on strictly after it"
    Nothing Mandatory "paging/order" order
        "listings are stably ordered";
        "wit/README.md, Abilities: listings are stably ordered";
        "order by the anchor, or by what never changes"
    Nothing Mandatory "paging/limit" limit
        "a page is never longer than its limit";
        "wit/types.wit: a page may be shorter than `limit` and still go on; never longer";
        "cut the page at the limit that was asked for"
    Nothing Mandatory "paging/instances" instances
        "a cursor goes on on another instance";
        "wit/README.md, Cursors: give all that another instance needs to go on";
        "write into the cursor what you would have kept in memory"
    Nothing Mandatory "paging/reload" reload
        "a cursor goes on after a reload, or says that its listing is over";
        "wit/README.md, Cursors: give all that another instance needs to go on";
        "write into the cursor what you would have kept in memory, or answer `invalid` for what is gone"
    Nothing Mandatory "paging/forged" forged
        "a cursor that nobody gave out is `invalid`, over, or a page, and never a crash";
        "wit/README.md, Cursors: values; they come back from outside";
        "parse cursors as you would parse anything from outside, and answer `invalid`"
    Write Mandatory "paging/changing" changing
        "objects that come and go between two pages hide and double no others";
        "wit/README.md, Cursors: the last key seen is a good one";
        "do not count: offsets shift when something before them goes"
    Nothing Mandatory "paging/total" total
        "the total, where there is one, is the number of objects";
        "wit/types.wit: `total`";
        "leave the total out where counting is dear; a wrong one ends walks early"
}

fn query(limit: u32, cursor: Option<String>) -> Query {
    Query {
        filter: None,
        attributes: Vec::new(),
        cursor,
        limit,
    }
}

async fn whole(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for limit in [1, 2, 7, 100] {
            let listed = play.walk(&kind.name, None, limit).await;
            let said = listed.asked.clone();
            let Some(listed) = play.go_on(listed.ok("every page"))? else {
                continue;
            };
            let mut seen = BTreeSet::new();
            for entry in &listed {
                if !seen.insert(entry.anchor.as_str()) {
                    play.wrong(
                        &said,
                        "every object once",
                        format!("{} twice", entry.anchor),
                    );
                }
            }
            let lost: Vec<&str> = crowd
                .iter()
                .map(|entry| entry.anchor.as_str())
                .filter(|anchor| !seen.contains(anchor))
                .collect();
            if !lost.is_empty() {
                play.wrong(
                    &said,
                    format!("all {} objects that are there", crowd.len()),
                    format!("without {}", lost.join(", ")),
                );
            }
        }
    }
    Ok(())
}

async fn anchors(play: &Play<'_>, kind: &Kind, limit: u32) -> Played<(String, Vec<String>)> {
    let listed = play.walk(&kind.name, None, limit).await;
    let said = listed.asked.clone();
    let anchors = listed
        .ok("every page")?
        .into_iter()
        .map(|entry| entry.anchor);
    Ok((said, anchors.collect()))
}

async fn order(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        let (_, first) = anchors(play, kind, 100).await?;
        for limit in [100, 7, 3] {
            let (said, again) = anchors(play, kind, limit).await?;
            if again != first {
                play.wrong(
                    said,
                    "the order of the first listing",
                    "another order, or other objects",
                );
            }
        }
    }
    Ok(())
}

async fn limit(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        for limit in [1, 2, 5] {
            let asked = play.search(&kind.name, query(limit, None)).await;
            let said = asked.asked.clone();
            match asked.came {
                Ok(page) if page.entries.len() > limit as usize => {
                    play.wrong(
                        said,
                        format!("at most {limit}"),
                        format!("{}", page.entries.len()),
                    );
                }
                Ok(_) => {}
                Err(error) => play.wrong(
                    said,
                    format!("a page of at most {limit}"),
                    values::error(&error),
                ),
            }
        }
    }
    Ok(())
}

async fn instances(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        let (_, expected) = anchors(play, kind, 100).await?;
        // Every call is on an instance of its own.
        let (said, found) = anchors(play, kind, 4).await?;
        if found != expected {
            play.wrong(
                format!("{said}, each page on another instance"),
                format!("the {} objects in order", expected.len()),
                format!("{}, or another order", found.len()),
            );
        }
    }
    Ok(())
}

async fn reload(play: &Play<'_>) -> Played {
    let stage = play.stage;
    for kind in stage.kinds() {
        play.crowd(kind).await?;
        let (_, expected) = anchors(play, kind, 100).await?;
        let first = play.search(&kind.name, query(4, None)).await;
        let first = first.ok("a page")?;
        let Some(cursor) = first.cursor else { continue };
        let other = play.on(&stage.warm);
        let asked = other.search(&kind.name, query(4, Some(cursor))).await;
        let said = format!("{}, after a reload", asked.asked);
        match asked.came {
            Ok(page) => {
                let seen = first.entries.len();
                let found: Vec<String> =
                    page.entries.into_iter().map(|entry| entry.anchor).collect();
                if !expected[seen.min(expected.len())..].starts_with(&found) {
                    play.wrong(said, "the objects that follow", "others");
                }
            }
            Err(CallError::Failure(failure))
                if matches!(failure.fault, Fault::Invalid | Fault::Unavailable) =>
            {
                play.note(format!(
                    "a listing of {} starts over after a reload",
                    kind.name
                ));
            }
            Err(error) => play.wrong(
                said,
                "the next page, or that the listing is over",
                values::error(&error),
            ),
        }
        play.take_over(&other);
    }
    Ok(())
}

async fn forged(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        let page = play.search(&kind.name, query(2, None)).await.ok("a page")?;
        let real = page.cursor.unwrap_or_default();
        let half: String = real.chars().take(real.chars().count() / 2).collect();
        let mut turned: Vec<char> = real.chars().collect();
        if let Some(last) = turned.last_mut() {
            *last = if *last == '0' { '1' } else { '0' };
        }
        let cursors = [
            String::new(),
            "garbage".to_owned(),
            "\u{0}\u{1}\u{FFFD}".to_owned(),
            "-1".to_owned(),
            "999999999999999999999999".to_owned(),
            "{\"offset\": -1}".to_owned(),
            "' OR 1=1 --".to_owned(),
            "€uro".to_owned(),
            "f".repeat(16 << 10),
            half,
            turned.into_iter().collect(),
        ];
        for cursor in cursors {
            let asked = play.search(&kind.name, query(2, Some(cursor))).await;
            let said = asked.asked.clone();
            match asked.came {
                Ok(_) => {}
                // A listing that the target keeps may be over: that it never was cannot be told.
                Err(CallError::Failure(failure))
                    if matches!(failure.fault, Fault::Invalid | Fault::Unavailable) => {}
                Err(error) => play.wrong(said, "`invalid`, or a page", values::error(&error)),
            }
        }
    }
    Ok(())
}

async fn changing(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        // Every second one goes, as soon as it has been seen: what comes after it shifts.
        let (mut doomed, mut stays) = (Vec::new(), Vec::new());
        for n in 0..14 {
            let anchor = play.small(kind).await?.anchor;
            if n % 2 == 0 {
                doomed.push(anchor);
            } else {
                stays.push(anchor);
            }
        }
        stays.extend(crowd.iter().map(|entry| entry.anchor.clone()));
        let (mut seen, mut cursor) = (Vec::new(), None);
        let said = format!(
            "search {}, limit 3, objects come and go between the pages",
            kind.name
        );
        loop {
            let page = play
                .search(&kind.name, query(3, cursor))
                .await
                .ok("the next page")?;
            seen.extend(page.entries.into_iter().map(|entry| entry.anchor));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
            if let Some(at) = doomed.iter().position(|anchor| seen.contains(anchor)) {
                let anchor = doomed.swap_remove(at);
                play.delete(&kind.name, &anchor).await.ok("it is deleted")?;
                play.small(kind).await?;
            }
            if seen.len() > 100_000 {
                return Err(stop(said, "an end", "none"));
            }
        }
        for anchor in &stays {
            match seen.iter().filter(|seen| *seen == anchor).count() {
                1 => {}
                0 => play.wrong(&said, format!("{anchor}, which stayed"), "it is not listed"),
                n => play.wrong(&said, format!("{anchor} once"), format!("{n} times")),
            }
        }
    }
    Ok(())
}

async fn total(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        let all = play
            .walk(&kind.name, None, 100)
            .await
            .ok("a listing")?
            .len();
        let asked = play.search(&kind.name, query(5, None)).await;
        let said = asked.asked.clone();
        if let Some(total) = asked.ok("a page")?.total {
            played = true;
            if usize::try_from(total) != Ok(all) {
                play.wrong(said, format!("total {all}"), format!("total {total}"));
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it gives no total")
    }
}
