import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { type TLSSocket, connect as tlsConnect, createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { type ByteStream, Flow, pump } from "@lateen/byte-stream";
import { type CredentialsOptions, portableDataPath } from "@lateen/datapath";
import { hboneClient, hboneServer } from "@lateen/hbone";
import { testCredentials } from "@lateen/certificates/test-credentials";

/**
 * One stream of bytes through two processes, A and B: tcp | A | carrier | B | tcp. Variants: `tls` is a bare relay on node:tls,
 * `hbone` is CONNECT over the portable data path. Prints throughput, and CPU seconds per GB of both processes.
 * Run: node --conditions=lateen:source packages/datapath/bench/relay.ts [ROUNDS] [MEGABYTES] [--check]
 * With --check, exits 1 when the tunnel carries less than 0.9 of the bare relay.
 */
const HOST = "127.0.0.1";
const CHUNK = Buffer.alloc(262_144, 1);
const dp = portableDataPath();
const socketOptions = { netns: null, mark: 0, keepAlive: null } as const;
const listenOptions = {
  ...socketOptions,
  dualStack: false,
  reusePort: false,
  transparent: "off",
  backlog: 64,
} as const;

/** Throw-away certificates, handed down to the relay processes. */
const keys = (who: "client" | "server"): CredentialsOptions => JSON.parse(process.env["RELAY_KEYS"] ?? "{}")[who];
const pem = (who: "client" | "server") => ({
  key: keys(who).keyPem,
  cert: keys(who).chainPem,
  ca: [...keys(who).rootsPem],
});

function tlsA(target: number, ready: (port: number) => void): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (tcp) => {
    const tls = tlsConnect({
      port: target,
      host: HOST,
      ...pem("client"),
      checkServerIdentity: () => undefined,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
    });
    tls.setNoDelay(true);
    join(tcp, tls);
  });
  server.listen(0, HOST, () => ready((server.address() as AddressInfo).port));
}

function tlsB(target: number, ready: (port: number) => void): void {
  const options = {
    ...pem("server"),
    requestCert: true,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    noDelay: true,
  } as const;
  const server = createTlsServer(options, (tls) =>
    join(tls, connect({ port: target, host: HOST, allowHalfOpen: true, noDelay: true })),
  );
  server.listen(0, HOST, () => ready((server.address() as AddressInfo).port));
}

function join(a: Socket | TLSSocket, b: Socket | TLSSocket): void {
  a.on("error", () => b.destroy());
  b.on("error", () => a.destroy());
  a.pipe(b);
  b.pipe(a);
}

const relay = (a: ByteStream, b: ByteStream): void => void pump(a, b, { toB: new Flow(), toA: new Flow() }, () => {});
const must = <T>(r: { ok: true; value: T } | { ok: false; error: Error }): T => {
  if (!r.ok) throw r.error;
  return r.value;
};

function hboneA(target: number, ready: (port: number) => void): void {
  const mine = dp.credentials(keys("client"));
  const l = dp.listen({ ...listenOptions, address: { ip: HOST, port: 0 } }, (tcp) => {
    dp.connect({ ...socketOptions, to: { ip: HOST, port: target }, from: null, timeoutMs: 5000 }, (raw) => {
      dp.secure(
        must(raw),
        { role: "client", credentials: mine, alpn: "h2", timeoutMs: 5000, verifyPeer: () => null },
        (tls) => {
          const tunnel = hboneClient(must(tls), { trust: "authenticated", nowMs: dp.nowMs() });
          tunnel.connect({ authority: "10.0.0.1:80", headers: [] }, (s) => relay(tcp, must(s)));
        },
      );
    });
  });
  ready(l.address.port);
}

