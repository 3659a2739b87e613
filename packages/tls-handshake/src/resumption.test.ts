import { Buffer } from "node:buffer";
import { testCredentials } from "@lateen/certificates/test-credentials";
import type { Credentials } from "@lateen/datapath";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type EndOptions, SecureEnd } from "./secure-end.test.support.ts";
import { TlsEngine, type TlsEngineOptions } from "./tls-engine.ts";
import type { TlsHandshake } from "./tls-handshake.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.now();
const peers = await testCredentials(START_MS);

/** Moved by the tests, for every engine. */
let nowMs = START_MS;
const engines: TlsEngine[] = [];
afterAll(() => {
  for (const engine of engines) engine[Symbol.dispose]();
});

function engineOf(o: Partial<TlsEngineOptions> = {}): TlsEngine {
  const engine = new TlsEngine({ nowMs: () => nowMs, ...o });
  engines.push(engine);
  return engine;
}

/** One end's engine, and the credentials made by it. */
interface Node {
  readonly engine: TlsEngine;
  readonly credentials: Credentials;
}

function node(as: keyof typeof peers, engine = engineOf(), rootsPem = peers[as].rootsPem): Node {
  return { engine, credentials: engine.credentials({ ...peers[as], rootsPem }) };
}

/** Clients mean "peer" unless they say otherwise; null says nothing. */
type Side = Node & Partial<Pick<EndOptions, "verifyPeer" | "alpn">> & { readonly resumeKey?: string | null };

interface Met {
  readonly client: SecureEnd;
  readonly server: SecureEnd;
  /** Bytes that the server sent. */
  readonly fromServer: () => number;
}

/** Both ends before either has received anything. @returns what carries bytes until neither has any more */
function begin(client: Side, server: Side, change: (toServer: Uint8Array) => Uint8Array = (b) => b) {
  nowMs += 1;
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  let sent = 0;
  const far = new SecureEnd(server.engine, { ...server, role: "server", resumeKey: "" }, (b) => {
    sent += b.length;
    toClient.push(b);
  });
  const { resumeKey = "peer", ...rest } = client;
  const who = resumeKey === null ? {} : { resumeKey };
  const near = new SecureEnd(client.engine, { ...rest, ...who, role: "client" }, (b) => toServer.push(b));
  const carry = (): void => {
    while (toServer.length + toClient.length > 0) {
      for (const bytes of toServer.splice(0)) far.receive(change(bytes));
      for (const bytes of toClient.splice(0)) near.receive(bytes);
    }
  };
  for (const end of [near, far]) {
    const write = end.write.bind(end);
    end.write = (bytes) => {
      write(bytes);
      carry();
    };
  }
  return { met: { client: near, server: far, fromServer: () => sent }, carry };
}

/** A handshake, as far as it gets, and whatever the ends say of their own afterwards. */
function meet(...how: Parameters<typeof begin>): Met {
  const { met, carry } = begin(...how);
  carry();
  return met;
}

/** Content both ways, so that any wrong key or sequence shows, and the end. */
function talk({ client, server }: Met): void {
  for (const size of [1, 20_000, 100]) {
    client.received = [];
    server.received = [];
    const bytes = Buffer.alloc(size, size);
    server.write(bytes);
    client.write(bytes);
    expect(Buffer.concat(client.received).equals(bytes)).toBe(true);
    expect(Buffer.concat(server.received).equals(bytes)).toBe(true);
  }
  expect([client.failure, server.failure]).toEqual([null, null]);
}

function over(met: Met): Met {
  met.client.free();
  met.server.free();
  return met;
}

/** Meets, talks and ends. @returns whether a session was resumed */
function resumes(client: Side, server: Side): boolean {
  const met = meet(client, server);
  talk(met);
  over(met);
  if (met.client.resumed === null || met.client.resumed !== met.server.resumed) throw new Error("they do not agree");
  return met.client.resumed;
}

const reasons = ({ client, server }: Met): readonly (string | undefined)[] => [
  client.error?.message,
  server.error?.message,
];

