import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { proxyHeader } from "./proxy-header.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const SIGNATURE = "0d0a0d0a000d0a515549540a";

test("writes IPv4 ends and the identity as TLV 0xD0", () => {
  const header = proxyHeader({
    source: { ip: "10.0.0.1", port: 258 },
    destination: { ip: "10.0.0.2", port: 80 },
    identity: "ab",
  });
  expect(hex(header)).toBe(`${SIGNATURE}2111${"0011"}0a0000010a00000201020050${"d000026162"}`);
});

test("writes IPv6 ends, and an IPv4 end as mapped when the other is IPv6", () => {
  const header = proxyHeader({
    source: { ip: "10.0.0.1", port: 1 },
    destination: { ip: "fd00::2", port: 2 },
    identity: null,
  });
  expect(hex(header)).toBe(`${SIGNATURE}2121${"0024"}${"0".repeat(20)}ffff0a000001fd${"0".repeat(28)}0200010002`);
});
