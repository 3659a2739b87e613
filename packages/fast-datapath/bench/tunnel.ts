import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeSync } from "node:fs";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type ByteStream, Flow, pump } from "@lateen/byte-stream";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { type CredentialsOptions, type DataPath, portableDataPath } from "@lateen/datapath";
import type { Result } from "@lateen/errors";
import { hboneClient, hbonePool, hboneServer } from "@lateen/hbone";
import { FastDataPath } from "../src/index.ts";

/**
 * Bytes, requests and connections through two processes with a tunnel between: tcp | A | HBONE over TLS | B | tcp. What the load
 * itself costs is not counted.
 * Run: node --conditions=lateen:source packages/fast-datapath/bench/tunnel.ts [fast|portable ...] [--rounds=N]
 * PROF=DIR writes a CPU profile of each process there.
 */
const HOST = "127.0.0.1";
const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
const LISTEN = { ...SOCKET, address: { ip: HOST, port: 0 }, dualStack: false, reusePort: false } as const;
const HOW = { ...LISTEN, transparent: "off", backlog: 512 } as const;
const MEGABYTES = 2000;
const CLIENTS = 32;
const REQUESTS = 60_000;
const CONNECTIONS = 3000;

const keys = (who: "client" | "server"): CredentialsOptions => JSON.parse(process.env["BENCH_KEYS"] ?? "{}")[who];
const must = <T>(result: Result<T>): T => {
  if (!result.ok) throw result.error;
  return result.value;
};
const relay = (a: ByteStream, b: ByteStream): void => {
  pump(a, b, { toB: new Flow(), toA: new Flow() }, () => {});
};
const tls = (path: DataPath, role: "client" | "server") =>
  ({
    role,
    credentials: path.credentials(keys(role)),
    alpn: "h2",
    timeoutMs: 10_000,
    verifyPeer: () => null,
  }) as const;

function near(path: DataPath, target: number): number {
  const options = tls(path, "client");
  const http2 = { trust: "authenticated", nowMs: path.nowMs(), defer: (run: () => void) => path.defer(run) } as const;
  const pool = hbonePool({
    nowMs: path.nowMs(),
    dial: (_key, done) =>
      path.connect({ ...SOCKET, to: { ip: HOST, port: target }, from: null, timeoutMs: 10_000 }, (raw) =>
        path.secure(must(raw), options, (secured) => done({ ok: true, value: hboneClient(must(secured), http2) })),
      ),
  });
  const request = { authority: "10.0.0.1:80", headers: [] };
  return path.listen(HOW, (tcp) => void pool.connect("B", request, (s) => relay(tcp, must(s)))).address.port;
}

function far(path: DataPath, target: number): number {
  const options = tls(path, "server");
  const http2 = { trust: "authenticated", nowMs: path.nowMs(), defer: (run: () => void) => path.defer(run) } as const;
  const dial = { ...SOCKET, to: { ip: HOST, port: target }, from: null, timeoutMs: 10_000 };
  return path.listen(HOW, (raw) =>
    path.secure(raw, options, (secured) =>
      hboneServer(must(secured), http2, (request) => path.connect(dial, (tcp) => relay(request.accept([]), must(tcp)))),
    ),
  ).address.port;
}

/** One proxy, until its input ends. */
function serve(role: string, driver: string, target: number): void {
  const open = role === "near" ? near : far;
  const fault = (error: unknown): void =>
    void writeSync(2, `${error instanceof Error ? error.stack : String(error)}\n`);
  if (driver === "portable") {
    writeSync(1, `${open(portableDataPath(), target)}\n`);
    process.stdin.on("end", () => process.exit(0)).resume();
    return;
  }
  const path = new FastDataPath({ onFault: fault });
  writeSync(1, `${open(path, target)}\n`);
  path.watch(0, () => path.stop());
  path.run();
  process.exit(0);
}

class Proxy {
  readonly #child: ChildProcess;
  port = 0;

