import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { randomHexSource } from "./random-hex.ts";

test("every byte is given once, in hex, whatever is asked for", () => {
  let next = 0;
  const fetched: number[] = [];
  const hex = randomHexSource((bytes) => {
    fetched.push(bytes);
    return Buffer.from(Array.from({ length: bytes }, () => next++ & 0xff));
  });
  expect([hex(4), hex(2)]).toEqual(["00010203", "0405"]);
  const rest = Array.from({ length: 300 }, () => hex(24));
  expect(rest[0]).toMatch(/^06070809/);
  expect(rest.every((text) => /^[0-9a-f]{48}$/.test(text))).toBe(true);
  expect(new Set(fetched)).toEqual(new Set([4096]));
  expect(hex(5000)).toHaveLength(10_000);
});
