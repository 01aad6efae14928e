//! The protocol by the RFCs, over the wire and on csv: bulk, paging, order, projections, versions, strict mode, limits.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, TOKEN};
use tombolo_tests::people::{ENTERPRISE, GROUP, USER};
use tombolo_tests::scim::{Reply, Scim, encode, http_client, patch_op};
use tombolo_tests::{apps, build};

/// A host with a csv app in Entra's mode and one in strict mode.
async fn host(limits: &str) -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.write(
        "tombolo.toml",
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"state\"\n[limits]\n{limits}\n"
        ),
    )?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "entra", "")?;
    apps::csv(&directory, "strict", "[scim]\nmode = \"strict\"\n")?;
    let host = Host::start(&directory).await?;
    Ok((directory, host))
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER, ENTERPRISE], "userName": name, "externalId": format!("ext-{name}"), "active": true})
}

async fn create(scim: &Scim, endpoint: &str, body: &Value) -> Result<String> {
    let reply = scim.post(&format!("/{endpoint}"), body).await?;
    ensure!(reply.status == 201, "{body}: {reply:?}");
    Ok(reply.id())
}

fn bulk(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
}

fn post(bulk_id: &str, path: &str, data: &Value) -> Value {
    json!({"method": "POST", "bulkId": bulk_id, "path": path, "data": data})
}

/// Status and code of every operation's answer.
fn told(reply: &Reply) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let operations = reply.body["Operations"].as_array();
    operations
        .into_iter()
        .flatten()
        .map(|answer| {
            (
                text(&answer["status"]),
                text(&answer["response"]["scimType"]),
            )
        })
        .collect()
}

fn expect(reply: &Reply, status: u16, code: &str) {
    let came = reply.body["scimType"].as_str().unwrap_or_default();
    assert_eq!((reply.status, came), (status, code), "{reply:?}");
}

