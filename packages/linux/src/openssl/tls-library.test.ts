import { Buffer } from "node:buffer";
import { decodePem } from "@lateen/certificates";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { Code, MeshError } from "@lateen/errors";
import { failureOf } from "@lateen/testkit";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { guardedMemory } from "../guarded-memory.test.support.ts";
import type { TlsConnection } from "./tls-connection.ts";
import type { TlsContextOptions } from "./tls-context.ts";
import type { Refusal } from "./refusal.ts";
import { TlsLibrary } from "./tls-library.ts";

const peers = await testCredentials(Date.now());
const ders = (pem: string): readonly Uint8Array[] => {
  const blocks = decodePem(pem);
  if (!blocks.ok) throw blocks.error;
  return blocks.value.map((b) => b.der);
};
const own = (who: keyof typeof peers): TlsContextOptions => ({
  chainDer: ders(peers[who].chainPem),
  keyDer: ders(peers[who].keyPem)[0]!,
});

const library = new TlsLibrary();
const context = { client: library.context(own("client")), server: library.context(own("server")) };
afterAll(() => {
  context.client.free();
  context.server.free();
  library[Symbol.dispose]();
});

type Judge = (chain: readonly Uint8Array[]) => Refusal | null;
type Role = "client" | "server";

function connection(role: Role, judge: Judge = () => null, alpn: readonly string[] = ["h2"]): TlsConnection {
  return library.connection({ context: context[role], role, alpn, judge });
}

/** Both ends, as far as they get, each fed by `send`. */
function shake(client: TlsConnection, server: TlsConnection, via: (bytes: Buffer) => Uint8Array = (b) => b): string {
  let c = client.step(null);
  let s: string = "more";
  for (let i = 0; i < 4; i++) {
    const toServer = client.output();
    if (toServer.length > 0 && s === "more") s = server.step(via(toServer));
    const toClient = server.output();
    if (toClient.length > 0 && c === "more") c = client.step(via(toClient));
  }
  return `client ${c}, server ${s}`;
}

const failure = failureOf(MeshError.is);

describe("a handshake", () => {
  test("gives both the same secrets, suite and protocol, and each other's chain", () => {
    const [client, server] = [connection("client"), connection("server")];
    expect(shake(client, server)).toBe("client done, server done");
    expect(client.clientSecret.length).toBe(48);
    expect(client.clientSecret.equals(server.clientSecret)).toBe(true);
    expect(client.serverSecret.equals(server.serverSecret)).toBe(true);
    expect(client.serverSecret.equals(client.clientSecret)).toBe(false);
    expect([client.suite(), server.suite(), client.alpn(), server.alpn()]).toEqual([0x1302, 0x1302, "h2", "h2"]);
    expect(client.peerChainDer.map((d) => Buffer.from(d))).toEqual(own("server").chainDer.map((d) => Buffer.from(d)));
    expect(server.peerChainDer.map((d) => Buffer.from(d))).toEqual(own("client").chainDer.map((d) => Buffer.from(d)));
    const secret = client.clientSecret;
    [client, server].forEach((c) => c.free());
    expect(secret.every((b) => b === 0)).toBe(true);
  });

  test.each([
    ["TLS_AES_128_GCM_SHA256", 0x1301],
    ["TLS_CHACHA20_POLY1305_SHA256", 0x1303],
  ])("over %s", (suites, id) => {
    const server = library.context({ ...own("server"), suites });
    const far = library.connection({ context: server, role: "server", alpn: ["h2"], judge: () => null });
    const near = connection("client");
    expect(shake(near, far)).toBe("client done, server done");
    expect([near.suite(), near.clientSecret.length]).toEqual([id, 32]);
    [near, far, server].forEach((x) => x.free());
  });

  test("over a post-quantum key exchange, when both want it", () => {
    const o = { groups: "X25519MLKEM768" };
    const [a, b] = [library.context({ ...own("client"), ...o }), library.context({ ...own("server"), ...o })];
    const near = library.connection({ context: a, role: "client", alpn: ["h2"], judge: () => null });
    const far = library.connection({ context: b, role: "server", alpn: ["h2"], judge: () => null });
    expect(shake(near, far)).toBe("client done, server done");
    const classic = connection("server");
    const alone = library.connection({ context: a, role: "client", alpn: ["h2"], judge: () => null });
    expect(shake(alone, classic)).toContain("server failed");
    [near, far, a, b, classic, alone].forEach((x) => x.free());
  });

  test("out of, and with, memory that ends at pages that are not there", () => {
    const via = (bytes: Buffer): Uint8Array => {
      const memory = guardedMemory(bytes.length);
      memory.bytes.set(bytes);
      return memory.bytes;
    };
    const [client, server] = [connection("client"), connection("server")];
    expect(shake(client, server, via)).toBe("client done, server done");
    [client, server].forEach((c) => c.free());
  });

  test("keeps what came behind it, cut anywhere", () => {
    const [client, server] = [connection("client"), connection("server")];
    client.step(null);
    server.step(client.output());
    expect(client.step(server.output())).toBe("done");
    const behind = Buffer.from([23, 3, 3, 1, 0, 9, 9]);
    expect(server.step(Buffer.concat([client.output(), behind]))).toBe("done");
    expect(server.leftover().equals(behind)).toBe(true);
    expect(server.leftover().length).toBe(0);
    [client, server].forEach((c) => c.free());
  });
});

