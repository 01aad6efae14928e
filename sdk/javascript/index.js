// What the author of a Tombolo connector in JavaScript uses. Types: index.d.ts.
//
// A connector knows its target and nothing else: it never sees SCIM, HTTP, tokens, addresses or passwords. It is one
// object with a method for each call, and throws a Failure. Everything here also works in Node, for unit tests:
// testing.js plays the host.

export { Failure } from "./failure.js";
export { Description, ENTERPRISE, attribute, group, kind, user } from "./schema.js";
export { Filter } from "./filter.js";
export { Bytes, Decimal, Instant, Entry, fold } from "./values.js";
export { page } from "./paging.js";
export { host, log, remainingMs, requestId, secret, settings, state } from "./host.js";
