import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Code, MeshError } from "@lateen/errors";
import { BULK_PORT, ECHO_PORT, HTTP_PORT } from "./bench-mesh.ts";
import { type Requests, readFortio, readIperf } from "./load.ts";
import type { BenchMesh } from "./mesh.ts";
import { type ProcessCost, maxOpenFiles, processCost } from "./process-cost.ts";

/** Figures by name, with their unit in it. */
export type Metrics = Record<string, number>;

/** What a load runs on: a client, a server, and the processes in between whose cost counts. */
export interface Track {
  readonly mesh: BenchMesh;
  readonly client: string;
  readonly server: string;
  readonly pids: readonly number[];
  readonly fortio: string;
  readonly seconds: number;
  /** Held at once by the load `idle`. */
  readonly connections: number;
}

export type LoadName = keyof typeof LOADS;

/** Loads of the tunnel bench, in the order in which they run. */
export const LOADS = {
  bulk,
  bulk1: (on: Track) => stream(on, 1, ""),
  bulk1R: (on: Track) => stream(on, 1, "R"),
  bulk8: (on: Track) => stream(on, 8, ""),
  bulk8R: (on: Track) => stream(on, 8, "R"),
  requests,
  latency,
  connections,
  small,
  handshakes,
  idle,
} as const;
/** Loads that run once, after all rounds: the memory that they take does not come back at once. */
export const LAST_LOADS: ReadonlySet<LoadName> = new Set(["idle"]);
/** Loads that need a tunnel for each connection: they run on meshes whose proxies share none. */
export const UNSHARED_LOADS: ReadonlySet<LoadName> = new Set(["handshakes"]);
export const DEFAULT_LOADS: readonly LoadName[] = ["bulk", "requests", "latency", "connections", "idle"];

export const costOf = (on: Track): ProcessCost => processCost(on.pids);

async function timed<T>(on: Track, work: () => Promise<T>): Promise<readonly [T, number]> {
  const before = costOf(on).cpuSec;
  const result = await work();
  return [result, costOf(on).cpuSec - before];
}

/** A figure of the proxies; without proxies there is none. */
const perProxy = (on: Track, name: string, value: number): Metrics => (on.pids.length === 0 ? {} : { [name]: value });

/** `iperf3` with so many streams in one direction (`R`: the server sends). */
async function stream(on: Track, streams: 1 | 8, direction: "" | "R"): Promise<Metrics> {
  const argv = ["iperf3", "-J", "-c", on.server, "-p", `${BULK_PORT}`, "-P", `${streams}`, "-t", `${on.seconds}`];
  const [out, cpuSec] = await timed(on, () => on.mesh.exec(on.client, direction === "R" ? [...argv, "-R"] : argv));
  const { gbps, gigabytes } = readIperf(out);
  return {
    [`gbps${streams}${direction}`]: gbps,
    ...perProxy(on, `cpuSecPerGB${streams}${direction}`, cpuSec / gigabytes),
  };
}

/** One stream and eight, in both directions. */
async function bulk(on: Track): Promise<Metrics> {
  const metrics: Metrics = {};
  for (const streams of [1, 8] as const)
    for (const direction of ["", "R"] as const) Object.assign(metrics, await stream(on, streams, direction));
  return metrics;
}

async function fortio(on: Track, how: readonly string[]): Promise<Requests> {
  const url = `http://${on.server}:${HTTP_PORT}/`;
  const output = ["-quiet", "-json", "-", "-p", "50,90,99", "-r", "0.00001", "-t", `${on.seconds}s`];
  return readFortio(await on.mesh.exec(on.client, [on.fortio, "load", ...output, ...how, url]));
}

/** As many requests as 32 kept-alive connections can carry. */
async function requests(on: Track): Promise<Metrics> {
  const [busy, cpuSec] = await timed(on, () => fortio(on, ["-c", "32", "-qps", "0"]));
  return { requestsPerSec32: busy.perSec, ...perProxy(on, "cpuUsPerRequest32", (cpuSec * 1e6) / busy.count) };
}

