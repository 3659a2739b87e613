import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { MeshError } from "@lateen/errors";
import { Memory, type TlsConnection } from "@lateen/linux";
import { Opened, OutputBlock, type TlsRecords, outputBytes } from "@lateen/tls-records";
import { afterAll, describe, expect, test } from "vitest";
import { TlsEngine } from "./tls-engine.ts";
import { type HandshakeOptions, type HandshakeStep, TlsHandshake } from "./tls-handshake.ts";

const peers = await testCredentials(Date.now());
const engine = new TlsEngine({ nowMs: () => Date.now() });
afterAll(() => engine[Symbol.dispose]());

type Side = Partial<Pick<HandshakeOptions, "alpn" | "verifyPeer">> & { as?: keyof typeof peers };

function start(role: "client" | "server", o: Side = {}): TlsHandshake {
  const credentials = engine.credentials(peers[o.as ?? role]);
  return engine.handshake({ role, credentials, alpn: o.alpn ?? "h2", verifyPeer: o.verifyPeer ?? (() => null) });
}

interface Both {
  readonly client: HandshakeStep;
  readonly server: HandshakeStep;
  /** What the server sent with its last step. */
  readonly tickets: Uint8Array;
}

/** Carries bytes both ways until neither has any more. */
function shake(client: TlsHandshake, server: TlsHandshake): Both {
  let c = client.step(null);
  let s = server.step(c.send);
  let tickets: Uint8Array = Buffer.alloc(0);
  while (s.send.length > 0 || c.send.length > 0) {
    const toClient = s.send;
    c = c.t === "more" && toClient.length > 0 ? client.step(toClient) : { ...c, send: Buffer.alloc(0) };
    s = s.t === "more" && c.send.length > 0 ? server.step(c.send) : { ...s, send: Buffer.alloc(0) };
    if (s.t === "done" && s.send.length > 0) tickets = s.send;
  }
  return { client: c, server: s, tickets };
}

function done(step: HandshakeStep): TlsRecords<Memory> {
  if (step.t !== "done") throw new Error(step.t === "failed" ? step.error.message : step.t);
  return step.records;
}

function failure(step: HandshakeStep): string {
  if (step.t === "failed" && MeshError.is(step.error)) return `${step.error.code} ${step.error.message}`;
  throw new Error(`it is ${step.t}`);
}

describe("a handshake", () => {
  test("ends with each other's chain, and content passes both ways", () => {
    const both = shake(start("client"), start("server"));
    const [near, far] = [done(both.client), done(both.server)];
    if (both.client.t !== "done" || both.server.t !== "done") throw new Error("not done");
    expect(both.client.peerChainDer.length).toBe(2);
    expect(both.server.peerChainDer.length).toBe(2);
    const tickets = new Memory(both.tickets.length);
    tickets.bytes.set(both.tickets);
    expect(near.opener.open(tickets, 0, tickets.length)).toBe(Opened.Need);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const block = new OutputBlock(new Memory(outputBytes(2)));
      const text = Buffer.from("hello there");
      expect(from.sealer.write(block, text, 0)).toBe(text.length);
      from.sealer.flush(block);
      expect(to.opener.open(block.memory, 0, block.used)).toBe(Opened.Data);
      expect(block.memory.bytes.toString("latin1", to.opener.from, to.opener.to)).toBe("hello there");
    }
    near.free();
    far.free();
  });

  const refused: readonly [name: string, client: Side, server: Side, who: "client" | "server", why: RegExp][] = [
    ["a client of another root", { as: "stranger" }, {}, "server", /^DENIED tls handshake error: peer cert.*authority/],
    ["an expired client", { as: "expired" }, {}, "server", /^DENIED tls handshake error: .*has expired$/],
    [
      "a client that is for servers only",
      { as: "serverOnly" },
      {},
      "server",
      /^DENIED .*not for the purpose clientAuth$/,
    ],
    ["a server of another root", {}, { as: "stranger" }, "client", /^DENIED tls handshake error: peer cert.*authority/],
    ["an expired server", {}, { as: "expired" }, "client", /^DENIED tls handshake error: .*has expired$/],
    [
      "by the server's verifyPeer",
      {},
      { verifyPeer: () => "not you" },
      "server",
      /^DENIED tls handshake error: not you$/,
    ],
    [
      "by the client's verifyPeer",
      { verifyPeer: () => "not you" },
      {},
      "client",
      /^DENIED tls handshake error: not you$/,
    ],
    ["without a protocol in common", {}, { alpn: "other" }, "client", /^UNAVAILABLE .*no application protocol$/],
  ];
  test.each(refused)("is refused: %s", (_name, client, server, who, why) => {
    const both = shake(start("client", client), start("server", server));
    expect(failure(both[who])).toMatch(why);
  });
});

test("a handshake that is done without a verdict on the peer is a failure", () => {
  // No way is known to bring OpenSSL there; the machine must not depend on that.
  const part = {
    step: () => "done",
    output: () => Buffer.from("finished"),
    free() {},
    accepted: false,
    role: "server",
  };
  const machine = new TlsHandshake(part as unknown as TlsConnection, "h2");
  const step = machine.step(null);
  expect(failure(step)).toBe("UNAVAILABLE tls handshake error: peer was not judged");
  expect(step.send.length).toBe(0);
});

test("credentials, records and handshakes show no secret when they are printed", () => {
  const both = shake(start("client"), start("server"));
  const all = [engine.credentials(peers.client), done(both.client), done(both.server), start("client")];
  const text = inspect(all, { depth: 20 });
  expect(text).toContain("sequence");
  expect(text).not.toMatch(/secret|keyDer|keyPem/i);
});
