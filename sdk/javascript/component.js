// From the author's connector to the component's exports, and between its values and the bindings'. For the module that
// the build makes, not for authors.

import { Failure } from "./failure.js";
import { Filter } from "./filter.js";
import { Decimal, Entry, Instant } from "./values.js";

/** An object for each interface that a component may export; the world chooses among them. */
export function exportsOf(it) {
  const answers = (what) => (...given) => {
    try {
      return what(...given);
    } catch (error) {
      throw failureOut(error);
    }
  };
  return {
    connector: {
      describe: answers(() => JSON.stringify(it.describe())),
      check: answers(() => void it.check()),
    },
    read: {
      get: answers((kind, anchor, wanted) => entryOut(it.get(kind, anchor, wanted))),
      search: answers((kind, query) => {
        const { entries, cursor, total } = it.search(kind, queryIn(query));
        return { entries: entries.map(entryOut), cursor: cursor ?? null, total: total ?? null };
      }),
    },
    write: {
      create: answers((kind, attributes, request) => {
        const given = attributes.filter(({ values }) => values.length > 0);
        const entry = new Entry("", Object.fromEntries(given.map(({ name, values }) => [name, values.map(valueIn)])));
        return entryOut(it.create(kind, entry, request));
      }),
      update: answers((kind, anchor, edits, ifVersion, request) => {
        const own = edits.map(({ kind: what, attribute: { name, values } }) =>
          ({ kind: what, name, values: values.map(valueIn) }));
        return entryOut(it.update(kind, anchor, own, ifVersion ?? undefined, request));
      }),
      delete: answers((kind, anchor, request) => void it.delete(kind, anchor, request)),
    },
    members: {
      listMembers: answers((group, cursor, limit) => {
        const found = it.listMembers(group, cursor ?? undefined, limit);
        return { members: found.members, cursor: found.cursor ?? null };
      }),
      changeMembers: answers((group, add, remove, request) => void it.changeMembers(group, add, remove, request)),
    },
    password: {
      setPassword: answers((anchor, value, mustChange) => void it.setPassword(anchor, value, mustChange)),
    },
    delta: {
      since: answers((kind, token, limit) => {
        const { changes, token: next, more } = it.since(kind, token ?? undefined, limit);
        const out = (change) =>
          typeof change === "string" ? { tag: "gone", val: change } : { tag: "changed", val: entryOut(change) };
        return { changes: changes.map(out), token: next, more };
      }),
    },
  };
}

function failureOut(error) {
  // Whatever was thrown: the administrator reads what went wrong, and the instance is still good.
  const failure = error instanceof Failure ? error : Failure.other(String(error));
  return {
    fault: failure.fault,
    message: failure.message,
    attribute: failure.attribute ?? null,
    targetCode: failure.code ?? null,
    retryAfterMs: failure.retryAfterMs ?? null,
  };
}

function queryIn({ filter, attributes, cursor, limit }) {
  const node = ({ tag, val }) =>
    tag === "test" ? { tag, val: [val[0], val[1], scalarIn(val[2])] } : { tag, val };
  return {
    filter: filter ? Filter.read(Array.from(filter, node)) : undefined,
    attributes,
    cursor: cursor ?? undefined,
    limit,
  };
}

function scalarIn({ tag, val }) {
  if (tag === "decimal") return new Decimal(val);
  if (tag === "instant") return new Instant(val);
  if (tag === "bytes") return Uint8Array.from(val);
  return val;
}

const valueIn = ({ tag, val }) =>
  tag === "simple" ? scalarIn(val)
    : Object.fromEntries(val.map(({ name, values }) => [name, values.map(scalarIn)]));

function scalarOut(value) {
  if (typeof value === "string") return { tag: "text", val: value };
  if (typeof value === "boolean") return { tag: "boolean", val: value };
  if (typeof value === "bigint" || Number.isInteger(value)) return { tag: "integer", val: value };
  if (value instanceof Decimal) return { tag: "decimal", val: value.text };
  if (value instanceof Instant) return { tag: "instant", val: value.text };
  if (value instanceof Uint8Array) return { tag: "bytes", val: value };
  throw Failure.other(`${String(value)} is no value that an entry can have`);
}

const isComplex = (value) => Object.getPrototypeOf(Object(value)) === Object.prototype;

const valueOut = (value) => {
  if (!isComplex(value)) return { tag: "simple", val: scalarOut(value) };
  const parts = Object.entries(value).map(([name, held]) => ({ name, values: [held].flat().map(scalarOut) }));
  return { tag: "complex", val: parts };
};

const entryOut = ({ anchor, version, attributes }) => ({
  anchor,
  version: version ?? null,
  attributes: Object.entries(attributes)
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => ({ name, values: values.map(valueOut) })),
});
