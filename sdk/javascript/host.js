// The host's services. In a component they are its imports, attached by the module that the build makes; in Node,
// testing.js attaches others.

import { Failure } from "./failure.js";

let attached;

/** For the build and for testing.js. */
export const attach = (services) => {
  attached = services;
};

/** The bare imports by name (`http`, `ldap`, `sql`, …), for what has no wrapper here. */
export const host = () => {
  if (!attached) throw new Error("there is no host: in a unit test, import \"./sdk/javascript/testing.js\" first");
  return attached;
};

/** The app's settings, which the host has checked against the manifest's schema. */
export const settings = () => JSON.parse(host().config.settings());

/** Milliseconds that this call has left. */
export const remainingMs = () => host().context.remainingMs();

/** The id under which host and client log the request. */
export const requestId = () => host().context.requestId();

/** The handle of a secret that the operator granted; undefined when there is no such grant. */
export const secret = (name) => host().secrets.open(name) ?? undefined;

const line = (level) => (message, fields = {}) =>
  host().log.emit(level, message, Object.entries(fields).map(([name, value]) => [name, String(value)]));

/** The app's log: `log.info("read", { rows: 12 })`. Never a password. */
export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

const call = (what) => {
  try {
    return what() ?? undefined;
  } catch (error) {
    const refusal = error?.payload ?? error;
    if (refusal?.tag === "full") throw Failure.other("the app's state is full");
    if (refusal?.tag === "changed") throw Failure.changed("another call has changed this part of the app's state");
    throw Failure.unavailable(`the app's state: ${refusal?.val ?? refusal}`);
  }
};

/** Text in UTF-8. QuickJS has no TextEncoder. */
export function encode(text) {
  const bytes = [];
  for (const character of text) {
    const point = character.codePointAt(0);
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    else {
      bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    }
  }
  return new Uint8Array(bytes);
}

/** UTF-8 as text. */
export function decode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let point = more === 0 ? first : first & (0x3f >> more);
    for (let n = 0; n < more; n++) point = (point << 6) | (bytes[at++] & 0x3f);
    text += String.fromCodePoint(point);
  }
  return text;
}

/** Small things that a connector remembers from call to call, kept by the host for the app. Values are JSON. */
export const state = {
  /** The most keys that one `list` answers. */
  LISTED: 1000,

  /** `{ value, version }` under a key. */
  get(key) {
    const item = call(() => host().state.get(key));
    return item && { value: JSON.parse(decode(item.value)), version: Number(item.version) };
  },

  /** Puts a value and answers its version. With `ifVersion` (0: if there is none), fails as changed when it is another. */
  put(key, value, ifVersion) {
    return Number(call(() => host().state.put(key, encode(JSON.stringify(value)), ifVersion ?? null)));
  },

  /** Forgets a key. */
  delete(key) {
    call(() => host().state.delete(key));
  },

  /** Keys with a prefix, in order, after one. */
  list(prefix, after, limit = state.LISTED) {
    return call(() => host().state.list(prefix, after ?? null, limit));
  },

  /** Every key with a prefix, in order. */
  *all(prefix) {
    let keys = state.list(prefix);
    while (keys.length > 0) {
      yield* keys;
      keys = keys.length === state.LISTED ? state.list(prefix, keys.at(-1)) : [];
    }
  },
};