describe("peers that have met", () => {
  test("resume, again and again, with the chains of their first meeting, and without sending them", () => {
    const [client, server] = [node("client"), node("server")];
    const first = meet(client, server);
    const inFull = first.fromServer();
    talk(first);
    over(first);
    for (let i = 0; i < 5; i++) {
      const met = meet(client, server);
      expect(met.fromServer()).toBeLessThan(inFull - 800); // no certificates
      talk(met);
      expect([met.client.resumed, met.server.resumed]).toEqual([true, true]);
      expect(met.client.peerChainDer).toEqual(first.client.peerChainDer);
      expect(met.server.peerChainDer).toEqual(first.server.peerChainDer);
      expect(met.client.peerChainDer.length).toBe(2);
      over(met);
    }
  });

  test("over each suite and either group", () => {
    for (const suites of ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
      for (const groups of ["X25519", "P-256", "X25519MLKEM768"]) {
        const [client, server] = [
          node("client", engineOf({ suites, groups })),
          node("server", engineOf({ suites, groups })),
        ];
        expect([resumes(client, server), resumes(client, server)]).toEqual([false, true]);
      }
  });

  test("with whatever of the bytes in one piece or in many, and moved to another process at once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.boolean(), (portion, moves) => {
        const [client, server] = [node("client"), node("server")];
        over(meet(client, server));
        const met = meet(client, server);
        for (const end of [met.client, met.server]) {
          const receive = end.receive.bind(end);
          end.receive = (bytes) => {
            for (let at = 0; at < bytes.length; at += portion) receive(bytes.subarray(at, at + portion));
          };
          if (moves) end.move();
        }
        talk(met);
        expect(met.server.resumed).toBe(true);
        over(met);
      }),
      { numRuns: 20 },
    );
  });

  test("when a hello retry was needed", () => {
    const client = node("client", engineOf({ groups: "X25519:P-256" }));
    const server = node("server", engineOf({ groups: "P-256" }));
    expect([resumes(client, server), resumes(client, server), resumes(client, server)]).toEqual([false, true, true]);
  });

  test("only where the client says who is meant", () => {
    const [client, server] = [node("client"), node("server")];
    const silent = { ...client, resumeKey: null };
    expect([resumes(silent, server), resumes(silent, server)]).toEqual([false, false]);
    expect(client.engine.held).toEqual({ sessions: 0, waiting: 0 });
    expect(resumes({ ...client, resumeKey: "a" }, server)).toBe(false);
    expect(resumes({ ...client, resumeKey: "b" }, server)).toBe(false);
    expect(resumes({ ...client, resumeKey: "a" }, server)).toBe(true);
  });

  test("not when either was told not to", () => {
    const [client, server] = [node("client"), node("server")];
    const [deaf, mute] = [node("client", engineOf({ resume: false })), node("server", engineOf({ resume: false }))];
    expect([resumes(deaf, server), resumes(deaf, server)]).toEqual([false, false]);
    expect([resumes(client, mute), resumes(client, mute)]).toEqual([false, false]);
    expect(mute.engine.held).toEqual({ sessions: 0, waiting: 0 });
  });

  test("a ticket is used once", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    expect(client.engine.held).toEqual({ sessions: 1, waiting: 0 });
    const hellos: Uint8Array[] = [];
    const start = (): SecureEnd =>
      new SecureEnd(client.engine, { ...client, role: "client", resumeKey: "peer" }, (b) => hellos.push(b));
    const ends = [start(), start()];
    expect(client.engine.held.sessions).toBe(0);
    expect(hellos[0]!.length).toBeGreaterThan(hellos[1]!.length + 200); // the second has no ticket to send
    for (const end of ends) end.free();
    expect(resumes(client, server)).toBe(false);
  });
});

