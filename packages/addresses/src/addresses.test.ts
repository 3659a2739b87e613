import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cidrContains,
  formatSocketAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  parseCidr,
  parseIp,
  parseSocketAddress,
} from "./addresses.ts";

const refused = { ok: false, error: { code: "BAD_INPUT" } };
const anyIp = fc.oneof(fc.ipV4(), fc.ipV6());
const anyBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

describe("IP addresses", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8::0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::ffff:a00:1", "10.0.0.1"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ])("%s is written %s", (text, want) => expect(parseIp(text)).toEqual({ ok: true, value: want }));

  test.each([
    "",
    "10.0.0",
    "10.0.0.1.2",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.1 ",
    "0x0a.0.0.1",
    "10.1",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "::g",
    "fe80::1%eth0",
    "::10.0.0",
    "10.0.0.1::",
    "::10.0.0.1:1",
    "[::1]",
    "1:2:3:4:5:6:7:8::",
    ":1:2:3:4:5:6:7",
  ])("%j is refused", (text) => expect(parseIp(text)).toMatchObject(refused));

  test("a message shows no more than the beginning of what was refused", () => {
    const r = parseIp("x".repeat(10_000));
    expect(r.ok ? 0 : r.error.message.length).toBeLessThan(200);
  });

  test("whatever the runtime takes for an IP we take, and nothing else", () =>
    fc.assert(
      fc.property(fc.oneof(anyIp, fc.stringMatching(/^[0-9a-f:.]{0,24}$/)), (text) => {
        expect(parseIp(text).ok).toBe(isIPv4(text) || isIPv6(text));
      }),
    ));

  test("canonical text is a fixed point, and bytes read back", () =>
    fc.assert(
      fc.property(anyIp, (text) => {
        const r = parseIp(text);
        const canonical = r.ok ? r.value : "";
        expect(parseIp(canonical)).toEqual(r);
        expect(ipFromBytes(ipToBytes(text))).toBe(canonical);
        expect(ipToBytes(canonical).length).toBe(ipFamily(canonical) === "ipv4" ? 4 : 16);
      }),
    ));

  test("two texts of one address are written alike", () =>
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(parseIp(ipFromBytes(bytes))).toEqual({ ok: true, value: ipFromBytes(bytes) });
      }),
    ));

  test.each([0, 3, 5, 15, 17])("%d bytes are no address", (length) =>
    expect(() => ipFromBytes(new Uint8Array(length))).toThrow(expect.objectContaining({ code: "BAD_INPUT" })),
  );

  test("what is no address has no bytes", () =>
    expect(() => ipToBytes("web")).toThrow(expect.objectContaining({ code: "BAD_INPUT" })));

  test("bytes are a copy", () => {
    const bytes = ipToBytes("10.0.0.1");
    bytes[0] = 99;
    expect(ipToBytes("10.0.0.1")[0]).toBe(10);
  });
});

describe("CIDR blocks", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/8", "10.9.9.9", true],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "10.0.0.1", false],
    ["10.0.0.128/25", "10.0.0.127", false],
    ["10.0.0.128/25", "10.0.0.200", true],
    ["fd00::/8", "fdff::1", true],
    ["2001:db8::/33", "2001:db8:8000::", false],
    ["2001:db8::/33", "2001:db8:7fff::", true],
    ["::1/128", "::1", true],
  ])("%s holds %s: %s", (block, ip, want) => {
    const r = parseCidr(block);
    expect(r.ok && cidrContains(r.value, ipToBytes(ip))).toBe(want);
  });

  test.each([
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "::/129",
    "10.0.0.0/ 8",
    "web/8",
    "10.0.0.0/1e1",
  ])("%j is refused", (text) => expect(parseCidr(text)).toMatchObject(refused));

  test("a block holds its own network, and host bits are cleared", () =>
    fc.assert(
      fc.property(anyIp, fc.nat(128), (ip, n) => {
        const bytes = ipToBytes(ip);
        if (ip.includes(":") && bytes.length === 4) return; // mapped: the length counts in the other family
        const length = n % (bytes.length * 8 + 1);
        const r = parseCidr(`${ip}/${length}`);
        if (!r.ok) throw r.error;
        expect(cidrContains(r.value, bytes)).toBe(true);
        expect(cidrContains(r.value, r.value.network)).toBe(true);
        const bits = [...r.value.network].map((b) => b.toString(2).padStart(8, "0")).join("");
        expect(bits.slice(length)).not.toContain("1");
      }),
    ));

  test("a block holds exactly the addresses that begin with its bits", () =>
    fc.assert(
      fc.property(anyBytes, fc.nat(128), fc.nat(127), (bytes, n, flip) => {
        const [length, at] = [n % (bytes.length * 8 + 1), flip % (bytes.length * 8)];
        const other = bytes.map((b, i) => (i === at >> 3 ? b ^ (0x80 >> (at & 7)) : b));
        expect(cidrContains({ network: bytes, length }, other)).toBe(at >= length);
      }),
    ));
});

describe("socket addresses", () => {
  test.each([
    ["10.0.0.1:80", { ip: "10.0.0.1", port: 80 }],
    ["[::1]:0", { ip: "::1", port: 0 }],
    ["[2001:DB8::1]:65535", { ip: "2001:db8::1", port: 65_535 }],
    ["[::ffff:10.0.0.1]:1", { ip: "10.0.0.1", port: 1 }],
  ])("%s", (text, value) => expect(parseSocketAddress(text)).toEqual({ ok: true, value }));

  test.each([
    "",
    "10.0.0.1",
    "10.0.0.1:",
    ":80",
    "::1:80",
    "[::1]",
    "[::1]80",
    "[10.0.0.1]:80",
    "10.0.0.1:65536",
    "10.0.0.1:-1",
    "web:80",
    "10.0.0.1:8 0",
  ])("%j is refused", (text) => expect(parseSocketAddress(text)).toMatchObject(refused));

  test("what is written reads back", () =>
    fc.assert(
      fc.property(anyBytes, fc.nat(65_535), (bytes, port) => {
        const value = { ip: ipFromBytes(bytes), port };
        expect(parseSocketAddress(formatSocketAddress(value))).toEqual({ ok: true, value });
      }),
    ));

  test("arbitrary text never throws", () =>
    fc.assert(
      fc.property(fc.string(), (text) => [parseIp, parseCidr, parseSocketAddress].forEach((parse) => void parse(text))),
    ));
});
