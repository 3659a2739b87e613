import { once } from "node:events";
import { connect as netConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { type ByteStream, Flow, pump } from "@lateen/byte-stream";
import { type StreamRig, byteStreamSuite } from "@lateen/byte-stream/suite";
import { MeshError, type Result } from "@lateen/errors";
import { type HboneStream, hboneClient, hboneServer } from "@lateen/hbone";
import { describe, expect, test } from "vitest";
import type { SocketFactory } from "./port.ts";
import type { SecureStream, SocketStream } from "./streams.ts";
import { portableDataPath } from "./portable-data-path.ts";
import { type DataPathRig, dataPathSuite } from "./suite.ts";
import { testCredentials } from "@lateen/certificates/test-credentials";

const credentials: DataPathRig["credentials"] = await testCredentials(Date.now());
const path = portableDataPath();
const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
const LISTEN = {
  ...SOCKET,
  address: { ip: "127.0.0.1", port: 0 },
  dualStack: false,
  reusePort: false,
  transparent: "off",
  backlog: 64,
} as const;

dataPathSuite({ describe, test }, "portable", () => ({ path: portableDataPath(), credentials, close() {} }));

const must = <T>(result: Result<T>): T => {
  if (!result.ok) throw result.error;
  return result.value;
};

async function sockets(): Promise<StreamRig & { a: SocketStream; b: SocketStream }> {
  const accepted = Promise.withResolvers<SocketStream>();
  const listener = path.listen(LISTEN, accepted.resolve);
  const a = await new Promise<SocketStream>((resolve) => {
    path.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5000 }, (r) => resolve(must(r)));
  });
  const b = await accepted.promise;
  listener.close();
  return { a, b, close: () => [a, b].forEach((s) => void s.abort()) };
}

function secure(stream: ByteStream, role: "client" | "server"): Promise<SecureStream> {
  const options = {
    role,
    credentials: path.credentials(credentials[role]),
    alpn: "h2",
    timeoutMs: 5000,
    verifyPeer: () => null,
  };
  return new Promise((resolve) => path.secure(stream, options, (r) => resolve(must(r))));
}

async function secured(rig: StreamRig): Promise<StreamRig & { a: SecureStream; b: SecureStream }> {
  const [a, b] = await Promise.all([secure(rig.a, "client"), secure(rig.b, "server")]);
  return { a, b, close: rig.close };
}

async function tunnelled(rig: StreamRig): Promise<StreamRig & { a: HboneStream; b: HboneStream }> {
  const options = {
    trust: "authenticated",
    nowMs: path.nowMs(),
    defer: (run: () => void) => path.after(0, run),
  } as const;
  const accepted = Promise.withResolvers<HboneStream>();
  hboneServer(rig.b, options, (request) => accepted.resolve(request.accept([])));
  const client = hboneClient(rig.a, options);
  const a = await new Promise<HboneStream>((resolve) => {
    client.connect({ authority: "10.0.0.1:80", headers: [] }, (r) => resolve(must(r)));
  });
  return { a, b: await accepted.promise, close: rig.close };
}

/** tcp [ tunnel ] tcp, as two ztunnels carry it. */
async function relayed(): Promise<StreamRig> {
  const [left, right] = [await sockets(), await sockets()];
  const tunnel = await tunnelled(await secured(await sockets()));
  pump(left.b, tunnel.a, { toB: new Flow(), toA: new Flow() }, () => {});
  pump(tunnel.b, right.a, { toB: new Flow(), toA: new Flow() }, () => {});
  const close = (): void => [left, right, tunnel].forEach((rig) => void rig.close());
  return { a: left.a, b: right.b, close };
}

byteStreamSuite({ describe, test }, "node:net sockets", sockets);
byteStreamSuite({ describe, test }, "TLS on node:tls", async () => secured(await sockets()));
byteStreamSuite({ describe, test }, "HBONE over TLS", async () => tunnelled(await secured(await sockets())));
byteStreamSuite({ describe, test }, "TLS inside HBONE inside TLS", async () =>
  secured(await tunnelled(await secured(await sockets()))),
);

