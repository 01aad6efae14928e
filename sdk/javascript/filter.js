// Filters as a tree, and whether an entry passes one.

import { Failure } from "./failure.js";
import { Decimal, Instant, fold } from "./values.js";

/** A node: `{ kind: "test", name, comparison, value }`, `{ kind: "present", name }`, `{ kind: "all" | "any", children }`,
 * `{ kind: "not", children: [one] }` or `{ kind: "element", name, children: [one] }`. */
export class Filter {
  constructor(node) {
    Object.assign(this, node);
  }

  static test = (name, comparison, value) => new Filter({ kind: "test", name, comparison, value });

  /** The tree of the host's flat list: children come before their parents, the last node is the root. */
  static read(nodes) {
    const made = [];
    const take = (at) => {
      // Each node has one parent: a list that shares nodes could unfold to a tree without end.
      const child = made[at];
      if (!child) throw Failure.invalid(`the filter's node ${at} is not a child that is still free`);
      made[at] = undefined;
      return child;
    };
    for (const { tag, val } of nodes) {
      if (tag === "test") made.push(Filter.test(...val));
      else if (tag === "present") made.push(new Filter({ kind: "present", name: val }));
      else if (tag === "all" || tag === "any") made.push(new Filter({ kind: tag, children: val.map(take) }));
      else if (tag === "negate") made.push(new Filter({ kind: "not", children: [take(val)] }));
      else made.push(new Filter({ kind: "element", name: val[0], children: [take(val[1])] }));
    }
    return take(made.length - 1);
  }

  /** `{ name, value }` when the filter asks nothing but that they are equal: the look-up by a unique attribute. */
  equality() {
    if (this.kind === "test" && this.comparison === "equal") return { name: this.name, value: this.value };
    if ((this.kind === "all" || this.kind === "any") && this.children.length === 1) return this.children[0].equality();
    return undefined;
  }

  /** Whether the entry passes. The kind says which attributes tell upper from lower case. */
  matches(kind, entry) {
    const exact = (name) => kind.attributes.find((attribute) => attribute.name === name)?.caseExact ?? false;
    return holds(this, exact, (name) => entry.attributes[name] ?? []);
  }
}

function holds(node, exact, values) {
  switch (node.kind) {
    case "test": {
      const passes = (comparison) =>
        values(node.name).some((value) => compare(value, comparison, node.value, exact(node.name)));
      return node.comparison === "not-equal" ? !passes("equal") : passes(node.comparison);
    }
    case "present":
      return values(node.name).length > 0;
    case "all":
      return node.children.every((child) => holds(child, exact, values));
    case "any":
      return node.children.some((child) => holds(child, exact, values));
    case "not":
      return !holds(node.children[0], exact, values);
    default: {
      // One value of a complex attribute; the outer attribute's rule counts for its parts.
      const rule = exact(node.name);
      return values(node.name).some((value) => holds(node.children[0], () => rule, parts(value)));
    }
  }
}

const isComplex = (value) => Object.getPrototypeOf(Object(value)) === Object.prototype;
const parts = (value) => (part) =>
  isComplex(value) ? [value[part] ?? []].flat() : part === "value" ? [value] : [];

/** Whether one value compares so with another. Types never mix, except that integers and decimals are numbers. */
export function compare(held, comparison, wanted, exact) {
  if (comparison === "not-equal") return !compare(held, "equal", wanted, exact);
  if (typeof held === "string" && typeof wanted === "string") {
    const [left, right] = exact ? [held, wanted] : [fold(held), fold(wanted)];
    if (comparison === "contains") return left.includes(right);
    if (comparison === "starts-with") return left.startsWith(right);
    if (comparison === "ends-with") return left.endsWith(right);
    return ordered(byCodePoint(left, right), comparison);
  }
  if (typeof held === "boolean" && typeof wanted === "boolean") return comparison === "equal" && held === wanted;
  if (held instanceof Uint8Array && wanted instanceof Uint8Array) {
    return comparison === "equal" && held.length === wanted.length && held.every((byte, at) => byte === wanted[at]);
  }
  if (held instanceof Instant && wanted instanceof Instant) {
    return ordered(byCodePoint(bare(held.text), bare(wanted.text)), comparison);
  }
  const [left, right] = [digits(held), digits(wanted)];
  return left !== undefined && right !== undefined && ordered(byNumber(left, right), comparison);
}

function ordered(order, comparison) {
  switch (comparison) {
    case "equal": return order === 0;
    case "greater": return order > 0;
    case "at-least": return order >= 0;
    case "less": return order < 0;
    case "at-most": return order <= 0;
    default: return false;
  }
}

// JavaScript compares UTF-16 units, which sorts the code points beyond U+FFFF before some below it.
function byCodePoint(left, right) {
  const [a, b] = [Array.from(left, (c) => c.codePointAt(0)), Array.from(right, (c) => c.codePointAt(0))];
  const at = a.findIndex((point, index) => point !== b[index]);
  if (at < 0) return a.length - b.length;
  return at >= b.length ? 1 : a[at] - b[at];
}

// RFC 3339 in UTC compares as text once the fraction's trailing zeros are gone.
function bare(text) {
  const [seconds, fraction = ""] = text.toUpperCase().replace(/(Z|\+00:00)$/, "").split(".");
  const rest = fraction.replace(/0+$/, "");
  return rest ? `${seconds}.${rest}` : seconds;
}

// The sign, the digits before the point and those after it; nothing when the value is no number.
function digits(value) {
  const plain = typeof value === "number" || typeof value === "bigint" || value instanceof Decimal;
  const found = plain && /^([-+]?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(String(value));
  if (!found) return undefined;
  const [, sign, whole, fraction = ""] = found;
  return { sign: sign === "-" && whole + fraction ? -1 : 1, whole, fraction };
}

function byNumber(left, right) {
  if (left.sign !== right.sign) return left.sign;
  const order = left.whole.length - right.whole.length || byCodePoint(left.whole, right.whole)
    || byCodePoint(left.fraction, right.fraction);
  return order * left.sign;
}
