import { Code, MeshError } from "@lateen/errors";
import { z } from "zod";

/** Why a call to the API server gave no answer that can be used. A value: whoever called decides what it means. */
export interface ApiFailure {
  /** `status`: the server said no. `oversized`: the answer was cut off because it is larger than the caller allows. */
  readonly t: "status" | "connection" | "timeout" | "oversized" | "malformed";
  /** HTTP status; 0 when there was none. */
  readonly status: number;
  /** Machine-readable, from the server: `Expired`, `Conflict`, `AlreadyExists`; empty when it gave none. */
  readonly reason: string;
  readonly message: string;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | null;
}

const MAX_MESSAGE = 500;
/** Longer wishes of a server are not heeded: an hour's silence would be an outage of its own. */
const MAX_RETRY_AFTER_MS = 60_000;

const Status = z.looseObject({
  kind: z.literal("Status"),
  code: z.number().int().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .looseObject({
      retryAfterSeconds: z.number().optional(),
      causes: z.array(z.looseObject({ reason: z.string().optional() })).optional(),
    })
    .optional(),
});

export function connectionFailure(error: unknown): ApiFailure {
  const code = error instanceof Error && "code" in error ? `${String(error.code)} ` : "";
  const message = error instanceof Error ? error.message : String(error);
  return { t: "connection", status: 0, reason: code.trim(), message: cut(message), retryAfterMs: null };
}

export const malformed = (message: string): ApiFailure => ({
  t: "malformed",
  status: 0,
  reason: "",
  message: cut(message),
  retryAfterMs: null,
});

/**
 * Reads what a refusing server said.
 * @param status HTTP status, or 0 for a Status within a watch
 * @param body parsed JSON, or the text when it is none
 * @param retryAfter the `Retry-After` header
 */
export function statusFailure(status: number, body: unknown, retryAfter?: string): ApiFailure {
  const parsed = Status.safeParse(body);
  const said = parsed.success ? parsed.data : undefined;
  const seconds = said?.details?.retryAfterSeconds ?? headerSeconds(retryAfter);
  const cause = said?.details?.causes?.find((c) => c.reason === "ResourceVersionTooLarge")?.reason;
  return {
    t: "status",
    status: said?.code ?? status,
    reason: cause ?? said?.reason ?? "",
    message: cut(said?.message ?? (typeof body === "string" ? body : "")),
    retryAfterMs: seconds === undefined ? null : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, seconds * 1_000)),
  };
}

function headerSeconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value.trim()) ? Number(value) : undefined;
}

const cut = (text: string): string => (text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text);

/** One line for logs: `409 Conflict: the object has been modified`. */
export function formatFailure(f: ApiFailure): string {
  const head = f.t === "status" ? `${f.status} ${f.reason}`.trim() : f.reason === "" ? f.t : `${f.t} ${f.reason}`;
  return f.message === "" ? head : `${head}: ${f.message}`;
}

/** @param what was tried, in the form "read Secret a/b" */
export function failureError(f: ApiFailure, what: string): MeshError {
  const facts = { status: f.status, reason: f.reason };
  return new MeshError(codeOf(f), `Cannot ${what}: ${formatFailure(f)}`, facts);
}

function codeOf({ t, status }: ApiFailure): Code {
  if (t === "timeout") return Code.Timeout;
  if (t !== "status" || status === 429 || status >= 500) return Code.Unavailable;
  if (status === 401 || status === 403) return Code.Denied;
  return status === 404 ? Code.NoRoute : Code.BadInput;
}
