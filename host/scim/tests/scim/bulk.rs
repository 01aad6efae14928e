//! Bulk requests: what they say, in which order they are done, what is answered.

use serde_json::{Value, json};
use tombolo_scim::bulk::{BulkRequest, Done, Method, Run, Task};
use tombolo_scim::{Error, Rules};

use crate::ENTERPRISE;

const BASE: &str = "https://h/scim";

fn begin(body: &Value) -> Run {
    BulkRequest::parse(&Rules::STRICT, body.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{body}: {error}"))
        .begin(BASE)
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` at every call")]
fn bulk(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
}

fn post(bulk_id: &str, path: &str, data: &Value) -> Value {
    json!({"method": "POST", "bulkId": bulk_id, "path": path, "data": data})
}

/// Does every task as a server without faults; `id-N` is the N-th that it makes.
struct Server {
    made: usize,
    done: Vec<(Method, String, Value)>,
    refuses: Option<&'static str>,
}

impl Server {
    fn new() -> Self {
        Self {
            made: 0,
            done: Vec::new(),
            refuses: None,
        }
    }

    fn run(&mut self, body: &Value) -> Vec<Value> {
        let mut run = begin(body);
        while let Some(task) = run.next_task() {
            let outcome = self.answer(&task);
            run.finish(&task, outcome);
        }
        let answer = run.answer();
        assert_eq!(
            answer["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"])
        );
        answer["Operations"].as_array().unwrap().clone()
    }

    fn answer(&mut self, task: &Task) -> Result<Done, Error> {
        let data = serde_json::from_slice(&task.body).unwrap_or(Value::Null);
        let path = match &task.id {
            Some(id) => format!("/{}/{id}", task.endpoint),
            None => format!("/{}", task.endpoint),
        };
        if self
            .refuses
            .is_some_and(|word| data.to_string().contains(word))
        {
            return Err(Error::uniqueness("taken"));
        }
        self.done.push((task.method, path, data));
        let id = task.id.clone().unwrap_or_else(|| {
            self.made += 1;
            format!("id-{}", self.made)
        });
        Ok(Done {
            status: match task.method {
                Method::Post => 201,
                Method::Delete => 204,
                Method::Put | Method::Patch => 200,
            },
            location: format!("{BASE}/{}/{id}", task.endpoint),
            version: (task.method != Method::Delete).then(|| "W/\"1\"".to_owned()),
            id,
        })
    }
}

#[test]
fn the_rfcs_four_methods_are_done_and_answered_in_the_requests_order() {
    let mut server = Server::new();
    let answers = server.run(&bulk(json!([
        {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
        {"method": "PUT", "path": "/Users/b7c1", "version": "W/\"4\"", "data": {"userName": "Bob"}},
        // As section 3.7.3 shows it: without the message around the operations.
        {"method": "PATCH", "path": "/Users/5d8d", "data": [{"op": "remove", "path": "nickName"}]},
        {"method": "DELETE", "path": "/Users/e906", "version": "W/\"2\""},
    ])));
    assert_eq!(
        json!(answers),
        json!([
            {"location": "https://h/scim/Users/id-1", "method": "POST", "bulkId": "qwerty", "version": "W/\"1\"", "status": "201"},
            {"location": "https://h/scim/Users/b7c1", "method": "PUT", "version": "W/\"1\"", "status": "200"},
            {"location": "https://h/scim/Users/5d8d", "method": "PATCH", "version": "W/\"1\"", "status": "200"},
            {"location": "https://h/scim/Users/e906", "method": "DELETE", "status": "204"},
        ])
    );
    assert_eq!(
        server.done[2].2,
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "nickName"}]})
    );
}

#[test]
fn a_group_that_comes_before_its_members_is_made_after_them() {
    let mut server = Server::new();
    let answers = server.run(&bulk(json!([
        post("g", "/Groups", &json!({"displayName": "Tour Guides", "members": [{"type": "User", "value": "bulkId:u"}]})),
        post("u", "/Users", &json!({"userName": "Alice"})),
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [
            {"op": "remove", "path": "members[value eq \"bulkId:u\"]"},
            {"op": "add", "path": "members", "value": [{"value": "bulkId:u", "$ref": "https://h/scim/Users/bulkId:u"}]}]}},
    ])));
    let statuses: Vec<_> = answers.iter().map(|answer| &answer["status"]).collect();
    assert_eq!(json!(statuses), json!(["201", "201", "200"]));
    assert_eq!(
        answers[0]["bulkId"], "g",
        "the answer keeps the request's order"
    );
    assert_eq!(
        json!(
            server
                .done
                .iter()
                .map(|(_, path, data)| json!([path, data]))
                .collect::<Vec<_>>()
        ),
        json!([
            ["/Users", {"userName": "Alice"}],
            ["/Groups", {"displayName": "Tour Guides", "members": [{"type": "User", "value": "id-1"}]}],
            ["/Groups/id-2", {"Operations": [
                {"op": "remove", "path": "members[value eq \"id-1\"]"},
                {"op": "add", "path": "members", "value": [{"value": "id-1", "$ref": "https://h/scim/Users/id-1"}]}]}],
        ])
    );
}

#[test]
fn of_a_circle_the_first_is_made_without_the_reference_and_linked_afterwards() {
    let manager =
        |id: &str| json!({"manager": {"value": format!("bulkId:{id}")}, "department": "D"});
    let mut server = Server::new();
    let answers = server.run(&bulk(json!([
        post(
            "a",
            "/Users",
            &json!({"userName": "a", ENTERPRISE: manager("b")})
        ),
        post(
            "b",
            "/Users",
            &json!({"userName": "b", ENTERPRISE: manager("a")})
        ),
        post(
            "c",
            "/Groups",
            &json!({"displayName": "c", "members": [{"value": "bulkId:a"}, {"value": "bulkId:c"}]})
        ),
    ])));
    assert!(
        answers.iter().all(|answer| answer["status"] == "201"),
        "{answers:?}"
    );
    let patch = |operation: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
    assert_eq!(
        json!(
            server
                .done
                .iter()
                .map(|(_, path, data)| json!([path, data]))
                .collect::<Vec<_>>()
        ),
        json!([
            ["/Users", {"userName": "a", ENTERPRISE: {"department": "D"}}],
            ["/Users", {"userName": "b", ENTERPRISE: {"manager": {"value": "id-1"}, "department": "D"}}],
            ["/Users/id-1", patch(json!({"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "id-2"}}))],
            ["/Groups", {"displayName": "c", "members": [{"value": "id-1"}]}],
            ["/Groups/id-3", patch(json!({"op": "add", "path": "members", "value": [{"value": "id-3"}]}))],
        ])
    );
}

#[test]
fn a_link_that_fails_says_what_was_made_and_what_was_not() {
    let mut server = Server {
        refuses: Some("\"op\""),
        ..Server::new()
    };
    let answers = server.run(&bulk(json!([
        post(
            "a",
            "/Groups",
            &json!({"displayName": "a", "members": [{"value": "bulkId:b"}]})
        ),
        post(
            "b",
            "/Groups",
            &json!({"displayName": "b", "members": [{"value": "bulkId:a"}]})
        ),
    ])));
    assert_eq!(answers[0]["status"], "409");
    assert_eq!(answers[0]["location"], "https://h/scim/Groups/id-1");
    let detail = answers[0]["response"]["detail"].as_str().unwrap();
    assert!(detail.contains("was made, but without"), "{detail}");
    assert_eq!(answers[1]["status"], "201");
}

#[test]
fn what_needs_something_that_failed_fails_too_and_nothing_else_does() {
    let mut server = Server {
        refuses: Some("taken@"),
        ..Server::new()
    };
    let answers = server.run(&bulk(json!([
        post("u", "/Users", &json!({"userName": "taken@x"})),
        post("g", "/Groups", &json!({"displayName": "g", "members": [{"value": "bulkId:u"}]})),
        {"method": "DELETE", "path": "/Groups/bulkId:g"},
        post("v", "/Users", &json!({"userName": "v"})),
        post("w", "/Users", &json!({"userName": "w", ENTERPRISE: {"manager": {"value": "bulkId:nobody"}}})),
    ])));
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            (
                answer["status"].as_str().unwrap(),
                answer["response"]["scimType"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("409", Some("uniqueness")),
            ("409", None),
            ("409", None),
            ("201", None),
            ("400", Some("invalidValue")),
        ]
    );
    // A POST that failed has no location (section 3.7).
    assert!(answers[0].get("location").is_none());
    assert_eq!(answers[0]["bulkId"], "u");
    let detail = answers[1]["response"]["detail"].as_str().unwrap();
    assert!(detail.contains("`u`"), "{detail}");
}

#[test]
fn fail_on_errors_ends_it_and_what_was_not_begun_is_not_answered() {
    let operations = json!([
        post("1", "/Users", &json!({"userName": "taken@1"})),
        post("2", "/Users", &json!({"userName": "2"})),
        post("3", "/Users", &json!({"userName": "taken@3"})),
        post("4", "/Users", &json!({"userName": "4"})),
    ]);
    for (accepted, answered) in [
        (json!(0), 1),
        (json!(1), 1),
        (json!(2), 3),
        (json!(9), 4),
        (Value::Null, 4),
    ] {
        let mut body = bulk(operations.clone());
        body["failOnErrors"] = accepted.clone();
        let mut server = Server {
            refuses: Some("taken@"),
            ..Server::new()
        };
        assert_eq!(server.run(&body).len(), answered, "{accepted}");
    }
}

#[test]
fn a_faulty_operation_says_what_is_wrong_with_it_and_costs_no_other() {
    let user = json!({"userName": "x"});
    let rows = [
        (
            json!({"path": "/Users", "bulkId": "1", "data": user}),
            "needs a `method`",
        ),
        (
            json!({"method": "GET", "path": "/Users/1"}),
            "`method` must be",
        ),
        (
            json!({"method": "POST", "path": "/Users", "data": user}),
            "needs a `bulkId`",
        ),
        (
            json!({"method": "POST", "bulkId": "1", "data": user}),
            "needs a `path`",
        ),
        (
            json!({"method": "POST", "bulkId": "1", "path": "/Users/1", "data": user}),
            "endpoint, such as",
        ),
        (
            json!({"method": "PUT", "path": "/Users", "data": user}),
            "one resource",
        ),
        (
            json!({"method": "PUT", "path": "/Users/1/x", "data": user}),
            "one resource",
        ),
        (
            json!({"method": "DELETE", "path": "/Users/.search"}),
            "one resource",
        ),
        (
            json!({"method": "DELETE", "path": "/Users/1?attributes=id"}),
            "one resource",
        ),
        (
            json!({"method": "DELETE", "path": 7}),
            "`path` must be a string",
        ),
        (
            json!({"method": "POST", "bulkId": "1", "path": "/Users"}),
            "`data` must be",
        ),
        (
            json!({"method": "PUT", "path": "/Users/1", "data": [user]}),
            "`data` must be",
        ),
        (json!("DELETE"), "must be an object"),
    ];
    for (operation, why) in rows {
        let mut server = Server::new();
        let good = json!({"method": "DELETE", "path": "/Users/9"});
        let answers = server.run(&bulk(json!([operation, good])));
        assert_eq!(answers[0]["status"], "400", "{operation}");
        let detail = answers[0]["response"]["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{operation}: {detail}");
        assert_eq!(answers[1]["status"], "204", "{operation}");
    }
}

#[test]
fn a_bulk_id_that_comes_twice_is_refused_everywhere() {
    let mut server = Server::new();
    let answers = server.run(&bulk(json!([
        post("x", "/Users", &json!({"userName": "1"})),
        post("x", "/Users", &json!({"userName": "2"})),
        post(
            "g",
            "/Groups",
            &json!({"displayName": "g", "members": [{"value": "bulkId:x"}]})
        ),
    ])));
    let statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["400", "400", "409"]);
    assert_eq!(server.made, 0);
}

#[test]
fn operations_on_one_resource_keep_their_order() {
    let mut server = Server::new();
    server.run(&bulk(json!([
        // Has to wait for the user that is made last; what follows on the same group has to wait with it.
        {"method": "PATCH", "path": "/Groups/1", "data": [{"op": "add", "path": "members", "value": [{"value": "bulkId:u"}]}]},
        {"method": "DELETE", "path": "/groups/1"},
        {"method": "DELETE", "path": "/Groups/2"},
        post("u", "/Users", &json!({"userName": "u"})),
    ])));
    let paths: Vec<_> = server
        .done
        .iter()
        .map(|(_, path, _)| path.as_str())
        .collect();
    assert_eq!(paths, ["/Groups/2", "/Users", "/Groups/1", "/groups/1"]);
}

#[test]
fn the_whole_request_is_refused_when_it_is_none_or_too_long() {
    let refused = |body: Value, rules: &Rules| {
        let Err(error) = BulkRequest::parse(rules, body.to_string().as_bytes()) else {
            panic!("{body} was accepted")
        };
        error.status
    };
    assert_eq!(refused(json!([]), &Rules::ENTRA), 400);
    assert_eq!(refused(json!({}), &Rules::ENTRA), 400);
    assert_eq!(refused(json!({"Operations": {}}), &Rules::ENTRA), 400);
    assert_eq!(refused(json!({"Operations": []}), &Rules::STRICT), 400);
    assert_eq!(
        refused(json!({"Operations": [], "failOnErrors": -1}), &Rules::ENTRA),
        400
    );
    let mut rules = Rules::ENTRA;
    rules.limits.bulk_operations = 2;
    assert_eq!(refused(json!({"Operations": [1, 2, 3]}), &rules), 413);
}

#[test]
fn text_that_only_looks_like_a_reference_is_left_alone() {
    let mut server = Server::new();
    let data = json!({"userName": "u", "title": "about bulkId:v and more", "name": {"path": "x/bulkId:unknown"}});
    server.run(&bulk(json!([
        post("v", "/Users", &json!({"userName": "v"})),
        post("u", "/Users", &data),
    ])));
    assert_eq!(server.done[1].2, data);
}

#[test]
fn a_long_chain_and_a_large_circle_cost_no_recursion() {
    let count = 20_000;
    let mut rules = Rules::ENTRA;
    rules.limits.bulk_operations = count;
    for last in ["bulkId:0".to_owned(), "somebody".to_owned()] {
        let operations: Vec<Value> = (0..count)
            .map(|n| {
                let next = if n + 1 == count {
                    last.clone()
                } else {
                    format!("bulkId:{}", n + 1)
                };
                post(
                    &n.to_string(),
                    "/Users",
                    &json!({"userName": n.to_string(), "manager": {"value": next}}),
                )
            })
            .collect();
        let body = bulk(json!(operations)).to_string();
        let mut run = BulkRequest::parse(&rules, body.as_bytes())
            .unwrap()
            .begin(BASE);
        let mut server = Server::new();
        while let Some(task) = run.next_task() {
            let outcome = server.answer(&task);
            run.finish(&task, outcome);
        }
        let answer = run.answer();
        let answers = answer["Operations"].as_array().unwrap();
        assert_eq!(answers.len(), count);
        assert!(answers.iter().all(|answer| answer["status"] == "201"));
        assert_eq!(server.made, count);
    }
}
