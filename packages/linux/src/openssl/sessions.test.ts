import { Buffer } from "node:buffer";
import { decodePem } from "@lateen/certificates";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { Code, MeshError } from "@lateen/errors";
import { failureOf } from "@lateen/testkit";
import { afterAll, describe, expect, test } from "vitest";
import type { Refusal } from "./refusal.ts";
import type { OfferedSession, TicketKeeper } from "./resumption.ts";
import type { TlsConnection } from "./tls-connection.ts";
import { type TlsContextOptions } from "./tls-context.ts";
import { TlsLibrary } from "./tls-library.ts";
import type { TlsSession } from "./tls-session.ts";

const peers = await testCredentials(Date.now());
const ders = (pem: string): readonly Uint8Array[] => {
  const blocks = decodePem(pem);
  if (!blocks.ok) throw blocks.error;
  return blocks.value.map((b) => b.der);
};
const own = (who: "client" | "server"): TlsContextOptions => ({
  chainDer: ders(peers[who].chainPem),
  keyDer: ders(peers[who].keyPem)[0]!,
});
const library = new TlsLibrary();
const contexts = {
  client: library.context(own("client")),
  server: library.context({ ...own("server"), tickets: 1 }),
};
afterAll(() => {
  contexts.client.free();
  contexts.server.free();
  library[Symbol.dispose]();
});

type Judge = (chain: readonly Uint8Array[]) => Refusal | null;

interface Ends {
  readonly offer?: OfferedSession;
  readonly tickets?: TicketKeeper | null;
  readonly judge?: Partial<Record<"client" | "server", Judge>>;
}

/** Writes what it is told into tickets, and answers with a chain for what comes back. */
const keeperOf = (data: Uint8Array | null, chain: readonly Uint8Array[] | null): TicketKeeper => ({
  write: () => data,
  read: () => chain,
});
const CHAIN = own("client").chainDer;
const DATA = Buffer.from("who");

/** A handshake. @returns both ends, to be freed, how they ended, and what the server sent last */
function meet(o: Ends) {
  const { judge = {} } = o;
  const common = { alpn: ["h2"], judge: () => null };
  const client = library.connection({
    ...common,
    context: contexts.client,
    role: "client",
    ...(judge.client === undefined ? {} : { judge: judge.client }),
    ...(o.offer === undefined ? {} : { offer: o.offer }),
  });
  const { tickets = keeperOf(DATA, CHAIN) } = o;
  const server = library.connection({
    ...common,
    context: contexts.server,
    role: "server",
    ...(judge.server === undefined ? {} : { judge: judge.server }),
    ...(tickets === null ? {} : { tickets }),
  });
  client.step(null);
  server.step(client.output());
  const c = client.step(server.output());
  const s = server.step(client.output());
  return { client, server, outcome: `${c} ${s}`, last: server.output() };
}

const free = (...ends: readonly TlsConnection[]): void => ends.forEach((end) => end.free());

/** A session of the server's, after a handshake. */
function sessionOf(tickets?: TicketKeeper): TlsSession {
  const { client, server, last } = meet(tickets === undefined ? {} : { tickets });
  const session = client.takeSession(last);
  free(client, server);
  if (session === null) throw new Error("no session");
  return session;
}

const failure = failureOf(MeshError.is);

