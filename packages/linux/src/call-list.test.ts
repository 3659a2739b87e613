import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { CallList } from "./call-list.ts";
import { callRunner } from "./call-runner.ts";
import { Memory } from "./memory.ts";
import { native } from "./native.ts";

const BYTES = 256;
const EBADF = 9;

test("calls are made by one crossing where that can be", () => {
  expect(callRunner() !== null).toBe(process.arch === "x64");
});

describe.each(["in one crossing", "singly"] as const)("a list of calls, %s", (how) => {
  const list = (...functions: readonly string[]): CallList =>
    how === "singly" ? new CallList(functions, null) : new CallList(functions);

  test("gives each call its own arguments, up to six of them, addresses whole", () => {
    const memory = new Memory(BYTES);
    const calls = list("memset", "memcmp", "snprintf");
    const text = new Memory(Buffer.from("%d %d %d\0"));
    for (const [i, value] of [memory.address, 7, 16].entries()) calls.set(0, i, value);
    for (const [i, value] of [memory.address, memory.address + 8, 8].entries()) calls.set(1, i, value);
    const arguments6 = [memory.address + 32, 64, text.address, -1, 2_147_483_647, 0];
    for (const [i, value] of arguments6.entries()) calls.set(2, i, value);
    calls.call(0);
    expect(memory.bytes.subarray(0, 16).every((x) => x === 7)).toBe(true);
    expect(calls.call(1)).toBe(0);
    expect(calls.call(2)).toBe("-1 2147483647 0".length);
    expect(memory.bytes.toString("latin1", 32, 32 + 16)).toBe("-1 2147483647 0\0");
  });

  test("stops behind the first that returns something else than 1, and says how many did", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 9 }), fc.nat(), (values, n) => {
        const calls = list(...values.map(() => "abs"));
        for (const [i, value] of values.entries()) calls.set(i, 0, value);
        const first = n % values.length;
        const rest = values.slice(first).map((value) => Math.abs(value));
        const ones = rest.findIndex((value) => value !== 1);
        expect(calls.run(first, rest.length)).toBe(ones < 0 ? rest.length : ones);
      }),
      { numRuns: 100 },
    );
  });

  test("leaves the error number of what failed", () => {
    const calls = list("close");
    calls.set(0, 0, -1);
    expect(calls.call(0)).toBe(-1);
    expect(native().errno()).toBe(EBADF);
  });
});

test("records are sealed and opened the same where calls are made singly", async () => {
  const { AeadKey } = await import("./openssl/aead.ts");
  vi.resetModules();
  vi.doMock("./call-runner.ts", async (original) => ({ ...(await original<object>()), callRunner: () => null }));
  const single = await import("./openssl/aead.ts");
  expect(single.AeadKey).not.toBe(AeadKey);
  for (const cipher of ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"] as const) {
    const how = {
      cipher,
      key: new Uint8Array(cipher === "aes-128-gcm" ? 16 : 32).fill(3),
      iv: new Uint8Array(12).fill(4),
    };
    const [usual, other] = [
      new AeadKey({ ...how, direction: "seal" }),
      new single.AeadKey({ ...how, direction: "seal" }),
    ];
    const [a, b, source] = [new Memory(BYTES), new Memory(BYTES), new Memory(Buffer.alloc(BYTES, 6))];
    a.bytes.fill(5);
    b.bytes.fill(5);
    for (const inPlace of [0, 9]) {
      usual.sealFrom(a, 0, { inPlace, source, from: 1, length: 100 }, 2 ** 40);
      other.sealFrom(b, 0, { inPlace, source, from: 1, length: 100 }, 2 ** 40);
      expect(b.bytes.equals(a.bytes)).toBe(true);
    }
    usual.seal(a, 0, 50, 1);
    other.seal(b, 0, 50, 1);
    expect(b.bytes.equals(a.bytes)).toBe(true);
    const opener = new single.AeadKey({ ...how, direction: "open" });
    b.bytes[10]! ^= 1;
    expect(opener.open(b, 0, 66, 1)).toBe(false);
    expect(opener.open(a, 0, 66, 1)).toBe(true);
    for (const key of [usual, other, opener]) key.free();
  }
});
