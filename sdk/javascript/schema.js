// The description of a connector's kinds: what `describe` answers.

import { Failure } from "./failure.js";

/** The prefix of the enterprise user extension's attributes (RFC 7643 section 4.3). */
export const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:";

const simple = (type) => (name, rules = {}) => ({ name, type, ...rules });

/** One attribute: `attribute.text("uid", { required: true, unique: true, scim: "userName" })`. */
export const attribute = {
  text: simple("text"),
  boolean: simple("boolean"),
  integer: simple("integer"),
  decimal: simple("decimal"),
  instant: simple("instant"),
  binary: simple("binary"),
  reference: (name, to, rules = {}) => ({ name, type: "reference", to, ...rules }),
  complex: (name, parts, rules = {}) => ({ name, type: "complex", parts, ...rules }),
};

/** A kind of object: its name, the SCIM resource type that shows it, its attributes. */
export const kind = (name, resource, attributes, rules = {}) => ({ kind: name, resource, attributes, ...rules });

/** Kind `user`, shown as SCIM User. */
export const user = (...attributes) => kind("user", "User", attributes);

/** Kind `group`, shown as SCIM Group. */
export const group = (...attributes) => kind("group", "Group", attributes);

/** What a connector is made of. */
export class Description {
  constructor(name, version, ...kinds) {
    Object.assign(this, { name, version, kinds });
  }

  /** The kind of this name; fails as unsupported when there is none. */
  kind(name) {
    const found = this.kinds.find((kind) => kind.kind === name);
    if (!found) throw Failure.unsupported(`this connector has no objects of kind ${name}`);
    return found;
  }

  /** The names of a kind's attributes whose values the target holds once. */
  unique(kind) {
    return this.kind(kind).attributes.filter((attribute) => attribute.unique).map((attribute) => attribute.name);
  }

  /** Fails as invalid when a required attribute is missing, one is unknown, or a single one has several values. */
  check(kind, entry) {
    const { attributes } = this.kind(kind);
    for (const { name, required } of attributes) {
      if (required && !entry.attributes[name]) throw Failure.invalid(`${name} is required`, { attribute: name });
    }
    for (const [name, values] of Object.entries(entry.attributes)) {
      const known = attributes.find((attribute) => attribute.name === name);
      if (!known) throw Failure.invalid(`there is no attribute ${name}`, { attribute: name });
      if (values.length > 1 && !known.multi) {
        throw Failure.invalid(`${name} has one value at most`, { attribute: name });
      }
    }
  }
}