describe("judges", () => {
  const cases: readonly [name: string, judge: Judge, peerSays: string][] = [
    ["expired", () => ({ kind: "expired", why: "x" }), "alert certificate expired"],
    ["not yet valid", () => ({ kind: "not-yet-valid", why: "x" }), "alert bad certificate"],
    ["unknown authority", () => ({ kind: "unknown-authority", why: "x" }), "alert unknown ca"],
    ["wrong purpose", () => ({ kind: "wrong-purpose", why: "x" }), "alert unsupported certificate"],
    ["rejected", () => ({ kind: "rejected", why: "x" }), "alert bad certificate"],
    [
      "a throw",
      () => {
        throw new Error("boom");
      },
      "alert",
    ],
    [
      "a throw of nothing",
      () => {
        throw undefined;
      },
      "alert",
    ],
  ];
  test.each(cases)("%s: the client refuses, the server learns why", (_name, judge, says) => {
    const [client, server] = [connection("client", judge), connection("server")];
    expect(shake(client, server)).toBe("client failed, server failed");
    expect(server.why).toContain(says);
    [client, server].forEach((c) => c.free());
  });
  test.each(cases)("%s: the server refuses", (_name, judge) => {
    const [client, server] = [connection("client"), connection("server", judge)];
    expect(shake(client, server)).toBe("client done, server failed");
    expect(server.peerChainDer.length).toBe(2);
    [client, server].forEach((c) => c.free());
  });

  test("a client without a certificate never comes as far", () => {
    let asked = 0;
    const [client, server] = [connection("client", () => (asked++, null)), connection("server", () => (asked++, null))];
    client.step(null);
    server.step(client.output());
    const whole = server.output();
    expect(server.step(whole)).toBe("failed"); // its own flight back: not what belongs here
    expect(asked).toBe(0);
    [client, server].forEach((c) => c.free());
  });
});

describe("protocols", () => {
  test.each([
    ["the server's order counts", ["a", "b"], ["b", "a"], "client done, server done", "b"],
    ["none in common", ["a"], ["b"], "client failed, server failed", null],
    ["a server without any refuses what is offered", ["a"], [], "client failed, server failed", null],
    ["none offered", [], ["a"], "client done, server done", null],
  ] as const)("%s", (_name, offered, wanted, outcome, agreed) => {
    const [client, server] = [connection("client", () => null, offered), connection("server", () => null, wanted)];
    expect(shake(client, server)).toBe(outcome);
    if (outcome.endsWith("done")) expect([client.alpn(), server.alpn()]).toEqual([agreed, agreed]);
    else expect(server.why).toBe("no application protocol");
    [client, server].forEach((c) => c.free());
  });
  test.each(["", "x".repeat(256)])("a name of a wrong length is refused (%#)", (name) => {
    expect(failure(() => connection("client", () => null, [name])).code).toBe(Code.BadInput);
  });
});

