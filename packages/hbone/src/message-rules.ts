import type { HeaderField } from "./api.ts";

/** Fields that belong to an HTTP/1 connection; in HTTP/2 they make a message malformed. @see RFC 9113 section 8.2.2 */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A token in lower case, with an optional leading colon for pseudo-headers. */
function isFieldName(name: string): boolean {
  for (let i = name.startsWith(":") ? 1 : 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || (c >= 0x41 && c <= 0x5a) || c === 0x3a) return false;
  }
  return name.length > 0 && name !== ":";
}

const isBlank = (c: number): boolean => c === 0x20 || c === 0x09;

function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 0 || c === 0x0a || c === 0x0d || c > 0xff) return false;
  }
  return !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)));
}

function fieldProblem([name, value]: HeaderField): string | null {
  if (!isFieldName(name)) return `bad field name ${JSON.stringify(name.slice(0, 40))}`;
  if (!isFieldValue(value)) return `bad value of field "${name}"`;
  if (CONNECTION_FIELDS.has(name)) return `connection field "${name}"`;
  if (name === "te" && value !== "trailers") return 'field "te"';
  return null;
}

interface Split {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly headers: readonly HeaderField[];
}

/** Parts pseudo-headers from headers. @returns why the message is malformed, when it is */
function split(fields: readonly HeaderField[], known: ReadonlySet<string>): Split | string {
  const pseudo = new Map<string, string>();
  const headers: HeaderField[] = [];
  for (const field of fields) {
    const problem = fieldProblem(field);
    if (problem !== null) return problem;
    const [name, value] = field;
    if (!name.startsWith(":")) headers.push(field);
    else if (headers.length > 0) return `pseudo-header "${name}" after a header`;
    else if (!known.has(name)) return `pseudo-header "${name}" not allowed here`;
    else if (pseudo.has(name)) return `pseudo-header "${name}" twice`;
    else pseudo.set(name, value);
  }
  return { pseudo, headers };
}

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([":status"]);

export type RequestKind =
  | { readonly t: "connect"; readonly authority: string; readonly headers: readonly HeaderField[] }
  /** Well-formed, but not CONNECT: to be answered 400. `contentLength` is -1 when not given. */
  | { readonly t: "other"; readonly contentLength: number }
  | { readonly t: "malformed"; readonly why: string };

function contentLength(headers: readonly HeaderField[]): number | string {
  let known: string | null = null;
  for (const [name, value] of headers) {
    if (name !== "content-length") continue;
    if ((known !== null && known !== value) || !/^[0-9]{1,15}$/.test(value)) return "bad content-length";
    known = value;
  }
  return known === null ? -1 : Number(known);
}

/** @see RFC 9113 sections 8.3.1 and 8.5 */
export function classifyRequest(fields: readonly HeaderField[]): RequestKind {
  const parts = split(fields, REQUEST_PSEUDO);
  if (typeof parts === "string") return { t: "malformed", why: parts };
  const { pseudo, headers } = parts;
  const method = pseudo.get(":method");
  if (method === undefined || method === "") return { t: "malformed", why: "no :method" };
  const length = contentLength(headers);
  if (typeof length === "string") return { t: "malformed", why: length };
  if (method === "CONNECT") {
    if (pseudo.has(":scheme") || pseudo.has(":path")) return { t: "malformed", why: ":scheme or :path in CONNECT" };
    const authority = pseudo.get(":authority");
    if (authority === undefined || authority === "") return { t: "malformed", why: "no :authority" };
    return { t: "connect", authority, headers };
  }
  if (!pseudo.has(":scheme") || (pseudo.get(":path") ?? "") === "")
    return { t: "malformed", why: "no :scheme or :path" };
  return { t: "other", contentLength: length };
}

export type ResponseKind =
  | { readonly t: "final"; readonly status: number; readonly headers: readonly HeaderField[] }
  | { readonly t: "informational" }
  | { readonly t: "malformed"; readonly why: string };

export function classifyResponse(fields: readonly HeaderField[]): ResponseKind {
  const parts = split(fields, RESPONSE_PSEUDO);
  if (typeof parts === "string") return { t: "malformed", why: parts };
  const status = parts.pseudo.get(":status") ?? "";
  if (!/^[1-9][0-9]{2}$/.test(status) || status === "101")
    return { t: "malformed", why: `bad :status "${status.slice(0, 10)}"` };
  return status.startsWith("1")
    ? { t: "informational" }
    : { t: "final", status: Number(status), headers: parts.headers };
}

/** Why our own header lines cannot be sent, or null. */
export function headerProblem(headers: readonly HeaderField[]): string | null {
  for (const field of headers) {
    const problem = field[0].startsWith(":") ? `pseudo-header "${field[0]}"` : fieldProblem(field);
    if (problem !== null) return problem;
  }
  return null;
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** `401 Unauthorized`, or the number alone. */
export function statusText(status: number): string {
  const reason = REASONS[status];
  return reason === undefined ? String(status) : `${status} ${reason}`;
}