describe("two relays with a tunnel between", () => {
  const ended = (s: ByteStream) => {
    const seen = { bytes: 0, ended: Promise.withResolvers<void>(), closed: Promise.withResolvers<string>() };
    s.attach({
      onData: (b) => (seen.bytes += b.length),
      onEnd: () => seen.ended.resolve(),
      onWritable() {},
      onClose: (r) => seen.closed.resolve(r.t),
    });
    return seen;
  };

  test("half-closes pass both ways, bytes follow", async () => {
    const rig = await relayed();
    const [a, b] = [ended(rig.a), ended(rig.b)];
    rig.a.write(new Uint8Array(3_000_000));
    rig.a.end();
    await b.ended.promise;
    rig.b.write(new Uint8Array(2_000_000));
    rig.b.end();
    await a.ended.promise;
    expect([a.bytes, b.bytes]).toEqual([2_000_000, 3_000_000]);
    expect([await a.closed.promise, await b.closed.promise]).toEqual(["ended", "ended"]);
    void rig.close();
  });

  for (const who of ["a", "b"] as const) {
    test(`${who} resets: the other end is told`, async () => {
      const rig = await relayed();
      const [a, b] = [ended(rig.a), ended(rig.b)];
      rig.a.write(Uint8Array.of(1));
      rig.b.write(Uint8Array.of(1));
      rig[who].abort();
      const other = who === "a" ? b : a;
      await Promise.race([other.ended.promise, other.closed.promise]);
      void rig.close();
    });
  }
});