function hboneB(target: number, ready: (port: number) => void): void {
  const mine = dp.credentials(keys("server"));
  const l = dp.listen({ ...listenOptions, address: { ip: HOST, port: 0 } }, (raw) => {
    dp.secure(
      raw,
      { role: "server", credentials: mine, alpn: "h2", timeoutMs: 5000, verifyPeer: () => null },
      (tls) => {
        hboneServer(must(tls), { trust: "authenticated", nowMs: dp.nowMs() }, (request) => {
          dp.connect({ ...socketOptions, to: { ip: HOST, port: target }, from: null, timeoutMs: 5000 }, (tcp) =>
            relay(request.accept([]), must(tcp)),
          );
        });
      },
    );
  });
  ready(l.address.port);
}

const relayKeys = process.env["RELAY_KEYS"] ?? JSON.stringify(await testCredentials(Date.now()));
const roles = { tlsA, tlsB, hboneA, hboneB };
type Role = keyof typeof roles;

async function start(role: Role, target: number) {
  const child = fork(fileURLToPath(import.meta.url), [role, String(target)], {
    env: { ...process.env, RELAY_KEYS: relayKeys },
    execArgv: [
      ...process.execArgv,
      ...(process.env["PROF"] === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-name=${role}.cpuprofile`, `--cpu-prof-dir=${process.env["PROF"]}`]),
    ],
  });
  const [port] = (await once(child, "message")) as [number];
  const cpu = async (): Promise<number> => {
    child.send("cpu");
    return ((await once(child, "message")) as [number])[0];
  };
  return { port, cpu, stop: () => child.send("stop") };
}

async function measure(
  variant: "tls" | "hbone",
  megabytes: number,
): Promise<{ gbps: number; cpuA: number; cpuB: number }> {
  const total = megabytes * 1e6;
  const sink = createServer();
  sink.listen(0, HOST);
  await once(sink, "listening");
  const b = await start(`${variant}B`, (sink.address() as AddressInfo).port);
  const a = await start(`${variant}A`, b.port);
  const received = new Promise<void>((resolve) => {
    sink.on("connection", (s) => {
      let bytes = 0;
      s.on("data", (d) => {
        bytes += d.length;
        if (bytes >= total) resolve();
      });
    });
  });
  const source = connect(a.port, HOST);
  await once(source, "connect");
  const [a0, b0] = [await a.cpu(), await b.cpu()];
  const startMs = performance.now();
  for (let sent = 0; sent < total; sent += CHUNK.length) if (!source.write(CHUNK)) await once(source, "drain");
  await received;
  const sec = (performance.now() - startMs) / 1000;
  const [a1, b1] = [await a.cpu(), await b.cpu()];
  source.destroy();
  sink.close();
  a.stop();
  b.stop();
  return { gbps: (total * 8) / sec / 1e9, cpuA: ((a1 - a0) / total) * 1e3, cpuB: ((b1 - b0) / total) * 1e3 };
}

const role = process.argv[2];
if (process.send !== undefined && role !== undefined && role in roles) {
  const send = process.send.bind(process);
  process.on("message", (m) => {
    if (m === "stop") process.exit(0);
    const { user, system } = process.cpuUsage();
    send(user + system);
  });
  roles[role as Role](Number(process.argv[3]), (port) => send(port));
} else {
  const numbers = process.argv.slice(2).filter((a) => /^[0-9]+$/.test(a));
  const [rounds, megabytes] = [Number(numbers[0] ?? 3), Number(numbers[1] ?? 1000)];
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const [tls, hbone] = [await measure("tls", megabytes), await measure("hbone", megabytes)];
    for (const [name, m] of Object.entries({ tls, hbone }))
      console.log(
        `${name.padEnd(6)} ${m.gbps.toFixed(2)} Gbit/s, CPU s/GB: A ${m.cpuA.toFixed(2)} B ${m.cpuB.toFixed(2)}`,
      );
    ratios.push(hbone.gbps / tls.gbps);
  }
  ratios.sort((x, y) => x - y);
  const median = ratios[ratios.length >> 1] ?? 0;
  console.log(`hbone/tls throughput, median of ${rounds}: ${median.toFixed(2)}`);
  if (process.argv.includes("--check") && median < 0.9) process.exitCode = 1;
}
