import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** An IP in canonical text (dotted quad, or RFC 5952 for IPv6; v4-mapped IPv6 is written as IPv4) and a port. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** A block of addresses. `network` is 4 or 16 bytes, host bits zero. */
export interface Cidr {
  readonly network: Uint8Array;
  readonly length: number;
}

const bad = (what: string, text: string): { readonly ok: false; readonly error: MeshError } =>
  fail(new MeshError(Code.BadInput, `Cannot parse ${what}: ${JSON.stringify(text.slice(0, 100))}`));

const DOT = 0x2e;

/** Digit by digit: it runs several times per connection. */
function parseV4(text: string): Uint8Array | null {
  const out = new Uint8Array(4);
  let part = 0;
  let value = -1; // no digit yet
  for (let i = 0; i <= text.length; i++) {
    const c = i < text.length ? text.charCodeAt(i) : DOT;
    if (c === DOT) {
      if (value < 0 || part === 4) return null;
      out[part++] = value;
      value = -1;
    } else {
      if (c < 0x30 || c > 0x39 || value === 0) return null; // no leading zeros
      value = (value < 0 ? 0 : value * 10) + c - 0x30;
      if (value > 255) return null;
    }
  }
  return part === 4 ? out : null;
}

const COLON = 0x3a;

/** @returns the value of a hexadecimal digit, -1 for any other character */
function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** Digit by digit as well. Only the end of an address may be a dotted quad. */
function parseV6(text: string): Uint8Array | null {
  const out = new Uint8Array(16);
  let at = 0; // bytes so far
  let gap = text.startsWith("::") ? 0 : -1; // of which stand before the `::`
  for (let i = gap === 0 ? 2 : 0; i < text.length;) {
    const from = i;
    let group = 0;
    for (let digit; i < text.length && (digit = hexDigit(text.charCodeAt(i))) >= 0; i++) group = (group << 4) | digit;
    if (text.charCodeAt(i) === DOT) {
      const v4 = at > 12 ? null : parseV4(text.slice(from));
      if (v4 === null) return null;
      out.set(v4, at);
      at += 4;
      break;
    }
    if (i === from || i - from > 4 || at === 16) return null;
    out[at++] = group >> 8;
    out[at++] = group & 0xff;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== COLON || ++i === text.length) return null;
    if (text.charCodeAt(i) !== COLON) continue;
    if (gap >= 0) return null;
    gap = at;
    i += 1;
  }
  if (gap < 0) return at === 16 ? out : null;
  if (at > 14) return null; // `::` stands for one group at least
  const tail = at - gap;
  out.copyWithin(16 - tail, gap, at).fill(0, gap, 16 - tail);
  return out;
}

function rawBytes(text: string): Uint8Array | null {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

function isMapped(b: Uint8Array): boolean {
  if (b.length !== 16 || b[10] !== 0xff || b[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (b[i] !== 0) return false;
  return true;
}

/** A dotted quad of the four bytes from `at` on. */
const formatV4 = (b: Uint8Array, at: number): string => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;

/** Bytes as hexadecimal digits, with and without a leading zero. */
const TWO_DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const FEW_DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16));

function hexGroup(b: Uint8Array, group: number): string {
  const [high, low] = [b[2 * group]!, b[2 * group + 1]!]; // callers count to 8
  return high === 0 ? FEW_DIGITS[low]! : FEW_DIGITS[high]! + TWO_DIGITS[low]!;
}

/** The first of the longest runs of zero groups, as `[from, to]`; `[8, 8]` when no two are neighbours. */
function longestGap(b: Uint8Array): readonly [number, number] {
  let [from, to] = [8, 8];
  for (let i = 0; i < 8; i++) {
    const first = i;
    while (i < 8 && b[2 * i] === 0 && b[2 * i + 1] === 0) i += 1;
    if (i - first > Math.max(1, to - from)) [from, to] = [first, i];
  }
  return [from, to];
}

function formatV6(b: Uint8Array): string {
  const [from, to] = longestGap(b);
  let text = from === 0 ? "::" : hexGroup(b, 0);
  for (let i = from === 0 ? to : 1; i < 8; i++) {
    if (i === from) {
      text += "::";
      i = to;
      if (i === 8) break;
    } else if (i !== to) text += ":";
    text += hexGroup(b, i);
  }
  return text;
}

/**
 * Canonical text of 4 or 16 address bytes.
 * @throws MeshError BAD_INPUT for any other length
 */
export function ipFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return formatV4(bytes, 0);
  if (bytes.length !== 16)
    throw new MeshError(Code.BadInput, `Cannot read address: ${bytes.length} bytes, not 4 or 16`);
  return isMapped(bytes) ? formatV4(bytes, 12) : formatV6(bytes);
}

/** @returns the canonical text of an IP; zones, ports and leading zeros are refused */
export function parseIp(text: string): Result<string> {
  const raw = rawBytes(text);
  return raw === null ? bad("IP address", text) : ok(ipFromBytes(raw));
}

/**
 * Bytes of a canonical (or any valid) IP text: 4 for IPv4, 16 for IPv6.
 * @throws MeshError BAD_INPUT when it is not an IP
 */
export function ipToBytes(ip: string): Uint8Array {
  const raw = rawBytes(ip);
  if (raw === null)
    throw new MeshError(Code.BadInput, `Cannot read address: ${JSON.stringify(ip.slice(0, 100))} is not an IP`);
  return isMapped(raw) ? raw.slice(12) : raw;
}

/** Family of a canonical IP text. */
export function ipFamily(ip: string): "ipv4" | "ipv6" {
  return ip.includes(":") ? "ipv6" : "ipv4";
}

/** Parses `ip` (a full-length block) or `ip/length`; host bits are cleared. */
export function parseCidr(text: string): Result<Cidr> {
  const slash = text.indexOf("/");
  const raw = rawBytes(slash < 0 ? text : text.slice(0, slash));
  if (raw === null) return bad("CIDR block", text);
  const lengthText = slash < 0 ? String(raw.length * 8) : text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(lengthText) || Number(lengthText) > raw.length * 8) return bad("CIDR block", text);
  const length = Number(lengthText);
  const network = raw.map((x, i) => x & (0xff << Math.max(0, Math.min(8, 8 - (length - 8 * i)))));
  return ok({ network, length });
}

/** Whether the block holds the address. An IPv4 block never holds an IPv6 address. */
export function cidrContains(cidr: Cidr, address: Uint8Array): boolean {
  if (cidr.network.length !== address.length) return false;
  const whole = cidr.length >> 3;
  for (let i = 0; i < whole; i++) if (cidr.network[i] !== address[i]) return false;
  const rest = cidr.length & 7;
  return rest === 0 || (cidr.network[whole]! ^ address[whole]!) >> (8 - rest) === 0;
}

/** `ip:port`, IPv6 in brackets. */
export function formatSocketAddress(a: SocketAddress): string {
  return a.ip.includes(":") ? `[${a.ip}]:${a.port}` : `${a.ip}:${a.port}`;
}

/** Parses `ip:port`; IPv6 must be in brackets. */
export function parseSocketAddress(text: string): Result<SocketAddress> {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const ip = m === null ? null : parseIp(m[1] ?? m[2]!);
  if (m === null || ip === null || !ip.ok || Number(m[3]) > 65535 || (m[1] !== undefined && !m[1].includes(":")))
    return bad("socket address", text);
  return ok({ ip: ip.value, port: Number(m[3]) });
}