  constructor(role: string, driver: string, target: number) {
    const prof = process.env["PROF"];
    const flags =
      prof === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${prof}`, `--cpu-prof-name=${role}.cpuprofile`];
    const argv = [...process.execArgv, ...flags, fileURLToPath(import.meta.url), role, driver, String(target)];
    this.#child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  }

  async started(): Promise<this> {
    this.port = Number(String((await once(this.#child.stdout!, "data"))[0]));
    return this;
  }

  /** User and system time of all its threads. */
  get cpuSec(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  get rssMiB(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    this.#child.stdin!.end();
    await once(this.#child, "exit");
  }
}

const dial = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: HOST, noDelay: true });
  await once(socket, "connect");
  return socket;
};

async function bulk(port: number, sunk: () => number): Promise<void> {
  const chunk = Buffer.alloc(262_144, 1);
  const socket = await dial(port);
  const start = sunk();
  for (let sent = 0; sent < MEGABYTES * 1e6; sent += chunk.length)
    if (!socket.write(chunk)) await once(socket, "drain");
  while (sunk() - start < MEGABYTES * 1e6) await new Promise((resolve) => setTimeout(resolve, 2));
  socket.destroy();
}

/** Asks and waits for the answer, again and again. */
async function ask(port: number, times: number): Promise<void> {
  const socket = await dial(port);
  const question = Buffer.from("?".repeat(100));
  for (let i = 0; i < times; i++) {
    socket.write(question);
    await once(socket, "data");
  }
  socket.destroy();
}

async function freshConnections(port: number, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await ask(port, 1);
}

async function measure(driver: string): Promise<void> {
  let sunk = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      sunk += bytes.length;
      if (bytes[0] === 0x3f) socket.write(bytes);
    });
  });
  server.listen(0, HOST);
  await once(server, "listening");
  const b = await new Proxy("far", driver, (server.address() as AddressInfo).port).started();
  const a = await new Proxy("near", driver, b.port).started();
  const spent = async (run: () => Promise<unknown>): Promise<{ cpu: string; sec: number; a: number; b: number }> => {
    const [a0, b0, t0] = [a.cpuSec, b.cpuSec, performance.now()];
    await run();
    const [da, db] = [a.cpuSec - a0, b.cpuSec - b0];
    return { cpu: (da + db).toFixed(2), sec: (performance.now() - t0) / 1000, a: da, b: db };
  };
  await ask(a.port, 200); // the tunnel is up
  const rest = a.rssMiB + b.rssMiB;
  const bytes = await spent(() => bulk(a.port, () => sunk));
  const requests = await spent(() =>
    Promise.all(Array.from({ length: CLIENTS }, () => ask(a.port, REQUESTS / CLIENTS))),
  );
  const fresh = await spent(() =>
    Promise.all(Array.from({ length: 8 }, () => freshConnections(a.port, CONNECTIONS / 8))),
  );
  const gb = MEGABYTES / 1000;
  const us = (s: { a: number; b: number }, n: number): string => (((s.a + s.b) * 1e6) / n).toFixed(1);
  console.log(
    `${driver.padEnd(8)} CPU s/GB ${((bytes.a + bytes.b) / gb).toFixed(2)} (A ${(bytes.a / gb).toFixed(2)} B ${(bytes.b / gb).toFixed(2)}), ` +
      `${((gb * 8) / bytes.sec).toFixed(1)} Gbit/s; µs/request ${us(requests, REQUESTS)}, ${(REQUESTS / requests.sec).toFixed(0)}/s; ` +
      `µs/connection ${us(fresh, CONNECTIONS)}; RSS ${rest.toFixed(0)} then ${(a.rssMiB + b.rssMiB).toFixed(0)} MiB`,
  );
  await a.stop();
  await b.stop();
  server.close();
}

const [role = "", driver = "", target] = process.argv.slice(2);
if (role === "near" || role === "far") serve(role, driver, Number(target));
else {
  process.env["BENCH_KEYS"] ??= JSON.stringify(await testCredentials(Date.now()));
  const named = process.argv.slice(2).filter((x) => !x.startsWith("--"));
  const rounds = Number(process.argv.find((x) => x.startsWith("--rounds="))?.slice(9) ?? 1);
  for (let i = 0; i < rounds; i++) for (const d of named.length === 0 ? ["fast", "portable"] : named) await measure(d);
}
