//! Filters, against the naive evaluator: never too much, never too little; `unsupported` is always an answer.
//!
//! Every test is tried on objects with values that are alike, differ by case, are not in ASCII, or are missing. What
//! should be found is worked out from what the connector itself shows of them.

use std::collections::BTreeSet;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Comparison, Entry, Fault, Node, Part, Scalar, Value};

use super::write::other_type;
use crate::case::{Played, cases};
use crate::describe::{Field, Kind, Type};
use crate::evaluate;
use crate::play::{Play, skip};
use crate::values;

cases! {
    Nothing Mandatory "filter/equal" equal
        "`equal` finds what equals, and nothing else";
        "wit/README.md, Filters"; "translate the comparison exactly, or answer `unsupported`"
    Nothing Mandatory "filter/not-equal" not_equal
        "`not-equal` is the negation of `equal`: true where there is no value";
        "wit/README.md, Filters: `not-equal` is the negation of `equal`, so it is true where there is no value";
        "include objects without a value: `IS NULL OR <>`, `(!(a=b))`"
    Nothing Mandatory "filter/contains" contains
        "`contains` finds a part of a text";
        "wit/README.md, Filters"; "escape the value for the target's own patterns: `%`, `_`, `*`"
    Nothing Mandatory "filter/starts-with" starts_with
        "`starts-with` finds the beginning of a text";
        "wit/README.md, Filters"; "escape the value for the target's own patterns: `%`, `_`, `*`"
    Nothing Mandatory "filter/ends-with" ends_with
        "`ends-with` finds the end of a text";
        "wit/README.md, Filters"; "escape the value for the target's own patterns: `%`, `_`, `*`"
    Nothing Mandatory "filter/greater" greater
        "`greater` compares by what the value means, and excludes the value itself";
        "wit/README.md, Filters"; "compare numbers as numbers and instants as instants, or answer `unsupported`"
    Nothing Mandatory "filter/at-least" at_least
        "`at-least` compares by what the value means, and includes the value itself";
        "wit/README.md, Filters"; "compare numbers as numbers and instants as instants, or answer `unsupported`"
    Nothing Mandatory "filter/less" less
        "`less` compares by what the value means, and excludes the value itself";
        "wit/README.md, Filters"; "compare numbers as numbers and instants as instants, or answer `unsupported`"
    Nothing Mandatory "filter/at-most" at_most
        "`at-most` compares by what the value means, and includes the value itself";
        "wit/README.md, Filters"; "compare numbers as numbers and instants as instants, or answer `unsupported`"
    Nothing Mandatory "filter/present" present
        "`present` is true where there is a value";
        "wit/README.md, Filters"; "an empty text in the target may be no value: be of one mind about it when reading and when filtering"
    Nothing Mandatory "filter/case" case
        "text compares without case, unless the attribute is `caseExact`";
        "wit/README.md, Filters: text compares without case unless the description says `caseExact`";
        "choose the target's collation or fold both sides; or describe the attribute as it is"
    Nothing Mandatory "filter/combined" combined
        "`all`, `any` and `negate` combine as they say, also of nothing and nested";
        "wit/README.md, Filters: a flat list of nodes, children before parents, the last node is the root";
        "translate the nodes in one pass, with parentheses around everything; `all` of nothing is true, `any` of nothing false"
    Nothing Mandatory "filter/element" element
        "`element` holds when one value of a complex attribute passes as a whole";
        "wit/README.md, Filters: `element(name, n)`: node `n` holds for one value";
        "test the inner node against one value at a time, or answer `unsupported`"
    Nothing Mandatory "filter/unknown" unknown
        "an attribute that is not described has no values";
        "wit/README.md, Filters: an unknown attribute has no values";
        "answer `unsupported`, or treat it as absent; never leave the test out"
    Nothing Mandatory "filter/type" other_types
        "values of different types are never equal";
        "wit/README.md, Filters: values of different types are never equal";
        "compare types first, or answer `unsupported`"
    Nothing Mandatory "filter/pages" pages
        "a filtered listing shows the same, whatever the limit";
        "wit/README.md, Cursors"; "filter before cutting the page, or let short pages go on with a cursor"
    Nothing Mandatory "filter/hostile" hostile
        "a value cannot break out of a filter";
        "wit/README.md, Filters: never too much"; "bind or escape every value; never splice it into a statement"
    Nothing Mandatory "filter/malformed" malformed
        "a list of nodes that is no tree is refused, and never a crash";
        "wit/README.md, Filters: each node has one parent"; "check indices before using them; the SDK's `Filter::read` does"
}

