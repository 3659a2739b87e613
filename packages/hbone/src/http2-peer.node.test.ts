import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, type Socket, connect as netConnect, createServer } from "node:net";
import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import type { Result } from "@lateen/errors";
import { expect, test } from "vitest";
import type { ConnectRequest, HboneStream } from "./api.ts";
import { hboneClient } from "./client.ts";
import { hboneServer } from "./server.ts";

// node:http2 is the test peer, never the engine: here in both directions, over real sockets.

const NOWHERE = { ip: "127.0.0.1", port: 1 };
const OPTIONS = { trust: "authenticated", nowMs: 0 } as const;

/** The least of a byte stream over a socket; the real one lives in the datapath package, which may import this one. */
function socketStream(socket: Socket): ByteStream {
  socket.setNoDelay(true);
  socket.on("error", () => {});
  return {
    local: NOWHERE,
    remote: NOWHERE,
    get buffered() {
      return socket.writableLength;
    },
    attach(handler: StreamHandler) {
      socket.on("data", (chunk: Uint8Array) => handler.onData(chunk));
      socket.on("end", () => handler.onEnd());
      socket.on("drain", () => handler.onWritable());
      socket.on("close", () => handler.onClose({ t: "ended" }));
    },
    write(head, body) {
      const room = socket.write(head);
      return body === undefined ? room : socket.write(body);
    },
    end: () => void socket.end(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    abort: () => void socket.destroy(),
  };
}

async function withOurServer(
  onConnect: (r: ConnectRequest) => void,
  run: (session: http2.ClientHttp2Session) => Promise<void>,
) {
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => void hboneServer(socketStream(socket), OPTIONS, onConnect),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    settings: { initialWindowSize: 1 << 20 },
  });
  try {
    await run(session);
  } finally {
    session.destroy();
    server.close();
  }
}

async function withNodeServer(
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  run: (open: (authority: string) => Promise<Result<HboneStream>>) => Promise<void>,
) {
  const server = http2.createServer({ settings: { maxFrameSize: 1 << 20, initialWindowSize: 1 << 20 } });
  server.on("stream", onStream);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = netConnect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  const client = hboneClient(socketStream(socket), OPTIONS);
  try {
    await run(
      (authority) => new Promise((resolve) => client.connect({ authority, headers: [["baggage", "k=v"]] }, resolve)),
    );
  } finally {
    socket.destroy();
    server.close();
  }
}

/** Sends everything back, and the end behind it. */
function echo(stream: HboneStream): void {
  stream.attach({
    onData: (bytes) => {
      if (!stream.write(bytes)) stream.pause();
    },
    onEnd: () => stream.end(),
    onWritable: () => stream.resume(),
    onClose() {},
  });
}

async function bodyOf(stream: http2.Http2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Bytes and end of a stream of ours. */
function collect(stream: HboneStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    stream.attach({
      onData: (bytes) => void chunks.push(bytes.slice()),
      onEnd: () => resolve(Buffer.concat(chunks)),
      onWritable() {},
      onClose: (reason) => reject(new Error(reason.t)),
    });
  });
}

const pattern = (bytes: number): Buffer => Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => i * 31 + (i >> 8)));

test("node:http2 as the client: 6 MB echoed, half-closed from both ends", () =>
  withOurServer(
    (request) => echo(request.accept([["baggage", "x=y"]])),
    async (session) => {
      const stream = session.request(
        { ":method": "CONNECT", ":authority": "10.0.0.1:80", baggage: "a=b" },
        { endStream: false },
      );
      const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
      expect([headers[":status"], headers["baggage"]]).toEqual([200, "x=y"]);
      const sent = pattern(6_000_000);
      stream.end(sent);
      expect((await bodyOf(stream)).equals(sent)).toBe(true);
    },
  ));

test("node:http2 as the client: refusal, not CONNECT, and the tunnel goes on", () =>
  withOurServer(
    (request) => (request.authority === "no:1" ? request.refuse(401) : echo(request.accept([]))),
    async (session) => {
      const denied = session.request({ ":method": "CONNECT", ":authority": "no:1" }, { endStream: false });
      const [first] = (await once(denied, "response")) as [http2.IncomingHttpHeaders];
      const get = session.request({ ":method": "GET", ":path": "/" });
      const [second] = (await once(get, "response")) as [http2.IncomingHttpHeaders];
      const fine = session.request({ ":method": "CONNECT", ":authority": "yes:1" }, { endStream: false });
      const [third] = (await once(fine, "response")) as [http2.IncomingHttpHeaders];
      expect([first[":status"], second[":status"], third[":status"]]).toEqual([401, 400, 200]);
    },
  ));

test("node:http2 as the client: 200 streams at once, reset and PING", () =>
  withOurServer(
    (request) => echo(request.accept([])),
    async (session) => {
      const streams = Array.from({ length: 200 }, (_, i) =>
        session.request({ ":method": "CONNECT", ":authority": `10.0.0.1:${i}` }, { endStream: false }),
      );
      await Promise.all(streams.map((s) => once(s, "response")));
      for (const [i, s] of streams.entries()) s.end(Buffer.alloc(1000 + i, i));
      const bodies = await Promise.all(streams.map(bodyOf));
      expect(bodies.map((b) => b.length)).toEqual(streams.map((_, i) => 1000 + i));
      const doomed = session.request({ ":method": "CONNECT", ":authority": "a:1" }, { endStream: false });
      await once(doomed, "response");
      const closed = once(doomed, "close");
      doomed.close(http2.constants.NGHTTP2_CANCEL);
      await closed;
      await new Promise<void>((resolve, reject) =>
        session.ping((error) => (error === null ? resolve() : reject(error))),
      );
    },
  ));

test("node:http2 as the server: authority and headers arrive, bytes go both ways", () => {
  const seen: unknown[] = [];
  return withNodeServer(
    (stream, headers) => {
      seen.push([headers[":method"], headers[":authority"], headers["baggage"], headers[":path"]]);
      stream.respond({ ":status": 200, baggage: "z=1" });
      stream.pipe(stream);
    },
    async (open) => {
      const result = await open("10.0.0.9:99");
      if (!result.ok) throw result.error;
      const got = collect(result.value);
      const sent = pattern(3_000_000);
      result.value.write(sent.subarray(0, 100), sent.subarray(100));
      result.value.end();
      expect((await got).equals(sent)).toBe(true);
      expect(result.value.headers).toContainEqual(["baggage", "z=1"]);
      expect(seen).toEqual([["CONNECT", "10.0.0.9:99", "k=v", undefined]]);
    },
  );
});

test("node:http2 as the server: error statuses and resets come out as errors", () =>
  withNodeServer(
    (stream, headers) => {
      stream.on("error", () => {});
      if (headers[":authority"] === "reset:1") stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else stream.respond({ ":status": 503 }, { endStream: true });
    },
    async (open) => {
      const [refused, unavailable] = await Promise.all([open("reset:1"), open("gone:1")]);
      expect(refused.ok ? null : refused.error).toMatchObject({
        message: "CONNECT failed: stream reset: REFUSED_STREAM",
        facts: { unprocessed: 1 },
      });
      expect(unavailable.ok ? null : unavailable.error).toMatchObject({
        message: "http status: 503 Service Unavailable",
        facts: { status: 503 },
      });
    },
  ));
