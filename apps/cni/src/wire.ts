import fs from "node:fs";
import path from "node:path";
import { createScope } from "@lateen/lifecycle";
import { growDescriptorTable, listenSeqpacket } from "@lateen/linux";
import { type Logging, createRegistry } from "@lateen/telemetry";
import { Agent } from "./agent.ts";
import type { Config } from "./config.ts";
import { enrolledRecord } from "./enrolled-record.ts";
import { serveApi } from "./http-api.ts";
import { type IdentityProbe, adminIdentityProbe } from "./identity-probe.ts";
import { checkKernel } from "./kernel-check.ts";
import { type Kernel, nodeKernel } from "./node-kernel.ts";

/** Each pod takes three or four. A few hundred pods are what a node has. */
const DESCRIPTORS = 2_048;

/** What a process gives the agent; `kernel` and `identity` are what there is, unless a test puts something else there. */
export interface Surroundings {
  readonly logging: Logging;
  readonly closeFd: (fd: number) => void;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly kernel?: Kernel;
  readonly identity?: IdentityProbe;
}

/** A running agent. Disposing of it leaves the pods as they are. */
export interface RunningAgent extends AsyncDisposable {
  readonly agent: Agent;
  /** Ends when the agent is disposed of; rejects when it cannot serve proxies any more. */
  readonly ended: Promise<void>;
}

/**
 * Starts the agent: both sockets are there when the promise resolves.
 * @throws MeshError when a socket cannot be bound
 */
export async function startAgent(config: Config, s: Surroundings): Promise<RunningAgent> {
  const log = s.logging.logger("cni");
  growDescriptorTable(DESCRIPTORS);
  const unfit = s.kernel === undefined ? checkKernel(config.redirection) : null;
  if (unfit !== null) log.error("pods cannot be captured on this node as it is", { reason: unfit });
  const registry = createRegistry();
  await using scope = createScope();
  const agent = new Agent({
    kernel: s.kernel ?? nodeKernel,
    identity: s.identity ?? adminIdentityProbe({ admin: config.ztunnelAdmin, random: s.random }),
    record: enrolledRecord(config.recordFile, log),
    redirection: config.redirection,
    repairAtStart: config.repairAtStart,
    closeFd: s.closeFd,
    nowMs: s.nowMs,
    random: s.random,
    registry,
    log,
  });
  fs.mkdirSync(path.dirname(config.ztunnelSocket), { recursive: true });
  const zds = scope.own(listenSeqpacket({ path: config.ztunnelSocket }));
  scope.own(await serveApi(config.agentSocket, { agent, metrics: () => registry.families() }));
  const ended = agent.run(zds);
  scope.defer(async () => {
    await agent.close();
    await ended.catch(() => undefined);
  });
  log.info("agent started", { node: config.nodeName, api: config.agentSocket, zds: config.ztunnelSocket });
  const owned = scope.move();
  return { agent, ended, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
