import { readFileSync } from "node:fs";
import type { Buffer } from "node:buffer";
import { type Socket, connect as tcpConnect, createServer as tcpServer } from "node:net";
import { argv, exit, stderr } from "node:process";
import { connect as tlsConnect, createServer as tlsServer } from "node:tls";

// A relay for comparison: `relay.ts MODE HOST PORT[,PORT...] [CERT_DIR]` listens on each port and dials the same port of HOST.
// MODE is `tcp`, `tls-out` (plain in, TLS out) or `tls-in`. Node's own sockets and TLS, no HTTP/2: what two processes cost that
// only forward, or only encrypt.

const MODES = ["tcp", "tls-out", "tls-in"] as const;
type Mode = (typeof MODES)[number];

function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => from.readableEnded || to.destroy());
  }
}

function relay(mode: Mode, host: string, port: number, certDir: string): void {
  const to = { host, port, allowHalfOpen: true, noDelay: true };
  const pem = (name: string): Buffer => readFileSync(`${certDir}/${name}.pem`);
  const tls = (): object => ({ ca: pem("root"), key: pem("key"), cert: pem("cert"), minVersion: "TLSv1.3" });
  const dial = (): Socket =>
    mode === "tls-out"
      ? tlsConnect({ ...to, ...tls(), checkServerIdentity: () => undefined }).setNoDelay(true)
      : tcpConnect(to);
  const accept = (socket: Socket): void => join(socket.setNoDelay(true), dial());
  if (mode === "tls-in") tlsServer({ ...tls(), requestCert: true, allowHalfOpen: true }, accept).listen(port);
  else tcpServer({ allowHalfOpen: true }, accept).listen(port);
}

const [mode, host, ports, certDir = "."] = argv.slice(2);
if (!(MODES as readonly (string | undefined)[]).includes(mode) || !host || !ports) {
  stderr.write("usage: relay.ts tcp|tls-out|tls-in HOST PORT[,PORT...] [CERT_DIR]\n");
  exit(2);
}
for (const port of ports.split(",")) relay(mode as Mode, host, Number(port), certDir);
