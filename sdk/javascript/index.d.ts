// Types of the SDK for authors who write TypeScript, or JavaScript with `// @ts-check`.

export type Fault =
  | "not-found" | "already-exists" | "changed" | "invalid" | "unsupported" | "unauthenticated" | "forbidden" | "busy"
  | "unavailable" | "timeout" | "other";

export interface Details { attribute?: string; code?: unknown; retryAfterMs?: number }

type Make = (message: string, details?: Details) => Failure;

/** What goes wrong: throw one. The message is what an administrator reads. */
export class Failure extends Error {
  constructor(fault: Fault, message: string, details?: Details);
  fault: Fault;
  attribute?: string;
  code?: string;
  retryAfterMs?: number;
  static notFound: Make;
  static alreadyExists: Make;
  static changed: Make;
  static invalid: Make;
  static unsupported: Make;
  static unauthenticated: Make;
  static forbidden: Make;
  static busy: Make;
  static unavailable: Make;
  static timeout: Make;
  static other: Make;
}

/** An exact decimal, as text. */
export class Decimal { constructor(text: string | number | bigint); text: string }
/** A point in time as RFC 3339 text in UTC. */
export class Instant { constructor(text: string | Date); text: string }
export const Bytes: typeof Uint8Array;

export type Scalar = string | boolean | number | bigint | Decimal | Instant | Uint8Array;
/** A scalar, or the parts of a complex value. */
export type Value = Scalar | { [part: string]: Scalar | Scalar[] };
export type Attributes = { [name: string]: Value[] };

export interface Edit { kind: "put" | "add" | "remove"; name: string; values: Value[] }

export class Entry {
  constructor(anchor: string, attributes?: Attributes, version?: string);
  static of(anchor: string, attributes: { [name: string]: Value | Value[] | null | undefined }, version?: string): Entry;
  anchor: string;
  attributes: Attributes;
  version?: string;
  first(name: string): Value | undefined;
  keep(wanted: string[]): this;
  apply(edits: Edit[]): this;
}

/** Text without the difference between upper and lower case. */
export function fold(text: string): string;

export interface Rules {
  multi?: boolean; required?: boolean; unique?: boolean; caseExact?: boolean;
  mutability?: "read-write" | "read-only" | "immutable" | "write-only";
  values?: string[]; scim?: string; description?: string;
}
export interface Attribute extends Rules { name: string; type: string; to?: string; parts?: Attribute[] }
type Simple = (name: string, rules?: Rules) => Attribute;
export const attribute: {
  text: Simple; boolean: Simple; integer: Simple; decimal: Simple; instant: Simple; binary: Simple;
  reference(name: string, to: string, rules?: Rules): Attribute;
  complex(name: string, parts: Attribute[], rules?: Rules): Attribute;
};
export interface Kind {
  kind: string; resource: string; attributes: Attribute[]; endpoint?: string; schema?: string; members?: string[];
}
export function kind(name: string, resource: string, attributes: Attribute[], rules?: Partial<Kind>): Kind;
export function user(...attributes: Attribute[]): Kind;
export function group(...attributes: Attribute[]): Kind;
export const ENTERPRISE: string;

export class Description {
  constructor(name: string, version: string, ...kinds: Kind[]);
  kinds: Kind[];
  kind(name: string): Kind;
  unique(kind: string): string[];
  check(kind: string, entry: Entry): void;
}

export type Comparison =
  | "equal" | "not-equal" | "contains" | "starts-with" | "ends-with" | "greater" | "at-least" | "less" | "at-most";

export class Filter {
  kind: "test" | "present" | "all" | "any" | "not" | "element";
  name?: string;
  comparison?: Comparison;
  value?: Scalar;
  children?: Filter[];
  static test(name: string, comparison: Comparison, value: Scalar): Filter;
  equality(): { name: string; value: Scalar } | undefined;
  matches(kind: Kind, entry: Entry): boolean;
}

export interface Query { filter?: Filter; attributes: string[]; cursor?: string; limit: number }
/** No cursor ends the listing; a page may be shorter than the limit and still go on. */
export interface Page { entries: Entry[]; cursor?: string; total?: number }

/** One page of items that are sorted by key, after `cursor`, and the next cursor. */
export function page<T>(items: T[], key: (item: T) => string, cursor: string | undefined, limit: number):
  { items: T[]; cursor?: string };

/** A handle, not a value: the host puts it where it is used. */
export interface Secret { name(): string }

/** What a connector is: `export const connector = { … }`. Name the abilities in connector.toml, too. */
export interface Connector {
  describe(): Description;
  check(): unknown;
  get(kind: string, anchor: string, wanted: string[]): Entry;
  search(kind: string, query: Query): Page;
  /** `request` is the same when the host repeats this very create: answer what the first attempt made. */
  create?(kind: string, entry: Entry, request: string): Entry;
  update?(kind: string, anchor: string, edits: Edit[], ifVersion: string | undefined, request: string): Entry;
  delete?(kind: string, anchor: string, request: string): void;
  listMembers?(group: string, cursor: string | undefined, limit: number): { members: string[]; cursor?: string };
  changeMembers?(group: string, add: string[], remove: string[], request: string): void;
  setPassword?(anchor: string, value: Secret, mustChange: boolean): void;
  since?(kind: string, token: string | undefined, limit: number):
    { changes: (Entry | string)[]; token: string; more: boolean };
}

/** The bare imports by name, for what has no wrapper. */
export function host(): Record<string, any>;
export function settings<T = unknown>(): T;
export function remainingMs(): number;
export function requestId(): string;
export function secret(name: string): Secret | undefined;

type Line = (message: string, fields?: Record<string, unknown>) => void;
export const log: { debug: Line; info: Line; warn: Line; error: Line };

/** Small things that a connector remembers from call to call. Values are JSON. */
export const state: {
  LISTED: number;
  get(key: string): { value: any; version: number } | undefined;
  put(key: string, value: unknown, ifVersion?: number): number;
  delete(key: string): void;
  list(prefix: string, after?: string, limit?: number): string[];
  all(prefix: string): Iterable<string>;
};
