// What the SDK promises, in Node: node --test test/, in sdk/javascript.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, Description, Entry, Filter, Instant, attribute, page, state, user } from "../index.js";
import { decode, encode } from "../host.js";
import { exportsOf } from "../component.js";
import { reset } from "../testing.js";

const { text, boolean, integer } = attribute;
const kind = user(
  text("login", { required: true, unique: true }), text("code", { caseExact: true }), text("mail", { multi: true }),
  boolean("active"), integer("room"));
const description = new Description("d", "1", kind);
const ana = Entry.of("1", {
  login: "Ána@X", code: "aB", mail: ["a@x", "b@x"], active: true, room: 42, name: { given: "Ana" },
  since: new Instant("2026-01-01T00:00:00.500Z"),
});
const passes = (...given) => Filter.test(...given).matches(kind, ana);

test("case counts only where the kind says so", () => {
  assert(passes("login", "equal", "áNA@x"));
  assert(passes("code", "equal", "aB") && !passes("code", "equal", "ab"));
});

test("not-equal is the negation of equal, and types never mix", () => {
  assert(!passes("mail", "not-equal", "b@x") && passes("nothing", "not-equal", "c"));
  assert(!passes("room", "equal", "42") && !passes("active", "equal", 1));
});

test("numbers and instants compare by what they mean", () => {
  assert(passes("room", "equal", new Decimal("042.0")) && passes("room", "greater", 41));
  assert(passes("room", "greater", new Decimal("-100")) && !passes("room", "less", new Decimal("5.9")));
  assert(passes("since", "equal", new Instant("2026-01-01T00:00:00.5Z")));
});

test("a flat list becomes a tree, and a shared node is refused", () => {
  const present = { tag: "present", val: "login" };
  const tree = Filter.read([present, { tag: "negate", val: 0 }, { tag: "present", val: "mail" }, { tag: "any", val: [1, 2] }]);
  assert(tree.matches(kind, ana));
  for (const bad of [[], [{ tag: "negate", val: 0 }], [present, { tag: "all", val: [0, 0] }]]) {
    assert.throws(() => Filter.read(bad), { fault: "invalid" });
  }
});

test("edits apply in order, and an empty attribute is absent", () => {
  const entry = Entry.of("1", { mail: "a@x", title: "Lead" });
  entry.apply([
    { kind: "add", name: "mail", values: ["b@x", "a@x"] }, { kind: "remove", name: "mail", values: ["a@x"] },
    { kind: "put", name: "title", values: [] }]);
  assert.deepEqual(entry.attributes, { mail: ["b@x"] });
});

test("an entry is checked against its kind, and the attribute is blamed", () => {
  description.check("user", Entry.of("1", { login: "ana" }));
  for (const [bad, attribute] of [[{}, "login"], [{ login: "a", shoe: 1 }, "shoe"], [{ login: 7 }, "login"]]) {
    assert.throws(() => description.check("user", Entry.of("1", bad)), { fault: "invalid", attribute });
  }
});

test("pages end and leave nothing out", () => {
  assert.deepEqual(page(["a", "b", "c"], String, undefined, 2), { items: ["a", "b"], cursor: "b" });
  assert.deepEqual(page(["a", "b", "c"], String, "b", 2), { items: ["c"], cursor: undefined });
});

test("text survives the state's bytes", () => {
  for (const sample of ["", "Ána", "日本", "😀\0\u{10FFFF}"]) assert.equal(decode(encode(sample)), sample);
  reset();
  state.put("a/1", { name: "Ána 😀" });
  assert.deepEqual(state.get("a/1").value, { name: "Ána 😀" });
  assert.throws(() => state.put("a/1", 1, 0), { fault: "changed" });
});

test("whatever is thrown reaches the host as a failure", () => {
  const { connector } = exportsOf({ check: () => { throw new TypeError("boom"); } });
  assert.throws(() => connector.check(), (error) => error.fault === "other" && error.message.includes("boom"));
});
