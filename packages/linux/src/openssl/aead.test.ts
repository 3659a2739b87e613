import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import { type CipherGCM, createCipheriv, randomBytes } from "node:crypto";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { thrownBy } from "@lateen/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { guardedMemory } from "../guarded-memory.test.support.ts";
import { Memory } from "../memory.ts";
import { AeadKey, type AeadName } from "./aead.ts";

const KEY_BYTES = { "aes-128-gcm": 16, "aes-256-gcm": 32, "chacha20-poly1305": 32 } as const;
const NAMES = Object.keys(KEY_BYTES) as AeadName[];
const HEADER = 5;
const TAG = 16;

const codeOf = (run: () => unknown): string => thrownBy(MeshError.is, run)?.code ?? "no error";

function keys(cipher: AeadName, key = randomBytes(KEY_BYTES[cipher]), iv = randomBytes(12)) {
  const seal = new AeadKey({ cipher, direction: "seal", key, iv });
  const open = new AeadKey({ cipher, direction: "open", key, iv });
  return {
    seal,
    open,
    key,
    iv,
    [Symbol.dispose]() {
      seal.free();
      open.free();
    },
  };
}

/** What RFC 8446 5.2 and 5.3 say, by node:crypto, with a nonce made the long way. */
function expected(
  o: { cipher: AeadName; key: Buffer; iv: Buffer },
  header: Buffer,
  content: Buffer,
  sequence: number,
): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(sequence), 4);
  for (const [i, b] of o.iv.entries()) nonce[i]! ^= b;
  const cipher = createCipheriv(o.cipher as "aes-128-gcm", o.key, nonce, { authTagLength: TAG }) as CipherGCM;
  cipher.setAAD(header, { plaintextLength: content.length });
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

