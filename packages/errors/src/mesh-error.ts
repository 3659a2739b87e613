/** Stable error codes. Codes are API and documented; messages are not. */
export const Code = {
  BadInput: "BAD_INPUT",
  Denied: "DENIED",
  NoRoute: "NO_ROUTE",
  Unavailable: "UNAVAILABLE",
  Timeout: "TIMEOUT",
  Draining: "DRAINING",
  Bug: "BUG",
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** An expected outcome as a value: a refused connection or a bad resource is a result, not an exception. */
export type Result<T, E = MeshError> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function fail<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

const BRAND: unique symbol = Symbol.for("lateen.error");

/**
 * The one error class. `message` says the action first, then current and required state; `facts` feed logs.
 */
export class MeshError extends Error {
  readonly code: Code;
  readonly facts: Readonly<Record<string, string | number>>;

  constructor(code: Code, message: string, facts: Readonly<Record<string, string | number>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "MeshError";
    this.code = code;
    this.facts = facts;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** By brand, not `instanceof`: two copies of this package in one process still agree. */
  static is(e: unknown, code?: Code): e is MeshError {
    return e instanceof Error && BRAND in e && (code === undefined || ("code" in e && e.code === code));
  }
}

/** The HTTP status that each code becomes at an HTTP edge. A new code without a status does not compile. */
export const httpStatus = {
  BAD_INPUT: 400,
  DENIED: 403,
  NO_ROUTE: 404,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
  DRAINING: 503,
  BUG: 500,
} as const satisfies Record<Code, number>;
