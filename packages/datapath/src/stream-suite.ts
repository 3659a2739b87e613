import { once } from "node:events";
import { connect as netConnect } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { type ByteStream, type CloseReason, Flow, type StreamHandler, pump } from "@lateen/byte-stream";
import { type StreamRig, type TestApi, byteStreamSuite } from "@lateen/byte-stream/suite";
import type { Result } from "@lateen/errors";
import type { DataPath, SecureOptions } from "./port.ts";
import type { SecureStream, SocketStream } from "./streams.ts";
import { type DataPathRig, HANDSHAKE_MS, LISTEN, Stage, check, must, within } from "./suite-stage.ts";

/** Makes a tunnel of a connected pair of streams, and gives both ends of one stream inside it. */
export type Tunnel = (path: DataPath, a: ByteStream, b: ByteStream) => Promise<readonly [ByteStream, ByteStream]>;
type Pair = readonly [ByteStream, ByteStream];
type Open = () => DataPathRig | Promise<DataPathRig>;

const HERE = { ...LISTEN, address: { ip: "127.0.0.1", port: 0 } } as const;

async function secured(stage: Stage, [a, b]: Pair): Promise<Pair> {
  const both = await Promise.all([stage.secure(a, "client"), stage.secure(b, "server")]);
  return [must(both[0]), must(both[1])];
}

/** Everything that carries bytes in a driver, alone and in layers. */
function carriers(tunnel: Tunnel): Readonly<Record<string, (stage: Stage) => Promise<Pair>>> {
  const tls = async (stage: Stage): Promise<Pair> => secured(stage, await stage.sockets());
  const hbone = async (stage: Stage): Promise<Pair> => tunnel(stage.path, ...(await tls(stage)));
  return {
    sockets: (stage) => stage.sockets(),
    TLS: tls,
    "a tunnel over TLS": hbone,
    "TLS inside a tunnel inside TLS": async (stage) => secured(stage, await hbone(stage)),
  };
}

/** tcp [ tunnel ] tcp, as two proxies carry it. */
async function relayed(stage: Stage, tunnel: Tunnel): Promise<Pair> {
  const [left, right] = [await stage.sockets(), await stage.sockets()];
  const [near, far] = await tunnel(stage.path, ...(await secured(stage, await stage.sockets())));
  pump(left[1], near, { toB: new Flow(), toA: new Flow() }, () => {});
  pump(far, right[0], { toB: new Flow(), toA: new Flow() }, () => {});
  return [left[0], right[1]];
}

/** Counts what arrives, and tells how it ended. */
class Counter implements StreamHandler {
  bytes = 0;
  readonly ended = Promise.withResolvers<void>();
  readonly closed = Promise.withResolvers<CloseReason["t"]>();

  constructor(stream: ByteStream) {
    stream.attach(this);
  }
  onData(bytes: Uint8Array): void {
    this.bytes += bytes.length;
  }
  onEnd(): void {
    this.ended.resolve();
  }
  onWritable(): void {}
  onClose(reason: CloseReason): void {
    this.closed.resolve(reason.t);
  }
}

type Case = readonly [name: string, run: (stage: Stage) => Promise<void>];

function relayCases(tunnel: Tunnel): readonly Case[] {
  const resets = (who: 0 | 1): Case => [
    `the ${who === 0 ? "first" : "second"} end resets: the other is told`,
    async (stage) => {
      const ends = await relayed(stage, tunnel);
      const other = new Counter(ends[1 - who]!); // of two
      new Counter(ends[who]);
      for (const end of ends) end.write(Uint8Array.of(1));
      ends[who].abort();
      await within("the news", Promise.race([other.ended.promise, other.closed.promise]));
    },
  ];
  return [
    [
      "half-closes pass both ways, bytes follow",
      async (stage) => {
        const [first, second] = await relayed(stage, tunnel);
        const [a, b] = [new Counter(first), new Counter(second)];
        first.write(new Uint8Array(3_000_000));
        first.end();
        await within("the first end", b.ended.promise);
        second.write(new Uint8Array(2_000_000));
        second.end();
        await within("the second end", a.ended.promise);
        check(a.bytes === 2_000_000 && b.bytes === 3_000_000, `${a.bytes} and ${b.bytes} bytes arrived`);
        const how = await within("both closed", Promise.all([a.closed.promise, b.closed.promise]));
        check(how.join() === "ended,ended", how.join());
      },
    ],
    resets(0),
    resets(1),
  ];
}

/** A server that shakes hands with whoever comes. */
function tlsServer(stage: Stage): { readonly port: number; readonly result: Promise<Result<SecureStream>> } {
  const { promise, resolve } = Promise.withResolvers<Result<SecureStream>>();
  const { port } = stage.listen(
    "127.0.0.1",
    (raw) => void stage.path.secure(raw, options(stage, "server"), resolve),
  ).address;
  return { port, result: within("the server's handshake", promise) };
}

const options = (stage: Stage, role: "client" | "server"): SecureOptions => ({
  role,
  credentials: stage.path.credentials(stage.rig.credentials[role]),
  alpn: "h2",
  timeoutMs: HANDSHAKE_MS,
  verifyPeer: () => null,
});

