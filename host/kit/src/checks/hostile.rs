//! Values that break what is careless: stored exactly, or refused as `invalid`; never mangled.

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Comparison, EditKind, Fault, Node, Scalar, Value};

use super::write::free_texts;
use crate::case::{Played, cases};
use crate::describe::{Field, Kind, Type};
use crate::play::{Play, skip};
use crate::values::{self, attribute, edit, same, text};

cases! {
    Write Mandatory "values/unicode" unicode
        "letters of every script, emoji and combining marks are stored as they are, or refused";
        "wit/types.wit: `text` is Unicode; nothing normalises it on the way";
        "use UTF-8 to the target; refuse as `invalid`, naming the attribute, what it cannot hold"
    Write Mandatory "values/hostile" hostile
        "quotes, markup, statements and control characters are stored as they are, or refused";
        "wit/README.md, Failures: `invalid`: the target will never take this value; name the `attribute`";
        "bind or escape values; do not strip what you do not like"
    Write Mandatory "values/blank" blank
        "blanks around a value and empty texts are stored as they are, refused, or (empty) no value";
        "wit/README.md, Kinds: an attribute without a value is absent";
        "do not trim; an empty text may count as no value"
    Write Mandatory "values/long" long
        "a value of 64 KiB is stored whole, or refused";
        "wit/README.md, Failures: `invalid`"; "never cut: refuse what the target would cut"
    Write Mandatory "values/names" names
        "an object whose unique name is hostile can be found by it, changed and deleted, or is refused";
        "wit/README.md, Kinds: an anchor is opaque"; "escape names wherever they become part of a key, a path or a statement"
    Write Mandatory "values/numbers" numbers
        "numbers, instants and bytes at the edges of their types are stored exactly, or refused";
        "wit/types.wit: `integer(s64)`, `decimal`: exact, as decimal text, `bytes`";
        "do not pass numbers through floating point, nor bytes through text"
}

const SCRIPTS: &[&str] = &[
    "Müller-Lüdenscheidt",
    "Łukasz Żółć",
    "Αλέξανδρος",
    "Александр",
    "山田太郎",
    "محمد بن راشد",
    "עברית",
    "ไทยภาษา",
    "e\u{301}\u{327}combining",
    "\u{1F469}\u{200D}\u{1F680} astronaut",
    "\u{202E}right to left\u{202C}",
    "\u{FEFF}mark",
    "zero\u{200B}width",
    "𝕿𝖊𝖝𝖙 \u{10FFFF}",
    "ﬁ ligature ½ Å",
];

const HOSTILE: &[&str] = &[
    "O'Brien",
    "say \"hi\"",
    "back\\slash",
    "comma, semicolon; equals=plus+angle<>hash#",
    "cn=x,dc=example,dc=com",
    "'; DROP TABLE users; --",
    "%s %n {0} ${x} {{x}}",
    "<b>&amp;</b>]]><!--",
    "a\tb",
    "line one\nline two",
    "carriage\r\nreturn",
    "bell\u{7}escape\u{1b}[0m",
    "nul\u{0}inside",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "null",
    "true",
    "0",
    "$dollar$ and \\24 and \\5C",
];

const BLANK: &[&str] = &[
    " leading",
    "trailing ",
    "  both  ",
    "two  inside",
    " ",
    "\u{A0}no-break\u{A0}",
    "",
];

