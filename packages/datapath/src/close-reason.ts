import type { CloseReason } from "@lateen/byte-stream";

/** Errors of a proxied socket that are the ordinary end of a connection, not trouble of ours. */
const RESET_CODES: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ENOTCONN"]);

/** What the system calls them, for messages. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EPIPE: "broken pipe",
  ETIMEDOUT: "connection timed out",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  EADDRINUSE: "address is in use",
  EADDRNOTAVAIL: "address is not available",
  EACCES: "permission denied",
  EMFILE: "too many open files",
};

/** The `code` of a system error, or an empty string. */
export function errorCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** One short sentence for a socket or TLS error: a peer's alert by its name, a system error in words. */
export function errorText(error: unknown): string {
  const code = errorCode(error);
  const words = WORDS[code];
  if (words !== undefined) return words;
  if (typeof error === "object" && error !== null && "reason" in error && typeof error.reason === "string")
    return error.reason.toLowerCase().replaceAll("_", " ");
  const text = error instanceof Error ? error.message : String(error);
  return code === "" || text.includes(code) ? text : `${text} (${code})`;
}

/** Reset and broken pipe are ordinary ends; anything else is a failure. */
export function closeReasonOf(error: unknown): CloseReason {
  return { t: RESET_CODES.has(errorCode(error)) ? "reset" : "failed", why: errorText(error) };
}