/// Every object of the crowd that passes is found, nobody else of it is, and no stranger who does not pass.
async fn agrees(
    play: &Play<'_>,
    kind: &Kind,
    crowd: &[Entry],
    filter: &[Node],
    limit: u32,
) -> Played {
    let asked = play.walk(&kind.name, Some(filter), limit).await;
    let said = asked.asked.clone();
    let Some(found) = play.go_on(asked.supported("what passes"))?.flatten() else {
        return Ok(());
    };
    let anchors: BTreeSet<&str> = found.iter().map(|entry| entry.anchor.as_str()).collect();
    let (mut lost, mut much) = (Vec::new(), Vec::new());
    for entry in crowd {
        let passes = evaluate::passes(kind, entry, filter);
        match (passes, anchors.contains(entry.anchor.as_str())) {
            (true, false) => lost.push(entry),
            (false, true) => much.push(entry),
            _ => {}
        }
    }
    let strangers = found
        .iter()
        .filter(|found| !crowd.iter().any(|entry| entry.anchor == found.anchor));
    much.extend(strangers.filter(|found| !evaluate::passes(kind, found, filter)));
    if let Some(entry) = lost.first() {
        play.wrong(
            &said,
            format!("also {} more, such as {}", lost.len(), values::entry(entry)),
            format!("too little: {} found", found.len()),
        );
    }
    if let Some(entry) = much.first() {
        play.wrong(
            &said,
            format!("without {}, such as {}", much.len(), values::entry(entry)),
            format!("too much: {} found", found.len()),
        );
    }
    if anchors.len() != found.len() {
        play.wrong(&said, "every object once", "some twice");
    }
    Ok(())
}

fn readable(kind: &Kind) -> impl Iterator<Item = &Field> {
    kind.attributes.iter().filter(|field| field.is_readable())
}

/// Values to ask for: two or three that are there, and one that is not.
fn candidates(play: &Play<'_>, crowd: &[Entry], field: &Field) -> Vec<Scalar> {
    let mut found: Vec<Scalar> = Vec::new();
    for entry in crowd {
        for value in values::of(entry, &field.name) {
            if let Value::Simple(scalar) = value
                && !found.contains(scalar)
            {
                found.push(scalar.clone());
            }
        }
    }
    found.truncate(6);
    let absent = match field.data {
        Type::Complex => return Vec::new(),
        Type::Reference => Scalar::Text("kit-nobody".to_owned()),
        _ => play.stage.sampler.scalar(field, 29_999),
    };
    if !found.contains(&absent) {
        found.push(absent);
    }
    found
}

fn part_of(scalar: &Scalar, comparison: Comparison) -> Option<Scalar> {
    let Scalar::Text(text) = scalar else {
        return Some(scalar.clone());
    };
    let chars: Vec<char> = text.chars().collect();
    let third = chars.len().div_ceil(3);
    let part: String = match comparison {
        Comparison::StartsWith => chars[..third].iter().collect(),
        Comparison::EndsWith => chars[chars.len() - third..].iter().collect(),
        Comparison::Contains => chars[third.min(chars.len() - 1)..(2 * third).min(chars.len())]
            .iter()
            .collect(),
        _ => text.clone(),
    };
    // A blank at an edge means nothing to many targets.
    (!part.is_empty() && part.trim() == part).then_some(Scalar::Text(part))
}

async fn table(play: &Play<'_>, comparison: Comparison) -> Played {
    let substring = matches!(
        comparison,
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith
    );
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind) {
            if substring && field.data != Type::Text {
                continue;
            }
            let asked_for = candidates(play, &crowd, field);
            for scalar in asked_for
                .iter()
                .filter_map(|scalar| part_of(scalar, comparison))
            {
                let filter = [Node::Test((field.name.clone(), comparison, scalar))];
                agrees(play, kind, &crowd, &filter, 100).await?;
            }
        }
    }
    Ok(())
}

