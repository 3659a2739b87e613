import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { argv, exit, stdin, stdout } from "node:process";

// `idle-client.ts HOST PORT COUNT` opens COUNT connections, a few at a time, says so by one line, and holds them until its input ends.
const [host = "", port, count] = argv.slice(2);
const AT_ONCE = 64;
const held: Socket[] = [];

while (held.length < Number(count)) {
  const more = Array.from({ length: Math.min(AT_ONCE, Number(count) - held.length) }, () =>
    connect({ host, port: Number(port) }),
  );
  await Promise.all(more.map((socket) => once(socket, "connect")));
  held.push(...more);
}
stdout.write(`${held.length} connections\n`);
stdin.resume().once("end", () => exit(0));
