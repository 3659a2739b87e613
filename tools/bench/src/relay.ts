import { readFileSync } from "node:fs";
import { type Server, type Socket, connect as tcpConnect, createServer as tcpServer } from "node:net";
import { argv, exit, stderr } from "node:process";
import { TLSSocket, connect as tlsConnect, createServer as tlsServer } from "node:tls";

// A relay for comparison: `relay.ts MODE PORT HOST:PORT [CERT_DIR]`. MODE is `tcp`, `tls-out` (plain in, TLS out) or `tls-in`.
// Node's own sockets and TLS, no HTTP/2: what two processes cost that only encrypt.

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

function main(mode: string, port: number, target: string, certDir: string): Server {
  const at = target.lastIndexOf(":");
  const to = { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
  const pem = (name: string): Buffer => readFileSync(`${certDir}/${name}.pem`);
  const onTcp = (socket: Socket): void => {
    socket.setNoDelay(true);
    if (mode === "tls-out") {
      const tls = { ca: pem("root"), key: pem("key"), cert: pem("cert"), checkServerIdentity: () => undefined };
      join(socket, tlsConnect({ ...to, ...tls, minVersion: "TLSv1.3" }).setNoDelay(true));
    } else join(socket, tcpConnect({ ...to, allowHalfOpen: true, noDelay: true }));
  };
  if (mode !== "tls-in") return tcpServer({ allowHalfOpen: true }, onTcp).listen(port);
  const tls = {
    ca: pem("root"),
    key: pem("key"),
    cert: pem("cert"),
    requestCert: true,
    minVersion: "TLSv1.3",
  } as const;
  return tlsServer(tls, (socket: TLSSocket) => {
    socket.setNoDelay(true);
    join(socket, tcpConnect({ ...to, allowHalfOpen: true, noDelay: true }));
  }).listen(port);
}

const [mode, port, target, certDir = "."] = argv.slice(2);
if (!["tcp", "tls-out", "tls-in"].includes(mode ?? "") || !port || !target) {
  stderr.write("usage: relay.ts tcp|tls-out|tls-in PORT HOST:PORT [CERT_DIR]\n");
  exit(2);
}
main(mode!, Number(port), target, certDir);