/// Puts each value into each free text attribute.
async fn put_all(play: &Play<'_>, all: &[&str], most: usize) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let free = free_texts(play, kind);
        let fields: Vec<&Field> = free
            .into_iter()
            .filter(|field| !field.unique)
            .take(most)
            .collect();
        if fields.is_empty() {
            continue;
        }
        let mut anchor = play.small(kind).await?.anchor;
        for field in fields {
            played = true;
            for value in all {
                exact(play, kind, &mut anchor, field, text(*value)).await?;
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has no text attribute that takes any text")
    }
}

/// The value is held exactly, or it was refused and nothing has changed.
async fn exact(
    play: &Play<'_>,
    kind: &Kind,
    anchor: &mut String,
    field: &Field,
    value: Value,
) -> Played {
    let before = play.now(kind, anchor).await?;
    let edits = [edit(EditKind::Put, &field.name, vec![value.clone()])];
    let asked = play.update(&kind.name, anchor, &edits, None).await;
    let said = asked.asked.clone();
    match asked.came {
        Ok(answer) => {
            anchor.clone_from(&answer.anchor);
            let now = play.now(kind, anchor).await?;
            let empty = value == text("");
            for view in [&answer, &now] {
                let held = values::of(view, &field.name);
                // An empty text may be no value, for which a target may make one up.
                let gone = empty && !same(field, values::of(&before, &field.name), held);
                if !gone
                    && !same(field, std::slice::from_ref(&value), held)
                    && !ends_of_lines(play, field, &value, held)
                {
                    play.wrong(
                        &said,
                        "exactly this value, or `invalid`",
                        format!("{} is {}", field.name, values::list(held)),
                    );
                    break;
                }
            }
        }
        Err(CallError::Failure(failure)) if failure.fault == Fault::Invalid => {
            let now = play.now(kind, anchor).await?;
            play.alike(kind, &said, &before, &now);
        }
        Err(error) => play.wrong(
            said,
            "exactly this value, or `invalid`",
            values::error(&error),
        ),
    }
    Ok(())
}

/// Targets that hold lines, not text, have one way to end them.
fn ends_of_lines(play: &Play<'_>, field: &Field, sent: &Value, held: &[Value]) -> bool {
    let [Value::Simple(Scalar::Text(held))] = held else {
        return false;
    };
    let only =
        matches!(sent, Value::Simple(Scalar::Text(sent)) if sent.replace("\r\n", "\n") == *held);
    if only {
        play.note(format!("{} holds lines: CR LF becomes LF", field.name));
    }
    only
}

async fn unicode(play: &Play<'_>) -> Played {
    put_all(play, SCRIPTS, 4).await
}

async fn hostile(play: &Play<'_>) -> Played {
    put_all(play, HOSTILE, 6).await
}

async fn blank(play: &Play<'_>) -> Played {
    put_all(play, BLANK, 4).await
}

async fn long(play: &Play<'_>) -> Played {
    let words: Vec<String> = ["x".repeat(255), "ä".repeat(1_024), "y".repeat(64 << 10)].into();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    put_all(play, &words, 2).await
}

async fn names(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let named = kind
            .attributes
            .iter()
            .find(|field| field.unique && field.required && crate::sample::Sampler::is_free(field));
        let Some(field) = named else { continue };
        played = true;
        for value in HOSTILE
            .iter()
            .chain(SCRIPTS)
            .chain(&[" blanks ", "#hash", "a/b", "a?b&c", "*"])
        {
            named_so(
                play,
                kind,
                field,
                &format!("{value} {}", play.stage.sampler.request()),
            )
            .await?;
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has no free text that is required and unique")
    }
}

async fn named_so(play: &Play<'_>, kind: &Kind, field: &Field, name: &str) -> Played {
    let mut given = play.required(kind);
    given.retain(|given| given.name != field.name);
    given.push(attribute(&field.name, vec![text(name)]));
    let request = play.stage.sampler.request();
    let asked = play.create(&kind.name, &given, &request).await;
    let said = asked.asked.clone();
    let entry = match asked.came {
        Ok(entry) => entry,
        Err(CallError::Failure(failure)) if failure.fault == Fault::Invalid => return Ok(()),
        Err(error) => {
            play.wrong(said, "the object, or `invalid`", values::error(&error));
            return Ok(());
        }
    };
    let now = play.now(kind, &entry.anchor).await?;
    play.holds(kind, &now, &given, &said);
    let filter = [Node::Test((
        field.name.clone(),
        Comparison::Equal,
        Scalar::Text(name.to_owned()),
    ))];
    let asked = play.walk(&kind.name, Some(&filter), 10).await;
    let looked = asked.asked.clone();
    if let Some(found) = play.go_on(asked.supported("the object"))?.flatten()
        && (found.len() != 1 || found[0].anchor != entry.anchor)
    {
        play.wrong(
            looked,
            format!("{} and no other", entry.anchor),
            format!("{} objects", found.len()),
        );
    }
    let asked = play.delete(&kind.name, &entry.anchor).await;
    play.go_on(asked.ok("it is deleted"))?;
    let asked = play.get(&kind.name, &entry.anchor, &[]).await;
    play.go_on(asked.refused(&[Fault::NotFound]))?;
    Ok(())
}

fn edges(data: Type) -> Vec<Scalar> {
    let texts = |make: fn(String) -> Scalar, all: &[&str]| {
        all.iter().map(|text| make((*text).to_owned())).collect()
    };
    match data {
        Type::Integer => [
            0,
            -1,
            i64::from(i32::MAX) + 1,
            i64::MAX,
            i64::MIN,
            (1 << 53) + 1,
        ]
        .map(Scalar::Integer)
        .to_vec(),
        Type::Decimal => texts(
            Scalar::Decimal,
            &[
                "0",
                "-0.01",
                "0.1",
                "12345678901234567.89",
                "99999999999999.999999",
            ],
        ),
        Type::Instant => texts(
            Scalar::Instant,
            &[
                "1970-01-01T00:00:00Z",
                "1969-12-31T23:59:59Z",
                "2026-02-28T23:59:59.123Z",
                "2038-01-19T03:14:08Z",
                "9999-12-31T23:59:59Z",
            ],
        ),
        Type::Binary => vec![
            Scalar::Bytes((0..=255).collect()),
            Scalar::Bytes(vec![0xff; 4096]),
        ],
        Type::Boolean => vec![Scalar::Boolean(true), Scalar::Boolean(false)],
        Type::Text | Type::Reference | Type::Complex => Vec::new(),
    }
}

async fn numbers(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let mut anchor = play.small(kind).await?.anchor;
        let fields = kind.attributes.iter().filter(|field| {
            field.is_changeable()
                && !field.unique
                && play.is_usable(kind, field)
                && play.stage.fixed(&kind.name, &field.name).is_none()
        });
        for field in fields {
            for scalar in edges(field.data) {
                played = true;
                exact(play, kind, &mut anchor, field, Value::Simple(scalar)).await?;
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has nothing but text")
    }
}
