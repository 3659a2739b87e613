import { ErrorCode } from "../src/constants.ts";
import { DEFAULT_LIMITS } from "../src/machine-core.ts";
import { Machine } from "../src/machine.ts";
import type { StreamOwner, StreamState } from "../src/stream-state.ts";

/**
 * Throughput of codec and machine alone: one stream, client to server in memory, nothing copied in between.
 * Run: node --conditions=lateen:source packages/hbone/bench/machine.ts
 */
const CHUNKS = [256, 4096, 16_384, 65_536];
const TOTAL_BYTES = 4 * 1024 * 1024 * 1024;

class Sink implements StreamOwner {
  bytes = 0;
  onData(view: Uint8Array): boolean {
    this.bytes += view.length;
    return true;
  }
  onEnd(): void {}
  onRoom(): void {}
  onOver(): void {}
}

function pair(sink: Sink): { client: Machine; server: Machine; stream: StreamState } {
  // One link per direction, so that neither machine is entered from inside itself.
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  const link = (queue: Uint8Array[]) => (head: Uint8Array, body: Uint8Array | null) => {
    queue.push(head);
    if (body !== null) queue.push(body);
    return true;
  };
  const nothing = {
    onRequest: () => {},
    onResponse: () => {},
    onClosed: (code: number, why: string) => fail(code, why),
  };
  const common = { trust: "authenticated", nowMs: 0, limits: DEFAULT_LIMITS } as const;
  const client = new Machine({ role: "client", ...common }, link(toServer), nothing);
  const server: Machine = new Machine({ role: "server", ...common }, link(toClient), {
    ...nothing,
    onRequest: (s) => server.accept(s, [], sink),
  });
  const move = (): void => {
    while (toServer.length + toClient.length > 0) {
      for (const bytes of toServer.splice(0)) server.receive(bytes);
      for (const bytes of toClient.splice(0)) client.receive(bytes);
    }
  };
  client.start();
  server.start();
  move();
  const stream = client.open(
    [
      [":method", "CONNECT"],
      [":authority", "10.0.0.1:80"],
    ],
    new Sink(),
  );
  move();
  const send = client.send.bind(client);
  client.send = (s, head, body) => {
    const room = send(s, head, body);
    move();
    return room;
  };
  return { client, server, stream };
}

function fail(code: number, why: string): never {
  throw new Error(`connection closed: ${code === ErrorCode.NoError ? "" : code} ${why}`);
}

for (const size of CHUNKS) {
  const sink = new Sink();
  const { client, stream } = pair(sink);
  const chunk = new Uint8Array(size);
  const rounds = Math.min(Math.floor(TOTAL_BYTES / size), 1_000_000);
  for (let i = 0; i < rounds / 10; i++) client.send(stream, chunk, null);
  const before = process.cpuUsage();
  const startMs = performance.now();
  for (let i = 0; i < rounds; i++) client.send(stream, chunk, null);
  const ms = performance.now() - startMs;
  const cpu = process.cpuUsage(before);
  const megabytes = (rounds * size) / 1e6;
  const cpuUs = cpu.user + cpu.system;
  console.log(
    `${String(size).padStart(6)} B chunks: ${(megabytes / (ms / 1000)).toFixed(0)} MB/s, ` +
      `${((ms * 1e6) / rounds).toFixed(0)} ns/chunk, ${(cpuUs / megabytes).toFixed(2)} CPU µs/MB`,
  );
}
