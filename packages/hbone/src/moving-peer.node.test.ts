import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, type Socket, connect as netConnect, createServer } from "node:net";
import type { ByteStream, CloseReason, StreamHandler } from "@lateen/byte-stream";
import { expect, test } from "vitest";
import type { HboneConnection, HboneStream } from "./api.ts";
import { hboneClient, restoreHboneClient } from "./client.ts";
import { travelled } from "./moving.suite.ts";
import { hboneServer, restoreHboneServer } from "./server.ts";

// A foreign peer that pads, while our side moves from process to process.

const NOWHERE = { ip: "127.0.0.1", port: 1 };
const OPTIONS = { trust: "authenticated", nowMs: 0 } as const;
const SETTINGS = { settings: { initialWindowSize: 300_000 }, paddingStrategy: http2.constants.PADDING_STRATEGY_MAX };

/** A socket whose owner changes. `between` runs after each chunk, when an owner may give it to the next. */
class HandedSocket implements StreamHandler {
  #handler: StreamHandler | null = null;
  readonly #socket: Socket;
  generation = 0;
  constructor(socket: Socket, between: () => void) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (chunk: Uint8Array) => {
      for (let at = 0; at < chunk.length; at += 3000) {
        this.onData(chunk.subarray(at, at + 3000));
        between();
      }
    });
    socket.on("end", () => this.onEnd());
    socket.on("drain", () => this.onWritable());
    socket.on("close", () => this.onClose({ t: "ended" }));
  }
  onData(bytes: Uint8Array): void {
    this.#handler?.onData(bytes);
  }
  onEnd(): void {
    this.#handler?.onEnd();
  }
  onWritable(): void {
    this.#handler?.onWritable();
  }
  onClose(reason: CloseReason): void {
    this.#handler?.onClose(reason);
  }

  /** The socket as its next owner sees it; former ones reach it no more. */
  next(): ByteStream {
    const mine = ++this.generation;
    const live = (): boolean => mine === this.generation;
    return {
      local: NOWHERE,
      remote: NOWHERE,
      buffered: 0,
      attach: (handler) => void (this.#handler = handler),
      write: (head, body) => {
        if (!live()) return true;
        const room = this.#socket.write(head);
        return body === undefined ? room : this.#socket.write(body);
      },
      end: () => live() && void this.#socket.end(),
      pause: () => {},
      resume: () => {},
      abort: () => live() && void this.#socket.destroy(),
    };
  }
}

const defer =
  (socket: HandedSocket) =>
  (run: () => void): void => {
    const mine = socket.generation;
    queueMicrotask(() => mine === socket.generation && run());
  };

const pattern = (bytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >> 8)) & 255));

async function bodyOf(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const echo = (stream: HboneStream): void =>
  stream.attach({
    onData: (bytes) => void (stream.write(bytes.slice()) || stream.pause()),
    onEnd: () => stream.end(),
    onWritable: () => stream.resume(),
    onClose: () => {},
  });

test("node:http2 as the client of a server that moves at every turn", async () => {
  let moves = 0;
  const server = createServer({ allowHalfOpen: true }, (raw) => {
    let serving: HboneConnection;
    const socket: HandedSocket = new HandedSocket(raw, () => {
      const taken = serving.snapshot();
      if (!taken.ok) return;
      const carrier = socket.next();
      const options = { nowMs: 0, defer: defer(socket) };
      const { connection, streams } = restoreHboneServer(carrier, travelled(taken.value), options, (r) =>
        echo(r.accept([])),
      );
      serving = connection;
      moves += 1;
      for (const stream of streams.values()) echo(stream);
    });
    serving = hboneServer(socket.next(), { ...OPTIONS, defer: defer(socket) }, (r) => echo(r.accept([])));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, SETTINGS);
  const sent = pattern(300_000);
  const bodies = await Promise.all(
    Array.from({ length: 4 }, (_, i) => {
      const stream = session.request({ ":method": "CONNECT", ":authority": `10.0.0.1:${i}` }, { endStream: false });
      stream.end(sent);
      return bodyOf(stream);
    }),
  );
  expect(bodies.map((body) => body.equals(sent))).toEqual([true, true, true, true]);
  expect(moves).toBeGreaterThan(200);
  session.destroy();
  server.close();
});

test("node:http2 as the server of a client that moves at every turn", async () => {
  let moves = 0;
  const server = http2.createServer(SETTINGS);
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const got = new Map<number, Buffer[]>();
  const done = Promise.withResolvers<void>();
  const collect = (stream: HboneStream): void =>
    stream.attach({
      onData: (bytes) => void got.get(stream.id)?.push(Buffer.from(bytes)),
      onEnd: () => {},
      onWritable: () => {},
      onClose: () => connection.active === 0 && done.resolve(),
    });
  const raw = netConnect((server.address() as AddressInfo).port, "127.0.0.1");
  const socket: HandedSocket = new HandedSocket(raw, () => {
    const taken = connection.snapshot();
    if (!taken.ok) return;
    const restored = restoreHboneClient(socket.next(), travelled(taken.value), { nowMs: 0, defer: defer(socket) });
    connection = restored.connection;
    moves += 1;
    for (const stream of restored.streams.values()) collect(stream);
    for (const resume of restored.openings.values())
      resume({ authority: "", headers: [] }, (r) => r.ok && begin(r.value));
  });
  let connection = hboneClient(socket.next(), { ...OPTIONS, defer: defer(socket) });
  const sent = pattern(300_000);
  const begin = (stream: HboneStream): void => {
    got.set(stream.id, []);
    collect(stream);
    stream.write(sent);
    stream.end();
  };
  for (let i = 0; i < 4; i++)
    connection.connect({ authority: `10.0.0.1:${i}`, headers: [] }, (r) => r.ok && begin(r.value));
  await done.promise;
  expect([...got.values()].map((parts) => Buffer.concat(parts).equals(sent))).toEqual([true, true, true, true]);
  expect(moves).toBeGreaterThan(100);
  raw.destroy();
  server.close();
});
