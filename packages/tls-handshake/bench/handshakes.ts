import process from "node:process";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { Memory } from "@lateen/linux";
import { TlsEngine } from "../src/tls-engine.ts";

/**
 * Mutual handshakes of two ends in memory, by step: CPU time of one thread, and what they leave behind in memory. First full ones, then
 * of ends that have met.
 * Run: node --conditions=lateen:source --expose-gc packages/tls-handshake/bench/handshakes.ts [groups] [count]
 */
const GROUPS = process.argv[2] ?? "X25519:P-256";
const COUNT = Number(process.argv[3] ?? 2000);
const WARM_UP = 200;
/** Signatures seen before are remembered; this shows what a peer costs that was never seen. */
const NEW_PEERS = 100;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const peers = await testCredentials(Date.now());
const engine = new TlsEngine({ nowMs: () => Date.now(), groups: GROUPS });
const credentials = { client: engine.credentials(peers.client), server: engine.credentials(peers.server) };
const verifyPeer = (): null => null;

const names = ["client hello", "server's flight", "client's end", "server's end", "ticket taken"] as const;
/** Wall-clock microseconds of each step. */
const tookUs = names.map((): number[] => []);
const memory = new Memory(65_536);

function timed<T>(i: number, run: () => T): T {
  const before = performance.now();
  const result = run();
  tookUs[i]?.push((performance.now() - before) * 1000);
  return result;
}

/** @returns whether a session was resumed */
function pair(by: TlsEngine, c: typeof credentials, resumeKey: string | null): boolean {
  const key = resumeKey === null ? {} : { resumeKey };
  const client = by.handshake({ role: "client", credentials: c.client, alpn: "h2", verifyPeer, ...key });
  const server = by.handshake({ role: "server", credentials: c.server, alpn: "h2", verifyPeer });
  const hello = timed(0, () => client.step(null));
  const flight = timed(1, () => server.step(hello.send));
  const near = timed(2, () => client.step(flight.send));
  const far = timed(3, () => server.step(near.send));
  if (near.t !== "done" || far.t !== "done") throw new Error(`${near.t} ${far.t}`);
  memory.bytes.set(far.send);
  timed(4, () => near.records.opener.open(memory, 0, far.send.length));
  near.records.free();
  far.records.free();
  return far.resumed;
}

function measure(what: string, resumeKey: string | null): void {
  for (let i = 0; i < WARM_UP; i++) pair(engine, credentials, resumeKey);
  for (const took of tookUs) took.length = 0;
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  const before = cpuUs();
  let resumed = 0;
  for (let i = 0; i < COUNT; i++) resumed += pair(engine, credentials, resumeKey) ? 1 : 0;
  const perPair = ((cpuUs() - before) / COUNT).toFixed(0);
  globalThis.gc?.();
  const grown = ((process.memoryUsage.rss() - rssBefore) / 1024).toFixed(0);
  console.log(
    `${what}, ${GROUPS}: ${COUNT} pairs, ${resumed} resumed, ${perPair} us of CPU each, memory grown by ${grown} KiB`,
  );
  for (const [i, name] of names.entries()) {
    const sorted = tookUs[i]!.sort((a, b) => a - b);
    const at = (part: number): string => (sorted[Math.floor(part * sorted.length)] ?? 0).toFixed(0);
    console.log(`  ${name}: p50 ${at(0.5)} us, p90 ${at(0.9)}, p99 ${at(0.99)}`);
  }
}

measure("full", null);
measure("resumed", "peer");

const start = cpuUs();
for (let i = 0; i < NEW_PEERS; i++) {
  using fresh = new TlsEngine({ nowMs: () => Date.now(), groups: GROUPS });
  pair(fresh, { client: fresh.credentials(peers.client), server: fresh.credentials(peers.server) }, null);
}
console.log(
  `first handshake of an engine, contexts and signatures included: ${((cpuUs() - start) / NEW_PEERS).toFixed(0)} us`,
);
engine[Symbol.dispose]();