describe("tickets of others", () => {
  test("another engine with the same credentials does not know the ticket: a full handshake, and another ticket", () => {
    const [client, one, other] = [node("client"), node("server"), node("server")];
    expect(resumes(client, one)).toBe(false);
    expect(resumes(client, other)).toBe(false);
    expect(resumes(client, other)).toBe(true);
    expect(resumes(client, one)).toBe(false);
  });

  test("engines of one secret take each other's, once each has seen the client's chain", () => {
    const ticketSecret = Buffer.alloc(32, 7);
    const [one, other] = [node("server", engineOf({ ticketSecret })), node("server", engineOf({ ticketSecret }))];
    const client = node("client");
    expect([resumes(client, one), resumes(client, other)]).toEqual([false, false]);
    for (let i = 0; i < 4; i++) expect(resumes(client, i % 2 === 0 ? one : other)).toBe(true);
  });

  test("another identity of the same engine does not", () => {
    const engine = engineOf();
    const client = node("client");
    expect(resumes(client, node("server", engine))).toBe(false);
    expect(resumes(client, node("client", engine))).toBe(false);
  });

  test("a ticket changed in any byte is worth nothing, and harms nobody", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    fc.assert(
      fc.property(fc.nat(1500), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        let first = true;
        const met = meet(client, server, (bytes) => {
          if (!first) return bytes;
          first = false;
          const changed = Uint8Array.from(bytes);
          changed[at % changed.length]! ^= bits;
          return changed;
        });
        const both = met.client.records !== null && met.server.records !== null;
        // What is outside the transcript may be changed, the version of the first record, and then all is as it was.
        if (both) talk(met);
        over(met);
        if (!both) {
          expect(resumes(client, server)).toBe(false);
          nowMs += 11 * 60_000; // until the client takes tickets again
        }
        over(meet(client, server));
        expect(resumes(client, server)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe("what is judged again", () => {
  test("the server asks verifyPeer about the chain of the first meeting, and a no is the same no as ever", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    const asked: (readonly Uint8Array[])[] = [];
    const verifyPeer = (chain: readonly Uint8Array[]): null => (asked.push(chain), null);
    const met = over(meet(client, { ...server, verifyPeer }));
    expect(met.server.resumed).toBe(true);
    expect(asked).toEqual([met.server.peerChainDer]);
    const refused = over(meet(client, { ...server, verifyPeer: () => "not you any more" }));
    expect(reasons(refused)[1]).toBe("tls handshake error: not you any more");
    expect(refused.server.error?.code).toBe("DENIED");
    expect(refused.client.failure?.why).toBe("peer's alert: bad certificate");
  });

  test("the client likewise, before it offers anything", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    const asked: (readonly Uint8Array[])[] = [];
    const verifyPeer = (chain: readonly Uint8Array[]): null => (asked.push(chain), null);
    const met = over(meet({ ...client, verifyPeer }, server));
    expect(met.client.resumed).toBe(true);
    expect(asked).toEqual([met.client.peerChainDer]);
    const refused = over(meet({ ...client, verifyPeer: () => "somebody else" }, server));
    expect(reasons(refused)).toEqual([
      "tls handshake error: somebody else",
      expect.stringContaining("alert bad certificate"),
    ]);
    expect(refused.client.error?.code).toBe("DENIED");
  });

  test.each(["client", "server"] as const)("a throw of the %s's verifyPeer refuses", (role) => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    const verifyPeer = (): null => {
      throw new Error("boom");
    };
    const at = { client, server, [role]: { ...(role === "client" ? client : server), verifyPeer } };
    const met = over(meet(at.client, at.server));
    expect(met[role].error?.message).toBe("tls handshake error: the peer could not be judged");
  });

  test.each(["client", "server"] as const)(
    "a %s that says no to the session but not to the peer shakes hands in full",
    (role) => {
      const [client, server] = [node("client"), node("server")];
      over(meet(client, server));
      let first = true;
      const verifyPeer = (): string | null => {
        const was = first;
        first = false;
        return was ? "not then" : null;
      };
      const at = { client, server, [role]: { ...(role === "client" ? client : server), verifyPeer } };
      const met = meet(at.client, at.server);
      talk(met);
      expect([met.client.resumed, met.server.resumed]).toEqual([false, false]);
      over(met);
    },
  );

  test("a leaf that has expired since: refused by either side, as in a full handshake", () => {
    const before = nowMs;
    // Leaves are good for a day, from a minute before the start.
    nowMs = START_MS + 24 * HOUR_MS - 10 * 60_000;
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    expect(resumes(client, server)).toBe(true);
    nowMs += 20 * 60_000;
    const byClient = over(meet(client, server));
    expect(byClient.client.error?.message).toMatch(/^tls handshake error: peer certificate: .* has expired$/);
    nowMs = before;
    const late = engineOf({ nowMs: () => START_MS + 24 * HOUR_MS - 10 * 60_000 + shift });
    let shift = 0;
    const server2 = node("server", late);
    over(meet(client, server2));
    shift = 20 * 60_000;
    const byServer = over(meet(client, server2));
    expect(byServer.server.error?.message).toMatch(/^tls handshake error: peer certificate: .* has expired$/);
    expect(byServer.client.failure?.why).toBe("peer's alert: certificate expired");
  });

  test("other roots are other credentials: no session goes from one to the other, on either side", () => {
    const [engine, far] = [engineOf(), engineOf()];
    const both = [...peers.client.rootsPem, ...peers.stranger.rootsPem];
    const [client, server] = [node("client", engine), node("server", far)];
    over(meet(client, server));
    expect(resumes(client, server)).toBe(true);
    const wider = { client: node("client", engine, both), server: node("server", far, both) };
    expect(resumes(client, wider.server)).toBe(false);
    expect(resumes(wider.client, wider.server)).toBe(false);
  });

  test("an hour after the last full handshake the peer proves itself again, however often it has resumed", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    const first = nowMs;
    for (let minutes = 10; minutes < 60; minutes += 10) {
      nowMs = first + minutes * 60_000;
      expect(resumes(client, server)).toBe(true);
    }
    nowMs = first + HOUR_MS;
    expect(resumes(client, server)).toBe(false);
    expect(resumes(client, server)).toBe(true);
  });

  test("the server holds to that by itself", () => {
    const [client, server] = [node("client"), node("server")];
    let clock = nowMs;
    const strict = node("server", engineOf({ nowMs: () => clock }));
    over(meet(client, strict));
    clock += HOUR_MS;
    expect(resumes(client, strict)).toBe(false);
    over(meet(client, server));
    nowMs -= 60_000; // a clock set back: a proof of the future is none
    expect(resumes(client, server)).toBe(false);
    nowMs += 120_000;
  });

  test("the protocol is agreed to again", () => {
    const [client, server] = [node("client"), node("server")];
    over(meet(client, server));
    const met = over(meet(client, { ...server, alpn: "other" }));
    expect(met.server.error?.message).toBe("tls handshake error: no application protocol");
    const mine = over(meet({ ...client, alpn: "other" }, { ...server, alpn: "other" }));
    expect(mine.client.resumed).toBe(false);
  });
});

describe("what is kept is bounded", () => {
  test("handshakes wait for their ticket until anything else comes, or the records rest, move or go", () => {
    const [client, server] = [node("client"), node("server", engineOf({ resume: false }))];
    const waiting = (): number => client.engine.held.waiting;
    const met = [0, 1, 2, 3].map(() => meet(client, server));
    expect(waiting()).toBe(4);
    met[0]!.server.write(Buffer.from("content"));
    expect(waiting()).toBe(3);
    met[1]!.client.records!.rest();
    expect(waiting()).toBe(2);
    met[2]!.client.move();
    expect(waiting()).toBe(1);
    met[3]!.client.free();
    expect(waiting()).toBe(0);
    for (const m of met) over(m);
  });

  test("no more than some hundred wait", () => {
    const [client, server] = [node("client"), node("server", engineOf({ resume: false }))];
    const met = Array.from({ length: 300 }, () => meet(client, server));
    expect(client.engine.held.waiting).toBe(256);
    talk(met[299]!);
    for (const m of met) over(m);
    expect(client.engine.held.waiting).toBe(0);
  });

  test("a handshake that is given up says nothing about the peer, one that the peer leaves does", () => {
    const [client, server] = [node("client"), node("server")];
    const offer = (): TlsHandshake => {
      expect(client.engine.held.sessions).toBe(1);
      const { credentials } = client;
      const o = { role: "client", credentials, alpn: "h2", verifyPeer: () => null, resumeKey: "peer" } as const;
      const handshake = client.engine.handshake(o);
      handshake.step(null);
      return handshake;
    };
    over(meet(client, server));
    offer().free();
    over(meet(client, server));
    const lost = offer();
    lost.lost();
    lost.lost();
    over(meet(client, server));
    expect(client.engine.held).toEqual({ sessions: 0, waiting: 0 });
  });

  test("a server that gives tickets and takes none back is left alone after a while, and tried again later", () => {
    const client = node("client");
    const forgetful = () => node("server", engineOf());
    const held = Array.from({ length: 12 }, () => {
      over(meet(client, forgetful()));
      return client.engine.held.sessions;
    });
    expect(held).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    nowMs += 11 * 60_000;
    over(meet(client, forgetful()));
    expect(client.engine.held.sessions).toBe(1);
  });

  test("sessions of one peer, and of all", () => {
    const [client, server] = [node("client"), node("server")];
    const many = Array.from({ length: 80 }, () => begin(client, server));
    for (const { met, carry } of many) {
      carry();
      over(met);
    }
    expect(client.engine.held.sessions).toBe(64);
    for (let i = 0; i < 520; i++) over(meet({ ...client, resumeKey: `peer ${i}` }, server));
    expect(client.engine.held.sessions).toBe(512);
    expect(resumes({ ...client, resumeKey: "peer 519" }, server)).toBe(true);
  });

  test("an engine that is disposed of lets go of everything, connections that wait included", () => {
    const engine = new TlsEngine({ nowMs: () => nowMs });
    const [client, server] = [node("client", engine), node("server", engineOf({ resume: false }))];
    over(meet(client, node("server")));
    const met = meet({ ...client, resumeKey: "another" }, server);
    expect(engine.held).toEqual({ sessions: 1, waiting: 1 });
    engine[Symbol.dispose]();
    expect(engine.held).toEqual({ sessions: 0, waiting: 0 });
    over(met);
  });
});
