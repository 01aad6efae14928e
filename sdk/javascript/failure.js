// What goes wrong, and so what the host does. The message is what an administrator reads in Entra's provisioning log.

export class Failure extends Error {
  /**
   * @param {string} fault one of the contract's faults: `not-found`, `already-exists`, …
   * @param {string} message which attribute, what the target said, what to do; never a secret
   * @param {{ attribute?: string, code?: unknown, retryAfterMs?: number }} details
   */
  constructor(fault, message, { attribute, code, retryAfterMs } = {}) {
    super(message);
    this.name = "Failure";
    this.fault = fault;
    this.attribute = attribute;
    this.code = code === undefined ? undefined : String(code);
    this.retryAfterMs = retryAfterMs;
  }

  static notFound = (message, details) => new Failure("not-found", message, details);
  static alreadyExists = (message, details) => new Failure("already-exists", message, details);
  static changed = (message, details) => new Failure("changed", message, details);
  static invalid = (message, details) => new Failure("invalid", message, details);
  static unsupported = (message, details) => new Failure("unsupported", message, details);
  static unauthenticated = (message, details) => new Failure("unauthenticated", message, details);
  static forbidden = (message, details) => new Failure("forbidden", message, details);
  static busy = (message, details) => new Failure("busy", message, details);
  static unavailable = (message, details) => new Failure("unavailable", message, details);
  static timeout = (message, details) => new Failure("timeout", message, details);
  static other = (message, details) => new Failure("other", message, details);
}