describe("hostile bytes", () => {
  test("whatever a stranger sends to a server: more or failed, and one answer at most", () => {
    const noise = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 600 }),
      fc
        .uint8Array({ minLength: 1, maxLength: 300 })
        .map((b) => Buffer.concat([Buffer.of(22, 3, 1, b.length >> 8, b.length & 255), b])),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        const server = connection("server");
        expect(["more", "failed"]).toContain(server.step(bytes));
        expect(server.output().length).toBeLessThan(100);
        server.free();
      }),
      { numRuns: 500 },
    );
  });

  test("a flight changed in any byte never ends in a handshake that both believe in", () => {
    const first = connection("client");
    first.step(null);
    const length = first.output().length;
    first.free();
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom<Role>("client", "server"),
        (at, bits, to) => {
          const [client, server] = [connection("client"), connection("server")];
          const change = (b: Buffer): Buffer => {
            b[at % b.length]! ^= bits;
            return b;
          };
          client.step(null);
          const hello = client.output();
          // The two version bytes of the record that holds the first ClientHello are authenticated by nothing.
          const unbound = to === "server" && (at % length === 1 || at % length === 2);
          const s = server.step(to === "server" ? change(hello) : hello);
          const flight = server.output();
          const c = s === "more" && flight.length > 0 ? client.step(to === "client" ? change(flight) : flight) : "more";
          const end = c === "done" ? server.step(client.output()) : "more";
          if (!unbound && to === "server") expect(`${c} ${end}`).not.toBe("done done");
          if (to === "client" && c === "done") expect(end).toBe("done"); // an outer header of a record that is ignored
          [client, server].forEach((x) => x.free());
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("arguments", () => {
  test("views that are none are refused before C sees them", () => {
    const views = ["text", 4096, {}, new ArrayBuffer(8), new Uint32Array(2), { length: 9, byteLength: 1e9 }];
    for (const view of views as unknown as Uint8Array[]) {
      const server = connection("server");
      if ((view as { length?: number }).length !== undefined)
        expect(failure(() => server.step(view)).code).toBe(Code.Bug);
      expect(failure(() => library.context({ ...own("client"), chainDer: [view] })).code).toBe(Code.Bug);
      expect(failure(() => library.context({ ...own("client"), keyDer: view })).code).toBe(Code.Bug);
      server.free();
    }
  });

  test.each([
    ["no certificate", { chainDer: [] }],
    ["an empty certificate", { chainDer: [new Uint8Array(0)] }],
    ["noise for a key", { keyDer: new Uint8Array(50) }],
    ["an empty key", { keyDer: new Uint8Array(0) }],
    ["somebody else's key", { keyDer: own("server").keyDer }],
    ["unknown suites", { suites: "TLS_NULL" }],
    ["unknown groups", { groups: "P-1" }],
    ["suites with a NUL", { suites: "TLS_AES_128_GCM_SHA256\0" }],
  ])("%s cannot be used", (_name, change) => {
    expect(failure(() => library.context({ ...own("client"), ...change })).code).toBe(Code.BadInput);
  });

  test("certificates and keys with anything changed: used or refused, never a crash", () => {
    const good = own("client");
    fc.assert(
      fc.property(
        fc.constantFrom("leaf", "intermediate", "key"),
        fc.nat(600),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(40),
        (what, at, bits, cut) => {
          const change = (der: Uint8Array): Uint8Array => {
            const changed = Uint8Array.from(der).subarray(0, der.length - cut);
            changed[at % changed.length]! ^= bits;
            return changed;
          };
          const [leaf, intermediate] = good.chainDer as [Uint8Array, Uint8Array];
          const chainDer = [
            what === "leaf" ? change(leaf) : leaf,
            what === "intermediate" ? change(intermediate) : intermediate,
          ];
          try {
            library.context({ chainDer, keyDer: what === "key" ? change(good.keyDer) : good.keyDer }).free();
          } catch (e) {
            expect(MeshError.is(e, Code.BadInput)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("lifetime", () => {
  test("a connection outlives its context; freed things refuse further use", () => {
    const ctx = library.context(own("client"));
    const client = library.connection({ context: ctx, role: "client", alpn: ["h2"], judge: () => null });
    ctx.free();
    ctx.free();
    expect(client.step(null)).toBe("more");
    client.free();
    client.free();
    for (const use of [
      () => client.step(null),
      () => client.output(),
      () => client.leftover(),
      () => client.suite(),
      () => client.alpn(),
    ])
      expect(failure(use).code).toBe(Code.Bug);
    expect(failure(() => library.connection({ context: ctx, role: "client", alpn: [], judge: () => null })).code).toBe(
      Code.Bug,
    );
  });

  test("callbacks are given back: more libraries, one after the other, than callbacks exist", () => {
    for (let i = 0; i < 3000; i++) new TlsLibrary()[Symbol.dispose]();
    const other = new TlsLibrary();
    const ctx = other.context(own("client"));
    const client = other.connection({ context: ctx, role: "client", alpn: ["h2"], judge: () => null });
    other[Symbol.dispose]();
    other[Symbol.dispose]();
    expect(failure(() => client.step(null)).code).toBe(Code.Bug);
    expect(failure(() => other.context(own("client"))).code).toBe(Code.Bug);
    client.free();
    ctx.free();
  });

  test("what node:crypto left in the thread's error queue is not taken for an error of the handshake", () => {
    const [client, server] = [connection("client"), connection("server", () => (void failingCrypto(), null))];
    failingCrypto();
    expect(shake(client, server)).toBe("client done, server done");
    [client, server].forEach((c) => c.free());
  });
});

function failingCrypto(): void {
  try {
    library.context({ ...own("client"), keyDer: new Uint8Array(9) });
  } catch {
    // that it fails is the point
  }
}