/** A client of node:tls with our client's key. */
function foreignClient(stage: Stage, port: number, o: object): TLSSocket {
  const { keyPem: key, chainPem: cert, rootsPem } = stage.rig.credentials.client;
  const client = tlsConnect({
    port,
    host: "127.0.0.1",
    key,
    cert,
    ca: [...rootsPem],
    checkServerIdentity: () => undefined,
    ...o,
  });
  return client.on("error", () => {});
}

const REFUSED: readonly (readonly [what: string, o: object, why: RegExp])[] = [
  [
    "no client certificate",
    { key: undefined, cert: undefined, ALPNProtocols: ["h2"] },
    /^tls handshake error: peer did not return a certificate$/,
  ],
  [
    "TLS 1.2 at most",
    { ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" },
    /^tls handshake error: (unsupported protocol|no protocols available)$/,
  ],
  ["no ALPN at all", {}, /^tls handshake error: peer did not agree to protocol "h2"$/],
  [
    "ChaCha20 only",
    { ALPNProtocols: ["h2"], ciphers: "TLS_CHACHA20_POLY1305_SHA256" },
    /^tls handshake error: no shared cipher$/,
  ],
];

const FOREIGN: readonly Case[] = [
  ...REFUSED.map(([what, o, why]): Case => [
    `a client with ${what} is refused`,
    async (stage) => {
      const server = tlsServer(stage);
      const client = foreignClient(stage, server.port, o);
      const result = await server.result;
      check(!result.ok && why.test(result.error.message), result.ok ? "accepted" : result.error.message);
      client.destroy();
    },
  ]),
  [
    "a client of node:tls with all that is asked is accepted, and no name is looked at",
    async (stage) => {
      const server = tlsServer(stage);
      const client = foreignClient(stage, server.port, { ALPNProtocols: ["h2"], servername: "any.name" });
      await within("its handshake", once(client, "secureConnect"));
      const stream = must(await server.result);
      check(client.getProtocol() === "TLSv1.3", "not TLS 1.3");
      check(stream.peerChainDer.length >= 2, "the chain is not whole");
      stream.attach({ onData: (b) => void stream.write(b.slice()), onEnd() {}, onWritable() {}, onClose() {} });
      client.write("echo");
      const [chunk] = (await within("the echo", once(client, "data"))) as [Uint8Array];
      check(new TextDecoder().decode(chunk) === "echo", "the echo is wrong");
      client.destroy();
      stream.abort();
    },
  ],
  [
    "our client sends no server name and resumes no session",
    async (stage) => {
      const hello = Promise.withResolvers<Uint8Array>();
      const { port } = stage.listen("127.0.0.1", (raw) => {
        raw.attach({ onData: (b) => hello.resolve(b.slice()), onEnd() {}, onWritable() {}, onClose() {} });
      }).address;
      const socket = must(await stage.connect("127.0.0.1", port));
      const cancel = stage.path.secure(socket, options(stage, "client"), () => {});
      const types = extensionTypes(await within("its hello", hello.promise));
      check(types.includes(16), "no ALPN");
      check(!types.includes(0), "a server name");
      check(!types.includes(41), "a session to resume");
      cancel();
    },
  ],
  [
    "an accepted socket that the client resets before attach still closes",
    async (stage) => {
      const accepted = Promise.withResolvers<SocketStream>();
      const listener = stage.path.listen(HERE, accepted.resolve);
      const client = netConnect(listener.address.port, "127.0.0.1");
      await once(client, "connect");
      const stream = await within("accept", accepted.promise);
      client.resetAndDestroy();
      await once(client, "close");
      const reason = await within("close", new Counter(stream).closed.promise);
      check(reason === "reset", reason);
      listener.close();
    },
  ],
];

/** Types of the extensions of a ClientHello that lies whole in these bytes. */
function extensionTypes(record: Uint8Array): number[] {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  let at = 5 + 4 + 2 + 32; // record head, handshake head, version, random
  at += 1 + view.getUint8(at);
  at += 2 + view.getUint16(at);
  at += 1 + view.getUint8(at);
  const end = at + 2 + view.getUint16(at);
  const types: number[] = [];
  for (at += 2; at < end; at += 4 + view.getUint16(at + 2)) types.push(view.getUint16(at));
  return types;
}

/**
 * What every carrier of a driver must do, alone and in layers, and what it must make of foreign and hostile peers. Declares
 * several groups of tests.
 * @param tunnel of HTTP/2, which this package does not know
 */
export function dataPathStreamSuite(api: TestApi, name: string, open: Open, tunnel: Tunnel): void {
  for (const [what, pair] of Object.entries(carriers(tunnel)))
    byteStreamSuite(api, `${what}, ${name}`, async (): Promise<StreamRig> => {
      const rig = await open();
      const stage = new Stage(rig);
      const close = async (): Promise<void> => {
        stage.close();
        await rig.close();
      };
      const [a, b] = await pair(stage);
      return { a, b, close };
    });
  const declare = (group: string, cases: readonly Case[]): void =>
    api.describe(`${group}, ${name}`, () => {
      for (const [title, run] of cases)
        api.test(title, async () => {
          const rig = await open();
          const stage = new Stage(rig);
          try {
            await run(stage);
          } finally {
            stage.close();
            await rig.close();
          }
        });
    });
  declare("two relays with a tunnel between", relayCases(tunnel));
  declare("hostile and foreign peers", FOREIGN);
}
