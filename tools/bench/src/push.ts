import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import type { PushClientAsk, PushClientTold, PushServerAsk, PushServerCost, PushServerTold } from "./push-messages.ts";
import type { ClusterSize } from "./simulated-cluster.ts";
import { percentile } from "./spread.ts";

export const CLIENTS = 100;
const AT_REST = 60;
const REST_MS = 150;
const CHURN_SECONDS = 10;
const CHURN_MS = 10;
const NAMESPACES = 1_000;
/** The longest that all clients may take for what is under way. */
const SETTLE_MS = 60_000;

export interface PushFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly changes: number;
  /** CPU of the control plane, and responses and bytes to all clients together, for each change. */
  readonly cpuMs: number;
  readonly responses: number;
  readonly kib: number;
}
export interface PushReport extends ClusterSize {
  readonly clients: number;
  readonly startMs: number;
  readonly resources: number;
  readonly responseMiB: number;
  /** Until a first client has everything; until each of the others, resuming by versions, has. */
  readonly fullMs: number;
  readonly resumeMs: number;
  readonly heapMiB: number;
  readonly rssMiB: number;
  /** From a change until all clients have it. */
  readonly rest: PushFigures;
  readonly churn: PushFigures;
  /** Heap before and after 1,000 namespaces came and went, with all clients connected; of the smallest size only. */
  readonly passing: { readonly beforeMiB: number; readonly afterMiB: number } | null;
}

