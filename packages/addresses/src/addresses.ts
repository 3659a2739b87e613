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

/** Groups of one side of `::`; only the last side of an address may end in a dotted quad. */
function parseGroups(text: string, quad: "quad" | "no quad"): number[] | null {
  if (text === "") return [];
  const out: number[] = [];
  const groups = text.split(":");
  for (const [i, g] of groups.entries()) {
    if (quad === "quad" && i === groups.length - 1 && g.includes(".")) {
      const v4 = parseV4(g);
      if (v4 === null) return null;
      out.push((v4[0]! << 8) | v4[1]!, (v4[2]! << 8) | v4[3]!);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(g)) return null;
      out.push(Number.parseInt(g, 16));
    }
  }
  return out;
}

function parseV6(text: string): Uint8Array | null {
  const gap = text.indexOf("::");
  if (gap !== text.lastIndexOf("::")) return null;
  const head = gap < 0 ? parseGroups(text, "quad") : parseGroups(text.slice(0, gap), "no quad");
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), "quad");
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return null;
  const out = new Uint8Array(16);
  for (const [i, g] of [...head, ...new Array<number>(Math.max(missing, 0)).fill(0), ...tail].entries()) {
    out[2 * i] = g >> 8;
    out[2 * i + 1] = g & 0xff;
  }
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

function formatV6(b: Uint8Array): string {
  const g = Array.from({ length: 8 }, (_, i) => (b[2 * i]! << 8) | b[2 * i + 1]!);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && g[i + n] === 0) n++;
    if (n > bestLength) [best, bestLength] = [i, n];
    if (n > 0) i += n - 1;
  }
  const hex = g.map((x) => x.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
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