/// A request with one more header.
async fn with(
    scim: &Scim,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Option<Value>,
) -> Result<u16> {
    let url = format!("{}{path}", scim.base());
    let mut request = http_client(None)?
        .request(method, url)
        .bearer_auth(TOKEN)
        .header(header.0, header.1);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/scim+json")
            .body(body.to_string());
    }
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_requests() -> Result<()> {
    let (_directory, host) = host("bulk-operations = 20").await?;
    for app in ["entra", "strict"] {
        let scim = host.scim(app)?;
        let config = scim.get("/ServiceProviderConfig").await?;
        assert_eq!(
            config.body["bulk"],
            json!({"supported": true, "maxOperations": 20, "maxPayloadSize": 4 << 20})
        );

        // A group before its members, and two users who are each other's manager (RFC 7644, section 3.7.1).
        let mut ana = user("ana");
        ana[ENTERPRISE] = json!({"department": "D", "manager": {"value": "bulkId:ben"}});
        let mut ben = user("ben");
        ben[ENTERPRISE] = json!({"manager": {"value": "bulkId:ana"}});
        let group = json!({"schemas": [GROUP], "displayName": "both", "members": [{"value": "bulkId:ana"}, {"value": "bulkId:ben"}]});
        let reply = scim
            .post(
                "/Bulk",
                &bulk(&json!([
                    post("both", "/Groups", &group),
                    post("ana", "/Users", &ana),
                    post("ben", "/Users", &ben),
                ])),
            )
            .await?;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/scim+json"));
        assert!(
            told(&reply).iter().all(|(status, _)| status == "201"),
            "{reply:?}"
        );
        let location = |n: usize| {
            let location = &reply.body["Operations"][n]["location"];
            location.as_str().unwrap_or_default().to_owned()
        };
        let id = |n: usize| {
            location(n)
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(location(0), format!("{}/Groups/{}", scim.base(), id(0)));
        let (both, ana, ben) = (id(0), id(1), id(2));
        let manager = |user: &Value| user[ENTERPRISE]["manager"]["value"].clone();
        let shown = scim.get(&format!("/Users/{ana}")).await?;
        assert_eq!(manager(&shown.body), json!(ben), "{shown:?}");
        assert_eq!(
            reply.body["Operations"][1]["version"], shown.body["meta"]["version"],
            "the version is that after the link"
        );
        let shown = scim.get(&format!("/Users/{ben}")).await?;
        assert_eq!(manager(&shown.body), json!(ana), "{shown:?}");
        let shown = scim.get(&format!("/Groups/{both}")).await?;
        assert_eq!(shown.body["members"].as_array().map(Vec::len), Some(2));

        // Versions, faults and what hangs on them, each by itself.
        let reply = scim
            .post(
                "/Bulk",
                &bulk(&json!([
                    {"method": "PATCH", "path": format!("/Users/{ana}"), "version": "W/\"77\"",
                        "data": [{"op": "replace", "path": "title", "value": "x"}]},
                    {"method": "PATCH", "path": format!("/Groups/{both}"),
                        "data": [{"op": "remove", "path": format!("members[value eq \"{ben}\"]")}]},
                    post("again", "/Users", &user("ANA")),
                    post("g", "/Groups", &json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:again"}]})),
                    post("late", "/Nowhere", &user("late")),
                    {"method": "DELETE", "path": format!("/Users/{ben}")},
                    {"method": "DELETE", "path": "/Users/nobody"},
                    {"method": "FETCH", "path": "/Users/nobody"},
                ])),
            )
            .await?;
        let expected = [
            ("412", ""),
            ("200", ""),
            ("409", "uniqueness"),
            ("409", ""),
            ("404", ""),
            ("204", ""),
            ("404", ""),
            ("400", "invalidSyntax"),
        ];
        assert_eq!(
            told(&reply),
            expected.map(|(status, code)| (status.to_owned(), code.to_owned())),
            "{reply:?}"
        );
        assert_eq!(scim.get(&format!("/Users/{ben}")).await?.status, 404);

        let two = json!([
            {"method": "DELETE", "path": "/Users/nobody"},
            {"method": "DELETE", "path": format!("/Users/{ana}")}
        ]);
        let mut body = bulk(&two);
        body["failOnErrors"] = json!(1);
        let reply = scim.post("/Bulk", &body).await?;
        assert_eq!(told(&reply).len(), 1, "{reply:?}");
        assert_eq!(scim.get(&format!("/Users/{ana}")).await?.status, 200);

        let many: Vec<Value> = vec![json!({"method": "DELETE", "path": "/Users/nobody"}); 21];
        expect(&scim.post("/Bulk", &bulk(&many.into())).await?, 413, "");
        let large = json!({"method": "DELETE", "path": "x".repeat(5 << 20)});
        expect(&scim.post("/Bulk", &bulk(&json!([large]))).await?, 413, "");
        assert_eq!(scim.get("/Bulk").await?.status, 405);
        expect(
            &scim.post("/Bulk", &json!({"Operations": 7})).await?,
            400,
            "invalidSyntax",
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_order() -> Result<()> {
    let (directory, mut host) = host("page = 4\npage-max = 6").await?;
    let scim = host.scim("entra")?;
    let mut ids = Vec::new();
    for n in 0..11 {
        let mut body = user(&format!("user-{n:02}"));
        body["title"] = if n % 2 == 0 { "Even" } else { "odd" }.into();
        if n != 3 {
            body["name"] = json!({"familyName": format!("{}", (b'k' - n) as char)});
        }
        ids.push(create(&scim, "Users", &body).await?);
    }
    for n in 0..3 {
        create(
            &scim,
            "Groups",
            &json!({"schemas": [GROUP], "displayName": format!("group-{n}")}),
        )
        .await?;
    }
    let names = |reply: &Reply| -> Vec<String> {
        let name = |resource: &Value| {
            let name = resource["userName"]
                .as_str()
                .or(resource["displayName"].as_str());
            name.unwrap_or_default().to_owned()
        };
        reply.resources().iter().map(name).collect()
    };

    // By number (RFC 7644, section 3.4.2.4).
    for (query, total, start, count) in [
        ("", 11, 1, 4),
        ("count=99", 11, 1, 6),
        ("startIndex=0&count=2", 11, 1, 2),
        ("startIndex=-5&count=-1", 11, 1, 0),
        ("startIndex=10&count=5", 11, 10, 2),
        ("startIndex=12", 11, 12, 0),
        ("startIndex=99999999999999999999", 11, u64::MAX, 0),
        ("count=0", 11, 1, 0),
        ("filter=title+eq+%22even%22&startIndex=5&count=4", 6, 5, 2),
        ("filter=title+co+%22d%22&startIndex=4&count=4", 5, 4, 2),
        ("filter=userName+eq+%22user-04%22&startIndex=2", 1, 2, 0),
    ] {
        let reply = scim.get(&format!("/Users?{query}")).await?;
        let numbers =
            ["totalResults", "startIndex", "itemsPerPage"].map(|n| reply.body[n].as_u64());
        assert_eq!(
            numbers,
            [Some(total), Some(start), Some(count)],
            "{query}: {reply:?}"
        );
        assert_eq!(reply.resources().len() as u64, count, "{query}");
    }

    // Over all types at once, page by page: everybody once, and no page larger than the largest.
    let search = |body: Value| {
        let scim = scim.clone();
        async move { scim.post("/.search", &body).await }
    };
    let mut seen = Vec::new();
    for start in [1, 7, 13] {
        let reply = search(json!({"startIndex": start, "count": 50})).await?;
        assert_eq!(reply.body["totalResults"], 14, "{reply:?}");
        seen.extend(names(&reply));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 14);
    assert_eq!(search(json!({})).await?.resources().len(), 4);
    let reply = search(json!({"sortBy": "displayName", "count": 2})).await?;
    assert_eq!(
        names(&reply),
        ["group-0", "group-1"],
        "what has no value comes last"
    );

    // The root is asked by GET (RFC 7644, section 3.4.2.1).
    let reply = scim
        .get("/?filter=userName+sw+%22user-0%22+or+displayName+eq+%22group-1%22&count=6&startIndex=6")
        .await?;
    assert_eq!(reply.body["totalResults"], 11, "{reply:?}");
    assert_eq!(names(&reply).last().map(String::as_str), Some("group-1"));
    assert_eq!(scim.post("/", &json!({})).await?.status, 405);

    // By cursor (RFC 9865): a filter, an order, everything; over one type and over all.
    let walks = [
        ("/Users", json!({}), 11),
        ("/Users", json!({"filter": "title co \"v\""}), 6),
        ("/Users", json!({"filter": "userName eq \"user-07\""}), 1),
        ("/Users", json!({"filter": "PLACEHOLDER eq \"x\""}), 0),
        (
            "/Users",
            json!({"sortBy": "name.familyName", "sortOrder": "descending"}),
            11,
        ),
        ("", json!({}), 14),
        ("", json!({"sortBy": "meta.created"}), 14),
        (
            "",
            json!({"filter": "externalId pr or displayName sw \"group\""}),
            14,
        ),
    ];
    for (endpoint, query, total) in &walks {
        let (mut cursor, mut seen, mut pages) = (json!(""), Vec::new(), 0);
        loop {
            let mut body = query.clone();
            body["cursor"] = cursor;
            body["count"] = json!(3);
            let reply = scim.post(&format!("{endpoint}/.search"), &body).await?;
            assert_eq!(reply.status, 200, "{query} {reply:?}");
            assert_eq!(
                reply.body["totalResults"],
                json!(total),
                "{query} {reply:?}"
            );
            assert!(reply.body.get("startIndex").is_none());
            seen.extend(names(&reply));
            pages += 1;
            cursor = reply.body["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(seen.len(), *total, "{query}: {seen:?}");
        assert_eq!(pages, total.div_ceil(3).max(1), "{query}");
        if query["sortBy"] == "name.familyName" {
            // Without a value first, then k, j, i, …
            assert_eq!(seen[..3], ["user-03", "user-00", "user-01"]);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), *total, "{query}: somebody came twice");
    }

    // A cursor outlives the host, and the resource that it names; it does not fit another query.
    let first = scim.get("/Users?cursor&count=2").await?;
    let sorted = scim.get("/Users?cursor=&count=2&sortBy=userName").await?;
    let next = |reply: &Reply| {
        reply.body["nextCursor"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let (plain, by_name) = (next(&first), next(&sorted));
    host.kill()?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("entra")?;
    let page = scim.get(&format!("/Users?cursor={plain}&count=2")).await?;
    assert_eq!(names(&page), ["user-02", "user-03"]);
    assert_eq!(
        scim.delete(&format!("/Users/{}", ids[1])).await?.status,
        204
    );
    let page = scim.get(&format!("/Users?cursor={plain}&count=2")).await?;
    assert_eq!(names(&page), ["user-02", "user-03"]);
    let gone = scim
        .get(&format!("/Users?cursor={by_name}&sortBy=userName"))
        .await?;
    expect(&gone, 400, "expiredCursor");
    for (query, code) in [
        (format!("cursor={plain}&sortBy=userName"), "invalidCursor"),
        (format!("cursor={plain}&filter=title+pr"), "invalidCursor"),
        (
            format!("cursor={}", &plain[..plain.len() - 3]),
            "invalidCursor",
        ),
        ("cursor=nonsense".to_owned(), "invalidCursor"),
        ("cursor=&count=0".to_owned(), "invalidCount"),
        (format!("cursor={plain}&startIndex=3"), "invalidValue"),
    ] {
        expect(&scim.get(&format!("/Users?{query}")).await?, 400, code);
    }
    expect(
        &scim.get(&format!("/Groups?cursor={plain}")).await?,
        400,
        "invalidCursor",
    );
    assert_eq!(
        scim.get("/Users?cursor=&count=7").await?.resources().len(),
        6
    );
    expect(
        &host.scim("strict")?.get("/Users?cursor=&count=7").await?,
        400,
        "invalidCount",
    );
    let config = scim.get("/ServiceProviderConfig").await?;
    assert_eq!(
        config.body["pagination"],
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 4, "maxPageSize": 6})
    );

    // By value, ties by id (RFC 7644, section 3.4.2.3).
    for (query, first) in [
        (
            "sortBy=userName&sortOrder=descending",
            ["user-10", "user-09"],
        ),
        ("sortBy=title&sortOrder=ascending", ["user-00", "user-02"]),
        ("sortBy=title&sortOrder=descending", ["user-03", "user-05"]),
        ("sortBy=name.familyName", ["user-10", "user-09"]),
        (
            "sortBy=meta.lastModified&sortOrder=descending",
            ["user-10", "user-09"],
        ),
        ("sortBy=id", ["user-00", "user-02"]),
        ("sortBy=nonsense", ["user-00", "user-02"]),
    ] {
        let reply = scim.get(&format!("/Users?{query}&count=2")).await?;
        assert_eq!(names(&reply), first, "{query}");
    }
    expect(
        &scim.get("/Users?sortBy=userName&sortOrder=up").await?,
        400,
        "invalidValue",
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_and_versions() -> Result<()> {
    let (_directory, host) = host("").await?;
    let scim = host.scim("entra")?;
    let mut body = user("ana");
    body["name"] = json!({"givenName": "Ana", "familyName": "Ruiz"});
    body["emails"] = json!([{"type": "work", "value": "w@x"}, {"type": "home", "value": "h@x"}]);
    body[ENTERPRISE] = json!({"department": "D", "employeeNumber": "7"});
    let id = create(&scim, "Users", &body).await?;
    let own = |user: &Value| {
        let mut user = user.clone();
        if let Value::Object(user) = &mut user {
            assert!(user.shift_remove("id").is_some() && user.shift_remove("schemas").is_some());
        }
        user
    };
    let only_work = encode("emails[type eq \"work\"]");
    let rows = [
        ("attributes=userName".to_owned(), json!({"userName": "ana"})),
        (
            "attributes=name.givenName".to_owned(),
            json!({"name": {"givenName": "Ana"}}),
        ),
        (
            "attributes=EMAILS.value".to_owned(),
            json!({"emails": [{"value": "w@x"}, {"value": "h@x"}]}),
        ),
        (
            format!("attributes={only_work}"),
            json!({"emails": [{"type": "work", "value": "w@x"}]}),
        ),
        (
            format!("attributes={ENTERPRISE}:department"),
            json!({ENTERPRISE: {"department": "D"}}),
        ),
        (
            format!("attributes={ENTERPRISE}"),
            json!({ENTERPRISE: {"department": "D", "employeeNumber": "7"}}),
        ),
        (
            format!("attributes={USER}:userName"),
            json!({"userName": "ana"}),
        ),
        (
            format!(
                "excludedAttributes=meta,groups,active,externalId,name.familyName,emails,userName,id,{ENTERPRISE}"
            ),
            json!({"name": {"givenName": "Ana"}}),
        ),
        (
            "attributes=userName&excludedAttributes=userName".to_owned(),
            json!({"userName": "ana"}),
        ),
        ("attributes=password,nonsense".to_owned(), json!({})),
    ];
    let change = patch_op(&json!([{"op": "replace", "path": "active", "value": true}]));
    for (query, expected) in &rows {
        let shown = scim.get(&format!("/Users/{id}?{query}")).await?;
        assert_eq!(own(&shown.body), *expected, "GET {query}");
        let shown = scim
            .get(&format!("/Users?{query}&filter=userName+eq+%22ana%22"))
            .await?;
        assert_eq!(own(&shown.resources()[0]), *expected, "list {query}");
        let shown = scim.patch(&format!("/Users/{id}?{query}"), &change).await?;
        assert_eq!(own(&shown.body), *expected, "PATCH {query}");
        let shown = scim.put(&format!("/Users/{id}?{query}"), &body).await?;
        assert_eq!(own(&shown.body), *expected, "PUT {query}");
    }
    let search = json!({"attributes": ["name.familyName", "emails[type eq \"home\"].value"]});
    let shown = scim.post("/Users/.search", &search).await?;
    assert_eq!(
        own(&shown.resources()[0]),
        json!({"name": {"familyName": "Ruiz"}, "emails": [{"value": "h@x"}]})
    );
    let made = scim
        .post("/Users?attributes=userName", &user("ben"))
        .await?;
    assert_eq!(own(&made.body), json!({"userName": "ben"}));
    let strict = host.scim("strict")?;
    let both = strict
        .get("/Users?attributes=userName&excludedAttributes=name")
        .await?;
    expect(&both, 400, "invalidValue");

    // RFC 7644, section 3.14, and RFC 9110, section 13.
    let path = format!("/Users/{id}");
    let now = scim.get(&path).await?;
    let tag = now.header("etag").unwrap_or_default().to_owned();
    assert_eq!(now.body["meta"]["version"], json!(tag));
    let title = |text: &str| {
        Some(patch_op(
            &json!([{"op": "replace", "path": "title", "value": text}]),
        ))
    };
    let whole = Some(body.clone());
    let (old, none) = ("W/\"0\"", "\"not-ours\"");
    let steps = [
        (Method::GET, "if-none-match", tag.as_str(), None, 304),
        (Method::GET, "if-none-match", "*", None, 304),
        (Method::GET, "if-none-match", old, None, 200),
        (Method::GET, "if-match", old, None, 412),
        (Method::GET, "if-match", tag.as_str(), None, 200),
        (Method::PATCH, "if-match", old, title("a"), 412),
        (Method::PATCH, "if-match", none, title("a"), 412),
        (Method::PATCH, "if-none-match", "*", title("a"), 412),
        (
            Method::PATCH,
            "if-none-match",
            tag.as_str(),
            title("a"),
            412,
        ),
        (Method::PUT, "if-match", old, whole.clone(), 412),
        (Method::PUT, "if-none-match", tag.as_str(), whole, 412),
        (Method::DELETE, "if-match", old, None, 412),
        (Method::DELETE, "if-none-match", "*", None, 412),
        (Method::PATCH, "if-match", "*", title("b"), 200),
        (Method::PATCH, "if-match", tag.as_str(), title("c"), 412),
        (Method::PATCH, "if-none-match", old, title("d"), 200),
    ];
    for (method, name, tag, body, status) in steps {
        let came = with(&scim, method.clone(), &path, (name, tag), body).await?;
        assert_eq!(came, status, "{method} {name}: {tag}");
    }
    // Who is not there has no version: 404 comes before 412.
    for tag in ["*", old, none] {
        for (method, body) in [(Method::PATCH, title("x")), (Method::DELETE, None)] {
            let came = with(
                &scim,
                method.clone(),
                "/Users/nobody",
                ("if-match", tag),
                body,
            )
            .await?;
            assert_eq!(came, 404, "{method} {tag}");
        }
    }
    let now = scim.get(&path).await?;
    let tag = now.header("etag").unwrap_or_default().to_owned();
    assert_eq!(
        with(&scim, Method::DELETE, &path, ("if-match", &tag), None).await?,
        204
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_mode() -> Result<()> {
    let (_directory, host) = host("").await?;
    let (entra, strict) = (host.scim("entra")?, host.scim("strict")?);
    let mut ids = Vec::new();
    for scim in [&entra, &strict] {
        let user = create(scim, "Users", &user("ana")).await?;
        let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": user}]});
        ids.push((user, create(scim, "Groups", &group).await?));
    }
    // What the RFC has works in both.
    for (scim, (user, group)) in [&entra, &strict].into_iter().zip(&ids) {
        let good = patch_op(&json!([
            {"op": "add", "path": "emails", "value": [{"type": "work", "value": "w@x"}]},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "v@x"},
            {"op": "replace", "path": "active", "value": false}]));
        let reply = scim.patch(&format!("/Users/{user}"), &good).await?;
        assert_eq!(reply.body["emails"][0]["value"], "v@x", "{reply:?}");
        let gone =
            patch_op(&json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]));
        for _ in 0..2 {
            assert_eq!(
                scim.patch(&format!("/Groups/{group}"), &gone).await?.status,
                204
            );
        }
    }
    // What it does not have, and why.
    let rows = [
        (
            "invalidSyntax",
            json!({"op": "Replace", "path": "title", "value": "x"}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "active", "value": "False"}),
        ),
        (
            "noTarget",
            json!({"op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"}),
        ),
        (
            "invalidPath",
            json!({"op": "replace", "value": {"name.givenName": "x"}}),
        ),
        (
            "invalidPath",
            json!({"op": "add", "path": "shoeSize", "value": "x"}),
        ),
        (
            "mutability",
            json!({"op": "replace", "path": "id", "value": "x"}),
        ),
    ];
    for (code, operation) in rows {
        let refused = strict
            .patch(
                &format!("/Users/{}", ids[1].0),
                &patch_op(&json!([operation])),
            )
            .await?;
        expect(&refused, 400, code);
        if code != "mutability" {
            let reply = entra
                .patch(
                    &format!("/Users/{}", ids[0].0),
                    &patch_op(&json!([operation])),
                )
                .await?;
            assert_eq!(reply.status, 200, "{operation}: {reply:?}");
        }
    }
    let listed =
        patch_op(&json!([{"op": "remove", "path": "members", "value": [{"value": ids[1].0}]}]));
    expect(
        &strict
            .patch(&format!("/Groups/{}", ids[1].1), &listed)
            .await?,
        400,
        "invalidValue",
    );
    let mut bare = user("ben");
    bare[ENTERPRISE] = json!({"manager": ids[1].0});
    expect(&strict.post("/Users", &bare).await?, 400, "invalidValue");
    expect(
        &strict.post("/Users", &json!({"userName": "ben"})).await?,
        400,
        "invalidSyntax",
    );
    let unknown = "filter=PLACEHOLDER+eq+%22x%22";
    expect(
        &strict.get(&format!("/Users?{unknown}")).await?,
        400,
        "invalidFilter",
    );
    assert_eq!(
        entra.get(&format!("/Users?{unknown}")).await?.body["totalResults"],
        0
    );
    for scim in [&entra, &strict] {
        expect(
            &scim.get("/Users?filter=active+gt+true").await?,
            400,
            "invalidFilter",
        );
        assert_eq!(scim.get("/Me").await?.status, 501);
        let old = Scim::new(scim.base().replace("/v2", "/v1"), TOKEN)?;
        expect(&old.get("/Users").await?, 400, "invalidVers");
        for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
            assert_eq!(
                scim.get(&format!("{path}?filter=id+pr")).await?.status,
                403,
                "{path}"
            );
            let stranger = Scim::new(scim.base(), "nobody")?;
            assert_eq!(stranger.get(path).await?.status, 401, "{path}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_the_operators() -> Result<()> {
    let (_directory, host) =
        host("body = \"64KiB\"\njson-depth = 9\npatch-operations = 3\nfilter-terms = 2\nattribute-names = 2\nflattened-keys = 1").await?;
    let scim = host.scim("entra")?;
    let id = create(&scim, "Users", &user("ana")).await?;
    let path = format!("/Users/{id}");
    let set = json!({"op": "replace", "path": "title", "value": "x"});
    let change = |operations: Value| {
        let (scim, path) = (scim.clone(), path.clone());
        async move { scim.patch(&path, &patch_op(&operations)).await }
    };
    assert_eq!(change(json!([set, set, set])).await?.status, 200);
    expect(&change(json!([set, set, set, set])).await?, 413, "");
    expect(
        &change(json!([{"op": "add", "value": {"name.givenName": "a", "name.familyName": "b"}}]))
            .await?,
        413,
        "",
    );
    expect(
        &change(json!([{"op": "add", "path": "title", "value": "x".repeat(70_000)}])).await?,
        413,
        "",
    );
    let mut deep = json!("x");
    for _ in 0..9 {
        deep = json!([deep]);
    }
    expect(
        &change(json!([{"op": "add", "path": "title", "value": deep}])).await?,
        400,
        "invalidSyntax",
    );
    expect(
        &scim.get("/Users?filter=id+pr+and+id+pr+and+id+pr").await?,
        400,
        "invalidFilter",
    );
    expect(
        &scim.get("/Users?attributes=a,b,c").await?,
        400,
        "invalidValue",
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_a_connectors_own_is_a_resource_type_like_any_other() -> Result<()> {
    const DEVICE: &str = "urn:x:guest:2.0:Device";
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    apps::guest(
        &directory,
        "things",
        "",
        "[reads]\nfreshness = \"mirror\"\n",
    )?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("things")?;

    let found = scim.get("/ResourceTypes/Device").await?;
    assert_eq!(found.body["endpoint"], "/Devices", "{found:?}");
    assert_eq!(found.body["schema"], DEVICE);
    assert_eq!(
        found.body["meta"]["location"],
        json!(format!("{}/ResourceTypes/Device", scim.base()))
    );
    let schema = scim.get(&format!("/Schemas/{DEVICE}")).await?;
    let attribute = |name: &str| {
        let attributes = schema.body["attributes"].as_array();
        let found = attributes.into_iter().flatten().find(|a| a["name"] == name);
        found.cloned().unwrap_or_default()
    };
    assert_eq!(attribute("label")["required"], true, "{schema:?}");
    assert_eq!(attribute("label")["caseExact"], true);
    assert_eq!(attribute("model")["mutability"], "immutable");
    assert_eq!(attribute("state")["mutability"], "readOnly");
    assert_eq!(attribute("pin")["mutability"], "writeOnly");
    assert_eq!(attribute("pin")["returned"], "never");

    let device = json!({"schemas": [DEVICE], "label": "Scanner", "model": "S1", "state": "stolen", "pin": "1234"});
    let made = scim.post("/Devices", &device).await?;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["meta"]["resourceType"], "Device");
    assert_eq!(
        made.body["state"], "new",
        "what is read-only is the server's"
    );
    assert!(made.body.get("pin").is_none());
    let path = format!("/Devices/{}", made.id());

    // Nothing of it is unique, and yet the same POST makes no second one.
    expect(&scim.post("/Devices", &device).await?, 409, "uniqueness");
    let mut other = device.clone();
    other["model"] = json!("S2");
    let second = scim.post("/Devices", &other).await?;
    assert_eq!(second.status, 201, "{second:?}");
    assert_eq!(scim.delete(&path).await?.status, 204);
    let again = scim.post("/Devices", &device).await?;
    assert_eq!(again.status, 201, "the first is gone: {again:?}");
    let path = format!("/Devices/{}", again.id());

    for (code, operation) in [
        (
            "mutability",
            json!({"op": "replace", "path": "model", "value": "S9"}),
        ),
        (
            "mutability",
            json!({"op": "replace", "path": "state", "value": "new"}),
        ),
        ("mutability", json!({"op": "remove", "path": "label"})),
        (
            "invalidValue",
            json!({"op": "replace", "path": "label", "value": null}),
        ),
    ] {
        let refused = scim.patch(&path, &patch_op(&json!([operation]))).await?;
        expect(&refused, 400, code);
    }
    let mut changed = device.clone();
    changed["model"] = json!("S9");
    expect(&scim.put(&path, &changed).await?, 400, "mutability");
    expect(
        &scim.post("/Devices", &json!({"schemas": [DEVICE]})).await?,
        400,
        "invalidValue",
    );

    // Case counts where the connector says so.
    for (filter, hits) in [
        ("label eq \"Scanner\"", 1),
        ("label eq \"scanner\"", 0),
        ("pin pr", 0),
    ] {
        let filter = format!("id eq \"{}\" and {filter}", again.id());
        let list = scim
            .get(&format!("/Devices?filter={}", encode(&filter)))
            .await?;
        assert_eq!(list.body["totalResults"], hits, "{filter}: {list:?}");
    }
    Ok(())
}