/** A child that answers one message at a time. */
export class Peer<Ask extends object, Told extends { readonly t: string }> implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(file: string, args: readonly string[] = []) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.#child = fork(path, [...args], { execArgv: ["--conditions=lateen:source"], stdio: "inherit" });
  }

  /** @throws Error when the child has ended instead */
  async next<T extends Told["t"]>(t: T): Promise<Extract<Told, { t: T }>> {
    const ended = new AbortController();
    const told = once(this.#child, "message", { signal: ended.signal });
    const over = (): void => ended.abort(new Error("a process of the bench has ended"));
    this.#child.once("exit", over);
    const [message] = (await told) as [Told];
    this.#child.off("exit", over);
    if (message.t !== t) throw new Error(`expected ${t}, was told ${message.t}`);
    return message as Extract<Told, { t: T }>;
  }

  ask<T extends Told["t"]>(ask: Ask, t: T): Promise<Extract<Told, { t: T }>> {
    const told = this.next(t);
    this.#child.send(ask);
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
type Server = Peer<PushServerAsk, PushServerTold>;
export type Clients = Peer<PushClientAsk, PushClientTold>;

/** Changes of single pods pushed to real clients, in a process of their own, over TLS. */
export async function benchPush(size: ClusterSize, o: { readonly passing: boolean }): Promise<PushReport> {
  await using server: Server = new Peer("./push-server.ts", [String(size.services), String(size.pods)]);
  const ready = await server.next("ready");
  await using clients: Clients = new Peer("./push-client.ts");
  const { port, rootPem, token } = ready;
  const connected = await clients.ask({ t: "connect", count: CLIENTS, port, rootPem, token }, "connected");
  await change(server, clients, { count: 5, everyMs: REST_MS }); // compiles what will run
  const rest = await change(server, clients, { count: AT_REST, everyMs: REST_MS });
  const churn = await change(server, clients, { count: (CHURN_SECONDS * 1_000) / CHURN_MS, everyMs: CHURN_MS });
  const { cost } = await server.ask({ t: "cost" }, "cost");
  if (cost.rejects > 0 || cost.clients !== CLIENTS)
    throw new Error(`${cost.rejects} refusals, ${cost.clients} of ${CLIENTS} clients left: nothing was measured`);
  const passing = o.passing ? await passBy(server) : null;
  return {
    passing,
    ...{ ...size, clients: CLIENTS, rest, churn, heapMiB: cost.heapMiB, rssMiB: cost.rssMiB },
    ...{ startMs: ready.startMs, resources: ready.resources, responseMiB: ready.responseMiB },
    ...{ fullMs: connected.fullMs, resumeMs: connected.resumedMs / (CLIENTS - 1) },
  };
}

/** Once before it counts: what is compiled and grown on the way stays. */
async function passBy(server: Server): Promise<NonNullable<PushReport["passing"]>> {
  const heap = async (): Promise<number> => {
    await server.ask({ t: "churn", namespaces: NAMESPACES }, "churned");
    await pause(3_000); // what is gone is forgotten some time after everybody heard of it
    return (await server.ask({ t: "cost" }, "cost")).cost.heapMiB;
  };
  return { beforeMiB: await heap(), afterMiB: await heap() };
}

async function change(
  server: Server,
  clients: Clients,
  o: { readonly count: number; readonly everyMs: number },
): Promise<PushFigures> {
  const { cost: before } = await server.ask({ t: "cost" }, "cost");
  const { madeMs } = await server.ask({ t: "change", ...o }, "changed");
  const tookMs = await heardBy(clients, new Map(madeMs));
  const { cost: after } = await server.ask({ t: "cost" }, "cost");
  const per = (of: (c: PushServerCost) => number): number => (of(after) - of(before)) / o.count;
  return {
    ...{ p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99), changes: tookMs.length },
    ...{ cpuMs: per((c) => c.cpuMs), responses: per((c) => c.pushes), kib: per((c) => c.pushedBytes) / 1_024 },
  };
}

/** How long it took until all clients had each change. A change that another of the same pod overtook is not counted. */
export async function heardBy(clients: Clients, madeMs: ReadonlyMap<number, number>): Promise<readonly number[]> {
  const last = Math.max(...madeMs.keys());
  for (let waitedMs = 0; ; waitedMs += 100) {
    const { allMs } = await clients.ask({ t: "heard" }, "heard");
    const all = new Map(allMs);
    if (all.has(last)) return [...madeMs].flatMap(([n, atMs]) => (all.has(n) ? [all.get(n)! - atMs] : []));
    if (waitedMs > SETTLE_MS) throw new Error(`after ${SETTLE_MS} ms not every client has change ${last}`);
    await pause(100);
  }
}

const line = (name: string, f: PushFigures): string =>
  `    ${name}: until all have it p50 ${f.p50Ms.toFixed(1)} ms, p99 ${f.p99Ms.toFixed(1)} ms (${f.changes} changes); each ` +
  `${f.cpuMs.toFixed(1)} ms CPU, ${f.responses.toFixed(0)} responses, ${f.kib.toFixed(1)} KiB`;

export function renderPush(reports: readonly PushReport[]): string {
  const blocks = reports.map((r) =>
    [
      `  ${r.services} services ${r.pods} pods, ${r.clients} clients: start ${r.startMs.toFixed(0)} ms, ${r.resources} resources, ` +
        `first client has ${r.responseMiB.toFixed(1)} MiB after ${r.fullMs.toFixed(0)} ms, one that resumes after ` +
        `${r.resumeMs.toFixed(0)} ms; heap ${r.heapMiB.toFixed(0)} MiB, resident ${r.rssMiB.toFixed(0)} MiB`,
      line("at rest", r.rest),
      line("100 changes a second", r.churn),
      ...(r.passing === null
        ? []
        : [
            `    ${NAMESPACES} namespaces come and gone: heap ${r.passing.beforeMiB.toFixed(1)} → ${r.passing.afterMiB.toFixed(1)} MiB`,
          ]),
    ].join("\n"),
  );
  return `one changed pod pushed to real clients\n${blocks.join("\n")}\n`;
}

const MAX_P99_MS = 500;
const MAX_HEAP_MIB = 1_500;
const MAX_GROWTH = 1.05;
/** CPU of one change at the largest size in terms of the smallest, all clients told. */
const MAX_FLATNESS = 1.5;

/** Figures that are asked for and not reached. */
export function missedPush(reports: readonly PushReport[]): readonly string[] {
  const flatness = (reports.at(-1)?.rest.cpuMs ?? 0) / (reports[0]?.rest.cpuMs ?? 1);
  const uneven =
    flatness <= MAX_FLATNESS
      ? []
      : [`one change pushed costs ${flatness.toFixed(2)} × at the largest size, at most ${MAX_FLATNESS}`];
  return reports
    .flatMap((r) => [
      ...(r.pods === 50_000 && !(r.churn.p99Ms <= MAX_P99_MS)
        ? [`p99 ${r.churn.p99Ms.toFixed(0)} ms under churn at 50,000 pods, at most ${MAX_P99_MS}`]
        : []),
      ...(r.pods === 10_000 && r.heapMiB > MAX_HEAP_MIB
        ? [`heap ${r.heapMiB.toFixed(0)} MiB at 10,000 pods with ${r.clients} clients, at most ${MAX_HEAP_MIB}`]
        : []),
      ...(r.passing !== null && r.passing.afterMiB / r.passing.beforeMiB > MAX_GROWTH
        ? [
            `heap × ${(r.passing.afterMiB / r.passing.beforeMiB).toFixed(3)} after ${NAMESPACES} namespaces, at most ${MAX_GROWTH}`,
          ]
        : []),
    ])
    .concat(uneven);
}