/** 1,000 requests a second, offered at even distances whatever the answers do. */
async function latency(on: Track): Promise<Metrics> {
  const [steady, cpuSec] = await timed(on, () => fortio(on, ["-c", "8", "-qps", "1000", "-uniform"]));
  return {
    p50Ms1000: steady.p50Ms,
    p90Ms1000: steady.p90Ms,
    p99Ms1000: steady.p99Ms,
    ...perProxy(on, "cpuUsPerRequest1000", (cpuSec * 1e6) / steady.count),
  };
}

/** A connection for each request. */
async function connections(on: Track): Promise<Metrics> {
  const [fresh, cpuSec] = await timed(on, () => fortio(on, ["-c", "8", "-qps", "0", "-keepalive=false"]));
  return { newConnsPerSec: fresh.perSec, ...perProxy(on, "cpuUsPerConn", (cpuSec * 1e6) / fresh.count) };
}

const ECHO_CLIENT = fileURLToPath(new URL("./echo-client.ts", import.meta.url));
const SMALL_SIZES = [1, 64, 1024] as const;

/** Messages of 1 byte to 1 KiB, each sent back before the next one goes out, on 32 connections. */
async function small(on: Track): Promise<Metrics> {
  const metrics: Metrics = {};
  for (const size of SMALL_SIZES) {
    const argv = ["node", ECHO_CLIENT, on.server, `${ECHO_PORT}`, `${size}`, "32", `${on.seconds}`];
    const [out, cpuSec] = await timed(on, () => on.mesh.exec(on.client, argv));
    const { count, seconds } = JSON.parse(out) as { readonly count: number; readonly seconds: number };
    if (count === 0) throw new MeshError(Code.Unavailable, "the echo server sent nothing back");
    metrics[`messagesPerSec${size}B`] = count / seconds;
    Object.assign(metrics, perProxy(on, `cpuUsPerMessage${size}B`, (cpuSec * 1e6) / count));
  }
  return metrics;
}

const WAVE_CLIENT = fileURLToPath(new URL("./wave-client.ts", import.meta.url));
const WAVE = 64;

/** Connections in waves, each with a tunnel of its own: a full handshake with both certificates, twice the proxies' work. */
async function handshakes(on: Track): Promise<Metrics> {
  const argv = ["node", WAVE_CLIENT, on.server, `${ECHO_PORT}`, `${WAVE}`, `${on.seconds}`];
  const [out, cpuSec] = await timed(on, () => on.mesh.exec(on.client, argv));
  const { count, seconds } = JSON.parse(out) as { readonly count: number; readonly seconds: number };
  return { handshakesPerSec: count / seconds, ...perProxy(on, "cpuUsPerHandshake", (cpuSec * 1e6) / count) };
}

const IDLE_CLIENT = fileURLToPath(new URL("./idle-client.ts", import.meta.url));

/** Descriptors that a process needs beside its connections: tunnels, files, channels. */
const SPARE_FILES = 1_000;

/** How long nothing happens before memory at rest is read: garbage is collected only after a minute without work. */
const REST_MS = 75_000;

/**
 * Resident memory of all proxies together at rest after what ran before, and what one idle connection adds to it, in KiB: when just
 * opened, and at rest. Its sockets are the kernel's and not in it.
 */
async function idle(on: Track): Promise<Metrics> {
  if (on.pids.length === 0 || on.connections === 0) return {};
  const room = maxOpenFiles() - SPARE_FILES;
  if (on.connections > room)
    throw new MeshError(
      Code.BadInput,
      `Cannot hold ${on.connections} connections: the limit of open files leaves room for ${room}`,
    );
  await sleep(REST_MS);
  const before = costOf(on).rssMiB;
  // A server that keeps them, however long they do nothing.
  const held = on.mesh.start(on.client, ["node", IDLE_CLIENT, on.server, `${ECHO_PORT}`, `${on.connections}`]);
  await held.firstLine;
  const opened = costOf(on).rssMiB;
  await sleep(REST_MS);
  const during = costOf(on).rssMiB;
  held.release();
  await held.ended;
  const each = (mib: number): number => ((mib - before) * 1_024) / on.connections;
  return { rssRestedMiB: before, rssPerNewConnKiB: each(opened), rssPerIdleConnKiB: each(during) };
}
