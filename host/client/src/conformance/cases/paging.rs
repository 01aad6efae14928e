//! Pages, as Account Discovery and the gallery's tests read them.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Play, skip};
use super::super::server::Kind;
use super::OTHERS;

const DISCOVERY: &str = "Account Discovery misses accounts, or counts some twice";
/// What the template asks for at a time, and how many objects it wants to be there.
const PAGE: usize = 5;
const THERE: usize = 11;
/// A test reads no more than this of a large server.
const PAGES: usize = 12;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "gallery/23-user-pagination",
        name: "Pages of users are full, say where they start, and have everybody once",
        source: "Entra gallery test 23, SCIM_User_Pagination",
        level: Mandatory,
        entra: DISCOVERY,
        run: |t| {
            Box::pin(async move {
                for _ in 0..THERE {
                    t.user().await?;
                }
                pages(t, t.users()).await
            })
        },
    },
    Case {
        id: "gallery/24-group-pagination",
        name: "Pages of groups are full, say where they start, and have every group once",
        source: "Entra gallery test 24, SCIM_Group_Pagination",
        level: Optional,
        entra: DISCOVERY,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                for _ in 0..THERE {
                    t.group(groups).await?;
                }
                pages(t, groups).await
            })
        },
    },
    Case {
        id: "paging/count-zero",
        name: "count=0 is the number only; a negative count is 0, a startIndex below 1 is 1",
        source: "RFC 7644 section 3.4.2.4",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                t.user().await?;
                for query in ["count=0", "count=-1"] {
                    let reply = t.get(&format!("{}?{query}", t.users().endpoint)).await?;
                    t.status(&reply, &[200])?;
                    t.expect(
                        reply.resources().is_empty(),
                        format!("no `Resources` for {query}"),
                    );
                    t.expect(
                        reply.body["totalResults"]
                            .as_u64()
                            .is_some_and(|total| total > 0),
                        "`totalResults` all the same",
                    );
                }
                let reply = t
                    .get(&format!("{}?startIndex=0&count=1", t.users().endpoint))
                    .await?;
                t.status(&reply, &[200])?;
                t.expect(
                    reply.body["startIndex"] == 1 && reply.resources().len() == 1,
                    "`startIndex` 1 and one resource",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "paging/beyond-the-end",
        name: "A page beyond the end is empty, and no error",
        source: "RFC 7644 section 3.4.2.4",
        level: Mandatory,
        entra: DISCOVERY,
        run: |t| {
            Box::pin(async move {
                let reply = t
                    .get(&format!(
                        "{}?startIndex=100000000&count=5",
                        t.users().endpoint
                    ))
                    .await?;
                t.status(&reply, &[200])?;
                t.list_shaped(&reply);
                t.expect(reply.resources().is_empty(), "no `Resources`");
                Ok(())
            })
        },
    },
    Case {
        id: "paging/stable-order",
        name: "Two readings of one page are the same",
        source: "Entra, Account Discovery; RFC 7644 section 3.4.2.4",
        level: Mandatory,
        entra: DISCOVERY,
        run: |t| {
            Box::pin(async move {
                for _ in 0..3 {
                    t.user().await?;
                }
                let path = format!("{}?startIndex=1&count=3", t.users().endpoint);
                let (one, two) = (t.get(&path).await?, t.get(&path).await?);
                let ids = |reply: &crate::http::Reply| {
                    reply
                        .resources()
                        .iter()
                        .map(|found| found["id"].clone())
                        .collect::<Vec<_>>()
                };
                t.expect(ids(&one) == ids(&two), "the same ids in the same order");
                Ok(())
            })
        },
    },
    Case {
        id: "paging/cursor",
        name: "Pages by cursor have everybody once",
        source: "RFC 9865",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                if t.server().config["pagination"]["cursor"] != true {
                    return Err(skip("the server does not say that it pages by cursor"));
                }
                for _ in 0..THERE {
                    t.user().await?;
                }
                let (mut cursor, mut seen, mut count) = (String::new(), BTreeSet::new(), 0);
                for _ in 0..PAGES {
                    let reply = t
                        .get(&format!(
                            "{}?cursor={}&count={PAGE}",
                            t.users().endpoint,
                            crate::http::encode(&cursor)
                        ))
                        .await?;
                    t.status(&reply, &[200])?;
                    count += reply.resources().len();
                    seen.extend(
                        reply
                            .resources()
                            .iter()
                            .filter_map(|found| found["id"].as_str().map(str::to_owned)),
                    );
                    match reply.body["nextCursor"].as_str() {
                        Some(next) => next.clone_into(&mut cursor),
                        None => {
                            t.expect(
                                count >= THERE,
                                format!(
                                    "at least {THERE} resources until there is no `nextCursor`"
                                ),
                            );
                            break;
                        }
                    }
                }
                t.expect(seen.len() == count, "nobody twice");
                Ok(())
            })
        },
    },
];

async fn pages(t: &Play<'_>, kind: &Kind) -> Result<(), Stop> {
    let (mut start, mut seen, mut count) = (1, BTreeSet::new(), 0);
    for _ in 0..PAGES {
        let reply = t
            .get(&format!(
                "{}?startIndex={start}&count={PAGE}",
                kind.endpoint
            ))
            .await?;
        t.status(&reply, &[200])?;
        t.list_shaped(&reply);
        let total = t.some(reply.body["totalResults"].as_u64(), "`totalResults`")?;
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        t.require(
            total >= THERE,
            &format!("`totalResults` at least {THERE}: so many were created"),
        )?;
        let page = reply.resources();
        let full = PAGE.min(total.saturating_add(1).saturating_sub(start));
        t.expect_or(
            reply.body["startIndex"] == json!(start),
            format!("`startIndex` {start}"),
            format!("it is {}", reply.body["startIndex"]),
        );
        t.expect_or(
            page.len() == full,
            format!("{full} `Resources`"),
            format!("there are {}", page.len()),
        );
        t.expect_or(
            reply.body["itemsPerPage"] == json!(page.len()),
            format!("`itemsPerPage` {}", page.len()),
            format!("it is {}", reply.body["itemsPerPage"]),
        );
        count += page.len();
        seen.extend(
            page.iter()
                .filter_map(|found| found["id"].as_str().map(str::to_owned)),
        );
        if page.is_empty() || start + page.len() > total {
            break;
        }
        start += page.len();
    }
    t.expect_or(
        seen.len() == count,
        "nothing on two pages",
        format!("{count} resources, {} ids", seen.len()),
    );
    Ok(())
}
