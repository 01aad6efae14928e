// A host for unit tests in Node: settings, log and state of this process. Import it before anything calls the host.

import { attach } from "./host.js";

let text = "{}";
let version = 0;
const items = new Map();

/** Forgets everything, and sets the settings. */
export function reset(settings = {}) {
  text = JSON.stringify(settings);
  items.clear();
}

attach({
  config: { settings: () => text },
  context: { remainingMs: () => 30000, requestId: () => "test" },
  log: { emit: (level, message, fields) => console.error(level, message, fields) },
  secrets: { open: () => null },
  state: {
    get: (key) => items.get(key) ?? null,
    put(key, value, ifVersion) {
      if (ifVersion !== null && ifVersion !== (items.get(key)?.version ?? 0)) throw { tag: "changed" };
      version += 1;
      items.set(key, { value, version });
      return version;
    },
    delete: (key) => void items.delete(key),
    list: (prefix, after, limit) =>
      [...items.keys()].filter((key) => key.startsWith(prefix) && (after === null || key > after)).sort().slice(0, limit),
  },
});
