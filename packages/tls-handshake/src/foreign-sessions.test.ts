import { Buffer } from "node:buffer";
import { constants } from "node:crypto";
import { Duplex } from "node:stream";
import { type SecureContext, type SecureContextOptions, TLSSocket, connect, createSecureContext } from "node:tls";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { afterAll, describe, expect, test } from "vitest";
import { SecureEnd } from "./secure-end.test.support.ts";
import { TlsEngine } from "./tls-engine.ts";

const peers = await testCredentials(Date.now());
const engine = new TlsEngine({ nowMs: () => Date.now() });
const credentials = { client: engine.credentials(peers.client), server: engine.credentials(peers.server) };
afterAll(() => engine[Symbol.dispose]());

const contextOf = (role: "client" | "server", more: SecureContextOptions = {}) =>
  createSecureContext({
    ...more,
    key: peers[role].keyPem,
    cert: peers[role].chainPem,
    ca: [...peers[role].rootsPem],
    minVersion: "TLSv1.3",
  });
const contexts = { client: contextOf("client"), server: contextOf("server", { sessionIdContext: "test" }) };

/** A server's socket over `secureContext`. */
const serverOf =
  (secureContext: SecureContext): MakeTls =>
  (wire) =>
    new TLSSocket(wire as never, {
      secureContext,
      isServer: true,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });

type MakeTls = (wire: Duplex) => TLSSocket;

/** Our end in `role` and a TLSSocket; "ping" to it and "pong" back, then both are gone. */
async function meet(role: "client" | "server", makeTls: MakeTls, verifyPeer: () => string | null = () => null) {
  const changed = { now: Promise.withResolvers<void>() };
  const change = (): void => {
    changed.now.resolve();
    changed.now = Promise.withResolvers();
  };
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      setImmediate(() => {
        if (!over) end.receive(chunk);
        done();
      });
    },
  });
  const tls = makeTls(wire);
  let over = false;
  let got = "";
  const errors: string[] = [];
  tls.on("data", (b: Buffer) => ((got += b.toString()), change()));
  for (const event of ["error", "_tlsError"]) tls.on(event, (e: Error) => (errors.push(e.message), change()));
  const options = { role, credentials: credentials[role], verifyPeer, resumeKey: "node" };
  const end: SecureEnd = new SecureEnd(engine, options, (b) => wire.push(b));
  end.onChange = change;
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition() && errors.length === 0 && end.error === null) await changed.now.promise;
  };
  await until(() => end.records !== null);
  if (end.records !== null) end.write(Buffer.from("ping"));
  await until(() => got === "ping");
  tls.write("pong");
  await until(() => end.text === "pong");
  const reused = tls.isSessionReused();
  over = true;
  tls.destroy();
  if (errors.length > 0) end.lost();
  end.free();
  return { got, text: end.text, resumed: end.resumed, reused, chain: end.peerChainDer, error: end.error, errors };
}

describe("with node:tls as the server", () => {
  const server = serverOf(contexts.server);

  test("its tickets are used, and its chain is judged again each time", async () => {
    const asked: string[] = [];
    const first = await meet("client", server, () => (asked.push("first"), null));
    const second = await meet("client", server, () => (asked.push("second"), null));
    const third = await meet("client", server, () => (asked.push("third"), null));
    expect([first, second, third].map((m) => [m.resumed, m.reused, m.got, m.text])).toEqual([
      [false, false, "ping", "pong"],
      [true, true, "ping", "pong"],
      [false, false, "ping", "pong"], // it gives no other ticket to who has resumed, and ours are used once
    ]);
    expect(second.chain).toEqual(first.chain);
    expect(asked).toEqual(["first", "second", "third"]);
  });

  test("a server that is another one behind the same name: a full handshake", async () => {
    const other = serverOf(contextOf("server", { sessionIdContext: "test" }));
    await meet("client", server);
    expect((await meet("client", other)).resumed).toBe(false);
  });

  test("one that keeps no session, as the portable driver's: full handshakes", async () => {
    const forgetful = serverOf(contextOf("server", { secureOptions: constants.SSL_OP_NO_TICKET }));
    for (let i = 0; i < 3; i++) {
      const met = await meet("client", forgetful);
      expect([met.resumed, met.got, met.text]).toEqual([false, "ping", "pong"]);
    }
  });

  test("one that gives tickets and fails on them: once, then full handshakes for a while", async () => {
    await meet("client", server);
    const broken = serverOf(contextOf("server")); // without the name that OpenSSL wants for sessions
    const results: (boolean | null)[] = [];
    for (let i = 0; i < 4; i++) results.push((await meet("client", broken)).resumed);
    expect(results).toEqual([false, null, false, false]);
  });

  test("who is no longer accepted is refused", async () => {
    await meet("client", server);
    const met = await meet("client", server, () => "not any more");
    expect(met.error?.message).toBe("tls handshake error: not any more");
  });
});

describe("with node:tls as the client", () => {
  let session: Buffer | undefined;
  const client: MakeTls = (wire) => {
    const tls = connect({
      secureContext: contexts.client,
      socket: wire,
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(session === undefined ? {} : { session }),
    });
    tls.on("session", (s) => (session = s));
    return tls;
  };

  test("it resumes with our tickets, and its chain is judged again each time", async () => {
    session = undefined;
    const asked: string[] = [];
    const first = await meet("server", client, () => (asked.push("first"), null));
    const second = await meet("server", client, () => (asked.push("second"), null));
    expect([first, second].map((m) => [m.resumed, m.reused, m.got, m.text])).toEqual([
      [false, false, "ping", "pong"],
      [true, true, "ping", "pong"],
    ]);
    expect(second.chain).toEqual(first.chain);
    expect(asked).toEqual(["first", "second"]);
  });

  test("who is no longer accepted is refused", async () => {
    session = undefined;
    await meet("server", client);
    const met = await meet("server", client, () => "not any more");
    expect(met.error?.message).toBe("tls handshake error: not any more");
    expect(met.got).toBe("");
  });

  test("with a session of somebody else's: a full handshake", async () => {
    session = undefined;
    await meet("server", client);
    const mine = credentials.server;
    credentials.server = engine.credentials({
      ...peers.server,
      rootsPem: [...peers.server.rootsPem, ...peers.stranger.rootsPem],
    });
    expect((await meet("server", client)).resumed).toBe(false);
    credentials.server = mine;
  });
});