async fn equal(play: &Play<'_>) -> Played {
    table(play, Comparison::Equal).await
}
async fn not_equal(play: &Play<'_>) -> Played {
    table(play, Comparison::NotEqual).await
}
async fn contains(play: &Play<'_>) -> Played {
    table(play, Comparison::Contains).await
}
async fn starts_with(play: &Play<'_>) -> Played {
    table(play, Comparison::StartsWith).await
}
async fn ends_with(play: &Play<'_>) -> Played {
    table(play, Comparison::EndsWith).await
}
async fn greater(play: &Play<'_>) -> Played {
    table(play, Comparison::Greater).await
}
async fn at_least(play: &Play<'_>) -> Played {
    table(play, Comparison::AtLeast).await
}
async fn less(play: &Play<'_>) -> Played {
    table(play, Comparison::Less).await
}
async fn at_most(play: &Play<'_>) -> Played {
    table(play, Comparison::AtMost).await
}

async fn present(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind) {
            agrees(
                play,
                kind,
                &crowd,
                &[Node::Present(field.name.clone())],
                100,
            )
            .await?;
        }
    }
    Ok(())
}

fn swapped(text: &str) -> String {
    let upper = text.to_uppercase();
    if upper == text {
        text.to_lowercase()
    } else {
        upper
    }
}

async fn case(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind).filter(|field| field.data == Type::Text) {
            for scalar in candidates(play, &crowd, field).into_iter().take(4) {
                let Scalar::Text(text) = scalar else { continue };
                // ß becomes SS, which no target folds back.
                if text.contains('ß') {
                    continue;
                }
                for comparison in [Comparison::Equal, Comparison::StartsWith] {
                    let value = Scalar::Text(swapped(&text));
                    let filter = [Node::Test((field.name.clone(), comparison, value))];
                    agrees(play, kind, &crowd, &filter, 100).await?;
                }
            }
        }
    }
    Ok(())
}

async fn combined(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let mut fields =
            readable(kind).filter(|field| !matches!(field.data, Type::Complex | Type::Binary));
        let (Some(one), Some(two)) = (fields.next(), fields.next()) else {
            continue;
        };
        let three = fields.next().unwrap_or(two);
        let test = |field: &Field, n: usize| {
            let values = candidates(play, &crowd, field);
            let scalar = values[n.min(values.len() - 1)].clone();
            Node::Test((field.name.clone(), Comparison::Equal, scalar))
        };
        let present = |field: &Field| Node::Present(field.name.clone());
        let filters: Vec<Vec<Node>> = vec![
            vec![present(one), present(two), Node::All(vec![0, 1])],
            vec![test(one, 0), test(one, 1), Node::Any(vec![0, 1])],
            vec![test(one, 0), test(one, 1), Node::All(vec![0, 1])],
            vec![present(three), Node::Negate(0)],
            vec![test(two, 0), Node::Negate(0)],
            vec![test(two, 0), Node::Negate(0), Node::Negate(1)],
            vec![
                test(one, 0),
                present(two),
                Node::Negate(1),
                Node::Any(vec![0, 2]),
            ],
            vec![
                test(two, 0),
                test(three, 0),
                Node::Any(vec![0, 1]),
                present(one),
                Node::All(vec![2, 3]),
                Node::Negate(4),
            ],
            vec![
                test(one, 0),
                test(one, 1),
                test(one, 2),
                Node::Any(vec![0, 1, 2]),
            ],
            vec![test(one, 0), Node::All(vec![0])],
            vec![test(one, 0), Node::Any(vec![0])],
            vec![Node::All(Vec::new())],
            vec![Node::Any(Vec::new())],
            vec![Node::Any(Vec::new()), Node::Negate(0)],
        ];
        for filter in filters {
            agrees(play, kind, &crowd, &filter, 100).await?;
        }
    }
    Ok(())
}