describe("a session", () => {
  test("is taken out of a ticket and resumed, after the connection that it came from is gone", () => {
    const session = sessionOf();
    expect(session.lifetimeSec).toBe(3600);
    const chainDer = own("server").chainDer;
    const { client, server, outcome } = meet({ offer: { session, chainDer } });
    expect(outcome).toBe("done done");
    expect([client.resumed, client.accepted, server.resumed, server.accepted]).toEqual([true, true, true, true]);
    expect(client.peerChainDer).toBe(chainDer);
    expect(server.peerChainDer).toBe(CHAIN);
    free(client, server);
    session.free();
  });

  test("is taken out of two tickets at once, however often", () => {
    const context = library.context({ ...own("server"), tickets: 2 });
    const common = { alpn: ["h2"], judge: () => null };
    for (let i = 0; i < 20; i++) {
      const client = library.connection({ ...common, context: contexts.client, role: "client" });
      const server = library.connection({ ...common, context, role: "server", tickets: keeperOf(DATA, CHAIN) });
      client.step(null);
      server.step(client.output());
      client.step(server.output());
      server.step(client.output());
      const session = client.takeSession(server.output());
      expect(session).not.toBeNull();
      session?.free();
      free(client, server);
    }
    context.free();
  });

  test("that was freed is refused, and so is one of a connection that was", () => {
    const session = sessionOf();
    session.free();
    session.free();
    expect(failure(() => meet({ offer: { session, chainDer: CHAIN } })).code).toBe(Code.Bug);
    const { client, server, last } = meet({});
    free(client, server);
    expect(failure(() => client.takeSession(last)).code).toBe(Code.Bug);
  });

  test("does not come of anything but a ticket", () => {
    for (const change of [
      (b: Buffer) => b.subarray(0, -1),
      (b: Buffer) => Buffer.alloc(b.length),
      () => Buffer.alloc(0),
    ]) {
      const { client, server, last } = meet({});
      expect(client.takeSession(change(last))).toBeNull();
      free(client, server);
    }
  });

  test("is not offered when the client's judge refuses, or fails", () => {
    for (const no of [
      (): Refusal => ({ kind: "rejected", why: "no" }),
      (): never => {
        throw new Error("boom");
      },
    ]) {
      const session = sessionOf();
      let first = true;
      const client: Judge = () => {
        const was = first;
        first = false;
        return was ? no() : null;
      };
      const met = meet({ offer: { session, chainDer: CHAIN }, judge: { client } });
      expect([met.outcome, met.client.resumed, met.client.accepted]).toEqual(["done done", false, true]);
      free(met.client, met.server);
      session.free();
    }
  });

  const fail = (): never => {
    throw new Error("boom");
  };
  const refusals: readonly [name: string, tickets: TicketKeeper, server?: Judge][] = [
    ["that the server does not know", keeperOf(DATA, null)],
    ["whose ticket the server fails to read", { write: () => DATA, read: fail }],
    [
      "whose peer the server's judge refuses",
      keeperOf(DATA, []),
      (c) => (c.length === 0 ? { kind: "rejected", why: "" } : null),
    ],
    ["whose peer the server's judge fails on", keeperOf(DATA, []), (c) => (c.length === 0 ? fail() : null)],
  ];
  test.each(refusals)("%s: a full handshake, with another ticket", (_name, tickets, server) => {
    const session = sessionOf();
    const met = meet({ offer: { session, chainDer: CHAIN }, tickets, ...(server ? { judge: { server } } : {}) });
    expect([met.outcome, met.client.resumed, met.server.resumed]).toEqual(["done done", false, false]);
    expect([met.client.accepted, met.server.accepted]).toEqual([true, true]);
    expect(met.server.peerChainDer.map((d) => Buffer.from(d))).toEqual(CHAIN.map((d) => Buffer.from(d)));
    const another = met.client.takeSession(met.last);
    expect(another).not.toBeNull();
    free(met.client, met.server);
    another?.free();
    session.free();
  });

  test("of a server without a keeper is not resumed", () => {
    const session = sessionOf();
    const met = meet({ offer: { session, chainDer: CHAIN }, tickets: null });
    expect([met.outcome, met.server.resumed, met.last.length]).toEqual(["done done", false, 0]);
    free(met.client, met.server);
    session.free();
  });
});

describe("no ticket is sent", () => {
  test.each<[string, TicketKeeper | null]>([
    ["without a keeper", null],
    ["when the keeper has nothing to say", keeperOf(null, null)],
    ["when it says too much", keeperOf(Buffer.alloc(257), null)],
    [
      "when it fails",
      {
        write: () => {
          throw new Error("boom");
        },
        read: () => null,
      },
    ],
  ])("%s", (_name, tickets) => {
    const met = meet({ tickets });
    expect([met.outcome, met.last.length]).toEqual(["done done", 0]);
    free(met.client, met.server);
  });
});

test("ticket keys of a wrong length are refused before C sees them", () => {
  for (const ticketKeys of [new Uint8Array(79), new Uint8Array(0), "x".repeat(80) as unknown as Uint8Array])
    expect(failure(() => library.context({ ...own("server"), ticketKeys })).code).toBe(Code.Bug);
  library.context({ ...own("server"), ticketKeys: new Uint8Array(80) }).free();
});
