// Entries and their values. A string is text, a boolean a boolean, an integral number (or a bigint) an integer, a
// Decimal a decimal, an Instant an instant, a Uint8Array bytes; a plain object of these (or of arrays of these) is one
// complex value.

/** An exact decimal, as text. */
export class Decimal {
  constructor(text) {
    this.text = String(text);
  }
  toString() {
    return this.text;
  }
}

/** A point in time as RFC 3339 text in UTC. */
export class Instant {
  constructor(text) {
    this.text = text instanceof Date ? text.toISOString() : String(text);
  }
  toString() {
    return this.text;
  }
}

export const Bytes = Uint8Array;

/** Text without the difference between upper and lower case. */
export const fold = (text) => text.toLowerCase();

/** Whether two values are one. */
export function same(left, right) {
  if (typeof left !== typeof right) return false;
  if (typeof left !== "object") return left === right;
  if (left instanceof Decimal || left instanceof Instant) {
    return left.constructor === right.constructor && left.text === right.text;
  }
  if (left instanceof Uint8Array) {
    return right instanceof Uint8Array && left.length === right.length && left.every((byte, at) => byte === right[at]);
  }
  const [ours, theirs] = [Object.keys(left), Object.keys(right)];
  return ours.length === theirs.length && ours.every((key) => {
    const [a, b] = [[left[key]].flat(), [right[key] ?? []].flat()];
    return a.length === b.length && a.every((value, at) => same(value, b[at]));
  });
}

/** One object: its key in the target, an array of values for each attribute that has any, its version there. */
export class Entry {
  constructor(anchor, attributes = {}, version = undefined) {
    this.anchor = anchor;
    this.attributes = attributes;
    this.version = version;
  }

  /** An entry of plain values: undefined, null and [] are absent, anything that is no array is one value. */
  static of(anchor, attributes, version) {
    const lists = Object.entries(attributes).map(([name, value]) => [name, [value ?? []].flat()]);
    return new Entry(anchor, Object.fromEntries(lists.filter(([, values]) => values.length > 0)), version);
  }

  /** The attribute's first value. */
  first(name) {
    return this.attributes[name]?.[0];
  }

  /** This entry with the wanted attributes only; none wanted means all. */
  keep(wanted) {
    if (wanted.length > 0) {
      const kept = Object.entries(this.attributes).filter(([name]) => wanted.includes(name));
      this.attributes = Object.fromEntries(kept);
    }
    return this;
  }

  /** Applies edits in order. An attribute that loses its last value is gone. */
  apply(edits) {
    for (const { kind, name, values } of edits) {
      let held = this.attributes[name] ?? [];
      if (kind === "put") held = [...values];
      else if (kind === "add") held = [...held, ...values.filter((value) => !held.some((other) => same(other, value)))];
      else held = held.filter((value) => !values.some((other) => same(other, value)));
      if (held.length > 0) this.attributes[name] = held;
      else delete this.attributes[name];
    }
    return this;
  }
}