async fn element(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind).filter(|field| field.data == Type::Complex) {
            played = true;
            let held = crowd
                .iter()
                .flat_map(|entry| values::of(entry, &field.name));
            let held: Vec<&Vec<Part>> = held
                .filter_map(|value| match value {
                    Value::Complex(parts) => Some(parts),
                    Value::Simple(_) => None,
                })
                .collect();
            for (at, parts) in held.iter().take(4).enumerate() {
                let other = held[(at + 1) % held.len()];
                // One value's parts, then parts of two values: the second holds for no single value.
                for second in [*parts, other] {
                    let tests: Vec<Node> = [parts.first(), second.last()]
                        .into_iter()
                        .flatten()
                        .filter_map(|part| {
                            Some(Node::Test((
                                part.name.clone(),
                                Comparison::Equal,
                                part.values.first()?.clone(),
                            )))
                        })
                        .collect();
                    if let [one, two] = tests.as_slice() {
                        let filter = [
                            one.clone(),
                            two.clone(),
                            Node::All(vec![0, 1]),
                            Node::Element((field.name.clone(), 2)),
                        ];
                        agrees(play, kind, &crowd, &filter, 100).await?;
                    }
                }
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it describes no complex attribute")
    }
}

async fn unknown(play: &Play<'_>) -> Played {
    let name = || "kitNobodyHasThis".to_owned();
    let value = || Scalar::Text("x".to_owned());
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let filters: [Vec<Node>; 4] = [
            vec![Node::Present(name())],
            vec![Node::Test((name(), Comparison::Equal, value()))],
            vec![Node::Test((name(), Comparison::NotEqual, value()))],
            vec![Node::Present(name()), Node::Negate(0)],
        ];
        for filter in filters {
            agrees(play, kind, &crowd, &filter, 100).await?;
        }
    }
    Ok(())
}

async fn other_types(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind).filter(|field| field.data != Type::Complex) {
            let Value::Simple(scalar) = other_type(field.data) else {
                continue;
            };
            for comparison in [Comparison::Equal, Comparison::NotEqual] {
                let filter = [Node::Test((field.name.clone(), comparison, scalar.clone()))];
                agrees(play, kind, &crowd, &filter, 100).await?;
            }
        }
    }
    Ok(())
}

async fn pages(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for field in readable(kind).take(4) {
            let filter = [Node::Present(field.name.clone())];
            for limit in [1, 2, 7] {
                agrees(play, kind, &crowd, &filter, limit).await?;
            }
        }
    }
    Ok(())
}

/// Values that mean something to a language that a connector may speak.
const INJECTIONS: &[&str] = &[
    "*",
    "%",
    "_",
    "*)(objectClass=*",
    "' OR '1'='1",
    "\" or \"\"=\"",
    "\\",
    "\\2a",
    "a*b",
    ")(",
    "']|//*|x['",
    "x' --",
    "\u{0}",
    "?",
    "$1",
    ".*",
    "[a-z]",
];

async fn hostile(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let texts: Vec<&Field> = readable(kind)
            .filter(|field| field.data == Type::Text)
            .take(3)
            .collect();
        for field in texts {
            for value in INJECTIONS {
                for comparison in [
                    Comparison::Equal,
                    Comparison::StartsWith,
                    Comparison::Contains,
                ] {
                    let filter = [Node::Test((
                        field.name.clone(),
                        comparison,
                        Scalar::Text((*value).to_owned()),
                    ))];
                    agrees(play, kind, &crowd, &filter, 100).await?;
                }
            }
        }
    }
    Ok(())
}

async fn malformed(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let name = &kind.attributes[0].name;
        let present = || Node::Present(name.clone());
        let lists: [Vec<Node>; 6] = [
            vec![],
            vec![Node::Negate(0)],
            vec![present(), Node::All(vec![0, 7])],
            vec![Node::Any(vec![u32::MAX])],
            vec![present(), Node::All(vec![0, 0])],
            vec![Node::Element((name.clone(), 9))],
        ];
        for list in lists {
            let asked = play.walk(&kind.name, Some(&list), 100).await;
            let said = asked.asked.clone();
            match asked.came {
                Ok(_) => {}
                Err(CallError::Failure(failure))
                    if matches!(failure.fault, Fault::Invalid | Fault::Unsupported) => {}
                Err(error) => play.wrong(said, "`invalid` or `unsupported`", values::error(&error)),
            }
        }
    }
    Ok(())
}
