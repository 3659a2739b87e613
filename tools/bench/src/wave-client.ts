import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { argv, stdout } from "node:process";
import { setTimeout as pause } from "node:timers/promises";

// `wave-client.ts HOST PORT SIZE SECONDS` opens SIZE connections at once, sends a byte on each and waits until all have it back,
// then closes them, and so on. Prints `{"count", "seconds"}`: connections that answered, and the time from opening to the answers.
const [host = "", port, size, seconds] = argv.slice(2);
/** For what carried a wave to be closed: it must not serve the next. */
const REST_MS = 20;

async function open(): Promise<Socket> {
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, "connect");
  socket.write("a");
  await once(socket, "data");
  return socket;
}

let [count, activeMs] = [0, 0];
const untilMs = performance.now() + Number(seconds) * 1_000;
while (performance.now() < untilMs) {
  const startMs = performance.now();
  const wave = await Promise.all(Array.from({ length: Number(size) }, open));
  activeMs += performance.now() - startMs;
  count += wave.length;
  for (const socket of wave) socket.end().resume();
  await Promise.all(wave.map((socket) => once(socket, "close")));
  await pause(REST_MS);
}
stdout.write(`${JSON.stringify({ count, seconds: activeMs / 1_000 })}\n`);