describe.each(NAMES)("%s", (cipher) => {
  test("seals what node:crypto seals, and opens it, for any content, place and sequence number", () => {
    using k = keys(cipher);
    const memory = new Memory(40_000);
    const sequences = fc.oneof(
      fc.nat(3),
      fc.maxSafeInteger().map(Math.abs),
      fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 17_000 }), fc.nat(20_000), sequences, (length, at, sequence) => {
        const content = randomBytes(length);
        const header = randomBytes(HEADER);
        memory.bytes.fill(0xee);
        memory.bytes.set(header, at);
        memory.bytes.set(content, at + HEADER);
        k.seal.seal(memory, at, length, sequence);
        const end = at + HEADER + length + TAG;
        const sealed = memory.bytes.subarray(at + HEADER, end);
        expect(sealed.equals(expected({ cipher, ...k }, header, content, sequence))).toBe(true);
        expect(k.open.open(memory, at, length + TAG, sequence)).toBe(true);
        expect(memory.bytes.subarray(at + HEADER, at + HEADER + length).equals(content)).toBe(true);
        expect(memory.bytes.subarray(0, at).every((b) => b === 0xee)).toBe(true);
        expect(memory.bytes.subarray(end).every((b) => b === 0xee)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("seals the same from pieces in two memories as from one, and leaves the source alone", () => {
    using k = keys(cipher);
    const [memory, whole, source] = [new Memory(40_000), new Memory(40_000), new Memory(30_000)];
    fc.assert(
      fc.property(fc.nat(300), fc.integer({ min: 1, max: 16_384 }), fc.nat(9000), (inPlace, length, from) => {
        const content = randomBytes(inPlace + length + 1);
        const between = content.subarray(inPlace, inPlace + length);
        for (const m of [memory, whole]) m.bytes.fill(0xee);
        whole.bytes.set(content, 11 + HEADER);
        k.seal.seal(whole, 11, content.length, 5);
        memory.bytes.set(content.subarray(0, inPlace), 11 + HEADER);
        memory.bytes[11 + HEADER + inPlace + length] = content[inPlace + length]!;
        source.bytes.set(between, from);
        k.seal.sealFrom(memory, 11, { inPlace, source, from, length }, 5);
        expect(memory.bytes.equals(whole.bytes)).toBe(true);
        expect(source.bytes.subarray(from, from + length).equals(between)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("refuses pieces that are not inside their memories, or lie in the same one", () => {
    using k = keys(cipher);
    const [memory, source] = [new Memory(HEADER + 100 + 1 + TAG), new Memory(50)];
    const good = { inPlace: 50, source, from: 0, length: 50 };
    const seal = (c: Partial<typeof good>, at = 0) => codeOf(() => k.seal.sealFrom(memory, at, { ...good, ...c }, 0));
    expect(seal({})).toBe("no error");
    const wrong = [{ inPlace: 51 }, { inPlace: -1 }, { from: 1 }, { length: 51 }, { length: Number.NaN }];
    expect(wrong.map((c) => seal(c))).toEqual(wrong.map(() => Code.Bug));
    expect([seal({}, 1), seal({ source: memory })]).toEqual([Code.Bug, Code.Bug]);
    expect(codeOf(() => k.open.sealFrom(memory, 0, good, 0))).toBe(Code.Bug);
  });

  // The kinds of case of the usual collections of AEAD test vectors, made here: one thing is wrong in each.
  const wrong: readonly [name: string, change: (record: Buffer) => void, sequence?: number, cut?: number][] = [
    ...Array.from({ length: 8 * TAG }, (_, bit): [string, (r: Buffer) => void] => [
      `tag bit ${bit}`,
      (r) => (r[r.length - TAG + (bit >> 3)]! ^= 1 << (bit & 7)),
    ]),
    ["a tag of zeros", (r) => r.fill(0, r.length - TAG)],
    ["a tag of ones", (r) => r.fill(0xff, r.length - TAG)],
    ["an inverted tag", (r) => r.subarray(r.length - TAG).forEach((b, i, t) => (t[i] = ~b))],
    ["each half of the tag in place of the other", (r) => r.subarray(r.length - TAG).swap64()],
    ["the first content bit", (r) => (r[HEADER]! ^= 0x80)],
    ["the last content bit", (r) => (r[r.length - TAG - 1]! ^= 1)],
    ...[0, 1, 2, 3, 4].map((i): [string, (r: Buffer) => void] => [`header byte ${i}`, (r) => (r[i]! ^= 1)]),
    ["the next sequence number", () => {}, 8],
    ["the sequence number before", () => {}, 6],
    ["the sequence number 2^32 higher", () => {}, 7 + 2 ** 32],
    ["no content", () => {}, 7, 100],
    ["a byte less", () => {}, 7, 1],
  ];
  test("does not open when one thing is wrong", () => {
    using k = keys(cipher);
    const memory = new Memory(HEADER + 100 + TAG);
    for (const [name, change, sequence = 7, cut = 0] of wrong) {
      memory.bytes.fill(3);
      k.seal.seal(memory, 0, 100, 7);
      change(memory.bytes);
      expect(k.open.open(memory, 0, 100 + TAG - cut, sequence), name).toBe(false);
    }
    memory.bytes.fill(3);
    k.seal.seal(memory, 0, 100, 7);
    expect(k.open.open(memory, 0, 100 + TAG, 7), "a failure leaves the key usable").toBe(true);
  });

  test("less than a tag is never opened", () => {
    using k = keys(cipher);
    for (let n = 0; n < TAG; n++) expect(k.open.open(new Memory(64), 0, n, 0)).toBe(false);
  });

  test("goes on under another key", () => {
    using k = keys(cipher);
    using other = keys(cipher);
    const memory = new Memory(64);
    memory.bytes.fill(1);
    k.seal.rekey(other.key, other.iv);
    k.seal.seal(memory, 0, 20, 0);
    const sealed = Buffer.from(memory.bytes);
    expect(k.open.open(memory, 0, 20 + TAG, 0)).toBe(false);
    memory.bytes.set(sealed);
    expect(other.open.open(memory, 0, 20 + TAG, 0)).toBe(true);
  });

  test("touches nothing before and behind its range: pages that are not there", () => {
    using k = keys(cipher);
    for (const length of [1, 15, 16, 17, 63, 64, 255, 256, 1000, 4096, 16_385]) {
      for (const side of ["end", "start"] as const) {
        const memory = guardedMemory(HEADER + length + TAG, side);
        memory.bytes.fill(5);
        k.seal.seal(memory, 0, length, 1);
        expect(k.open.open(memory, 0, length + TAG, 1)).toBe(true);
        expect(memory.bytes.subarray(HEADER, HEADER + length).every((b) => b === 5)).toBe(true);
      }
    }
  });

  test("refuses every range that is not inside the memory, before C sees it", () => {
    using k = keys(cipher);
    const SIZE = 512;
    const memory = guardedMemory(SIZE);
    const hostile = fc.oneof(
      fc.integer({ min: -600, max: 600 }),
      fc.double(),
      fc.maxSafeInteger(),
      fc.constantFrom(NaN, Infinity, -0, 2 ** 32, 2 ** 53, -(2 ** 53)),
      fc.constantFrom("0", null, undefined, 1n, {}, [1]).map((x) => x as unknown as number),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, (at, length, sequence) => {
        const is = Number.isInteger;
        const inside = is(at) && is(length) && at >= 0 && length >= 0 && at + HEADER + length <= SIZE;
        const counts = Number.isSafeInteger(sequence) && sequence >= 0;
        const opens = inside && (counts || length < TAG);
        const seals = inside && counts && at + HEADER + length + TAG <= SIZE;
        expect(codeOf(() => k.open.open(memory, at, length, sequence))).toBe(opens ? "no error" : Code.Bug);
        expect(codeOf(() => k.seal.seal(memory, at, length, sequence))).toBe(seals ? "no error" : Code.Bug);
      }),
      { numRuns: 2000 },
    );
  });

  test("refuses keys and IVs of another length, the wrong direction, and use after free", () => {
    const key = Buffer.alloc(KEY_BYTES[cipher]);
    const iv = Buffer.alloc(12);
    const views = [
      null,
      undefined,
      "text",
      4096,
      {},
      new ArrayBuffer(32),
      new Uint32Array(8),
      Buffer.alloc(64),
      Buffer.alloc(11),
    ];
    for (const view of views as unknown as Buffer[]) {
      expect(codeOf(() => new AeadKey({ cipher, direction: "seal", key: view, iv }))).toBe(Code.Bug);
      expect(codeOf(() => new AeadKey({ cipher, direction: "seal", key, iv: view }))).toBe(Code.Bug);
    }
    const memory = new Memory(64);
    const k = keys(cipher);
    expect(codeOf(() => k.open.seal(memory, 0, 1, 0))).toBe(Code.Bug);
    expect(codeOf(() => k.seal.open(memory, 0, 17, 0))).toBe(Code.Bug);
    for (const half of [k.seal, k.open]) {
      half.free();
      half.free();
      expect(codeOf(() => half.rekey(key, iv))).toBe(Code.Bug);
    }
    expect(codeOf(() => k.seal.seal(memory, 0, 1, 0))).toBe(Code.Bug);
    expect(codeOf(() => k.open.open(memory, 0, 17, 0))).toBe(Code.Bug);
  });
});

test("the pages that are not there are really not there", async () => {
  const at = (file: string): string => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));
  const code = `
    import { guardedMemory } from ${at("../guarded-memory.test.support.ts")};
    import { AeadKey } from ${at("./aead.ts")};
    const memory = guardedMemory(64);
    Object.defineProperty(memory, "length", { value: 65 });
    const key = new AeadKey({ cipher: "aes-128-gcm", direction: "seal", key: new Uint8Array(16), iv: new Uint8Array(12) });
    console.log("alive");
    key.seal(memory, 0, 65 - 21, 0);
    console.log("past the end");
  `;
  const args = ["--conditions=lateen:source", "--input-type=module", "-e", code];
  const end = await new Promise<{ signal: string | undefined; out: string }>((resolve) => {
    execFile(process.execPath, args, (error, out) => resolve({ signal: error?.signal, out }));
  });
  expect(end).toEqual({ signal: "SIGSEGV", out: "alive\n" });
});