describe("hostile and foreign peers", () => {
  async function tlsServer(): Promise<{ port: number; result: Promise<Result<SecureStream>>; close: () => void }> {
    const result = Promise.withResolvers<Result<SecureStream>>();
    const options = {
      role: "server",
      credentials: path.credentials(credentials.server),
      alpn: "h2",
      timeoutMs: 5000,
      verifyPeer: () => null,
    } as const;
    const listener = path.listen(LISTEN, (raw) => void path.secure(raw, options, result.resolve));
    return { port: listener.address.port, result: result.promise, close: () => listener.close() };
  }
  const ours = {
    key: credentials.client.keyPem,
    cert: credentials.client.chainPem,
    ca: [...credentials.client.rootsPem],
  };
  const rows: readonly (readonly [string, object, RegExp])[] = [
    [
      "no client certificate",
      { ca: ours.ca, ALPNProtocols: ["h2"] },
      /^tls handshake error: peer did not return a certificate$/,
    ],
    [
      "TLS 1.2 at most",
      { ...ours, ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" },
      /^tls handshake error: unsupported protocol$/,
    ],
    ["no ALPN at all", { ...ours }, /^tls handshake error: peer did not agree to protocol "h2"$/],
    [
      "ChaCha20 only",
      { ...ours, ALPNProtocols: ["h2"], ciphers: "TLS_CHACHA20_POLY1305_SHA256" },
      /^tls handshake error: no shared cipher$/,
    ],
  ];
  for (const [what, options, why] of rows) {
    test(`a client with ${what} is refused`, async () => {
      const server = await tlsServer();
      const client = tlsConnect({
        port: server.port,
        host: "127.0.0.1",
        checkServerIdentity: () => undefined,
        ...options,
      });
      client.on("error", () => {});
      const result = await server.result;
      expect(result.ok ? "accepted" : result.error.message).toMatch(why);
      client.destroy();
      server.close();
    });
  }

  test("a client of node:tls with all that is asked is accepted, and no name is looked at", async () => {
    const server = await tlsServer();
    const client = tlsConnect({
      port: server.port,
      host: "127.0.0.1",
      ...ours,
      ALPNProtocols: ["h2"],
      servername: "any.name",
      checkServerIdentity: () => undefined,
    });
    await once(client, "secureConnect");
    const stream = must(await server.result);
    expect(client.getProtocol()).toBe("TLSv1.3");
    expect(stream.peerChainDer.length).toBeGreaterThanOrEqual(2);
    client.destroy();
    server.close();
  });

  test("our client sends no server name and resumes no session", async () => {
    const hello = Promise.withResolvers<Buffer>();
    const listener = path.listen(LISTEN, (raw) => {
      raw.attach({ onData: (b) => hello.resolve(Buffer.from(b)), onEnd() {}, onWritable() {}, onClose() {} });
    });
    const socket = await new Promise<SocketStream>((resolve) => {
      path.connect({ ...SOCKET, to: listener.address, from: null, timeoutMs: 5000 }, (r) => resolve(must(r)));
    });
    const options = {
      role: "client",
      credentials: path.credentials(credentials.client),
      alpn: "h2",
      timeoutMs: 5000,
      verifyPeer: () => null,
    } as const;
    const cancel = path.secure(socket, options, () => {});
    const types = extensionTypes(await hello.promise);
    expect(types).toContain(16); // ALPN
    expect(types).not.toContain(0); // server_name
    expect(types).not.toContain(41); // pre_shared_key
    cancel();
    listener.close();
  });

  test("an accepted socket that the client resets before attach still closes", async () => {
    const accepted = Promise.withResolvers<SocketStream>();
    const listener = path.listen(LISTEN, accepted.resolve);
    const client = netConnect(listener.address.port, "127.0.0.1");
    await once(client, "connect");
    const stream = await accepted.promise;
    client.resetAndDestroy();
    await once(client, "close");
    const reason = await new Promise<string>((resolve) => {
      stream.attach({ onData() {}, onEnd() {}, onWritable() {}, onClose: (r) => resolve(r.t) });
    });
    expect(reason).toBe("reset");
    listener.close();
  });
});

/** Types of the extensions of a ClientHello that lies whole in these bytes. */
function extensionTypes(record: Buffer): number[] {
  let at = 5 + 4 + 2 + 32; // record head, handshake head, version, random
  at += 1 + record.readUInt8(at);
  at += 2 + record.readUInt16BE(at);
  at += 1 + record.readUInt8(at);
  const end = at + 2 + record.readUInt16BE(at);
  const types: number[] = [];
  for (at += 2; at < end; at += 4 + record.readUInt16BE(at + 2)) types.push(record.readUInt16BE(at));
  return types;
}

describe("with a socket factory", () => {
  const broken = (why: string): SocketFactory => ({
    listener: () => {
      throw new MeshError("UNAVAILABLE", why);
    },
    client: () => {
      throw new MeshError("UNAVAILABLE", why);
    },
    originalDestination: () => null,
  });

  test("its errors come out as they are", async () => {
    const made = portableDataPath({ sockets: broken("namespace is gone") });
    expect(() => made.listen(LISTEN, () => {})).toThrow("namespace is gone");
    const result = await new Promise<Result<SocketStream>>((resolve) => {
      made.connect({ ...SOCKET, to: { ip: "127.0.0.1", port: 1 }, from: null, timeoutMs: 1000 }, resolve);
    });
    expect(result.ok ? "" : result.error.message).toBe("namespace is gone");
  });

  test("a descriptor that is no socket is an error, not a crash", async () => {
    const made = portableDataPath({
      sockets: { ...broken(""), client: () => 1_000_000, listener: () => ({ fd: 1_000_000, transparent: false }) },
    });
    const result = await new Promise<Result<SocketStream>>((resolve) => {
      made.connect({ ...SOCKET, to: { ip: "127.0.0.1", port: 1 }, from: null, timeoutMs: 1000 }, resolve);
    });
    expect(result.ok ? "" : result.error.message).toMatch(/^Cannot connect to 127\.0\.0\.1:1: /);
    expect(() => made.listen(LISTEN, () => {})).toThrow(/^Cannot listen on 127\.0\.0\.1:0/);
  });

  test("IP_TRANSPARENT cannot be had without one", () => {
    expect(() => path.listen({ ...LISTEN, transparent: "required" }, () => {})).toThrow(
      "IP_TRANSPARENT needs a socket factory",
    );
    const listener = path.listen({ ...LISTEN, transparent: "best-effort" }, () => {});
    expect(listener.transparent).toBe(false);
    listener.close();
  });
});
