import { Buffer } from "node:buffer";
import { ipFromBytes } from "@lateen/addresses";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeInet, encodeInet, encodeNetlink, encodePacket, encodeUnix } from "./sockaddr.ts";

const port = fc.nat(65_535);
const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipFromBytes);

test("an address survives encoding, IPv4 also as v4-mapped", () => {
  fc.assert(
    fc.property(v4, v6, port, (a, b, p) => {
      expect(decodeInet(encodeInet({ ip: a, port: p }, "ipv4"))).toEqual({ ip: a, port: p });
      expect(decodeInet(encodeInet({ ip: a, port: p }, "ipv6"))).toEqual({ ip: a, port: p });
      expect(decodeInet(encodeInet({ ip: b, port: p }, "ipv6"))).toEqual({ ip: b, port: p });
    }),
  );
});

test("any bytes decode to an address or null", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const address = decodeInet(Buffer.from(bytes));
      expect(address === null || (address.port >= 0 && address.port <= 65_535)).toBe(true);
    }),
  );
});

test("layouts are the kernel's", () => {
  expect(encodeInet({ ip: "10.1.2.3", port: 15_008 }, "ipv4").toString("hex")).toBe("02003aa00a0102030000000000000000");
  expect(encodeInet({ ip: "fd00::1", port: 1 }, "ipv6").toString("hex")).toBe(
    "0a000001" + "00000000" + "fd000000000000000000000000000001" + "00000000",
  );
  expect(encodeUnix("/a").toString("hex")).toBe("01002f6100");
  expect(encodeUnix("\0a").toString("hex")).toBe("01000061");
  expect(encodeNetlink(0, 1).toString("hex")).toBe("100000000000000001000000");
  expect(encodePacket(3, 7).toString("hex")).toBe("1100000307000000" + "00".repeat(12));
});

test.each([
  ["a port over 65535", () => encodeInet({ ip: "1.2.3.4", port: 65_536 }, "ipv4")],
  ["a port that is no number", () => encodeInet({ ip: "1.2.3.4", port: NaN }, "ipv4")],
  ["IPv6 as IPv4", () => encodeInet({ ip: "::1", port: 1 }, "ipv4")],
  ["an empty path", () => encodeUnix("")],
  ["a path of 108 bytes", () => encodeUnix("x".repeat(108))],
  ["a NUL inside a path", () => encodeUnix("a\0b")],
])("%s is refused", (_, run) => expect(run).toThrow(expect.objectContaining({ code: "BAD_INPUT" })));
