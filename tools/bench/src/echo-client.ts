import { connect } from "node:net";
import { argv, exit, stdout } from "node:process";

// `echo-client.ts HOST PORT SIZE CONNECTIONS SECONDS` sends a message of SIZE bytes on each connection, and the next when it came
// back whole. Prints `{"count", "seconds"}`.
const [host = "", port, size, connections, seconds] = argv.slice(2);
const message = new Uint8Array(Number(size)).fill(97);
let count = 0;

function talk(): void {
  let left = message.length;
  const socket = connect({ host, port: Number(port), noDelay: true }, () => socket.write(message));
  socket.on("data", (bytes) => {
    left -= bytes.length;
    if (left > 0) return;
    count += 1;
    left = message.length;
    socket.write(message);
  });
  socket.on("error", (error) => {
    stdout.write(`${error.message}\n`);
    exit(1);
  });
}

for (let i = 0; i < Number(connections); i++) talk();
const started = performance.now();
setTimeout(
  () => {
    stdout.write(`${JSON.stringify({ count, seconds: (performance.now() - started) / 1_000 })}\n`);
    exit(0);
  },
  Number(seconds) * 1_000,
);
