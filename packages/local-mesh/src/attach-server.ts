import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import process from "node:process";
import { constants } from "node:os";
import { Code, MeshError } from "@lateen/errors";
import { type SeqpacketSocket, listenSeqpacket, socketFactory } from "@lateen/linux";
import { z } from "zod";
import type { AttachAnswer, AttachRequest, DialRequest, ExecRequest, RunRequest } from "./api-types.ts";
import { type DesiredPod, podKey } from "./desired-pods.ts";
import type { MeshPods } from "./mesh-pods.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import { spawnInPod } from "./pod-processes.ts";
import { shortHash } from "./short-hash.ts";

const MAX_MESSAGE = 65_536;
const STDIO = 3;
const HANGUP_GRACE_MS = 2_000;

const strings = z.record(z.string(), z.string());
const argv = z.array(z.string()).min(1, "need a command");
const request = z.discriminatedUnion("t", [
  z.object({ t: z.literal("exec"), pod: z.string(), argv, env: strings }),
  z.object({
    t: z.literal("run"),
    namespace: z.string().min(1),
    serviceAccount: z.string().min(1),
    node: z.string().nullable(),
    meshed: z.boolean(),
    labels: strings,
    argv,
    env: strings,
    cwd: z.string(),
  }),
  z.object({ t: z.literal("dial"), pod: z.string(), port: z.int().min(1).max(65_535) }),
]);
const signalRequest = z.object({ t: z.literal("signal"), signal: z.string() });

export interface AttachServerOptions {
  readonly path: string;
  readonly pods: MeshPods;
  /** Finds the pod that a name stands for. @throws MeshError NO_ROUTE when there is none */
  readonly find: (name: string) => PodRuntime;
  readonly onChild: (child: ChildProcess) => void;
}

/**
 * Serves commands whose terminal is the caller's: the caller's own descriptors come over the socket, so nothing is copied, and a
 * terminal stays a terminal. A caller that goes away takes its command with it.
 */
export function serveAttach(o: AttachServerOptions): Disposable {
  const listener = listenSeqpacket({ path: o.path });
  const closed = new AbortController();
  const accept = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      const socket = await listener.accept(closed.signal);
      void serveOne(socket, o, closed.signal);
    }
  };
  accept().catch((e: unknown) => {
    if (!closed.signal.aborted) throw e;
  });
  return {
    [Symbol.dispose]() {
      closed.abort(new MeshError(Code.Draining, "The mesh is going down"));
      listener[Symbol.dispose]();
    },
  };
}

async function serveOne(socket: SeqpacketSocket, o: AttachServerOptions, signal: AbortSignal): Promise<void> {
  using connection = socket;
  try {
    const message = await connection.receive(MAX_MESSAGE, signal);
    if (message.t === "truncated") throw new MeshError(Code.BadInput, `Cannot take request: ${message.why}`);
    if (message.t === "end") return;
    try {
      await serveRequest(connection, parseRequest(message.bytes), message.fds, o);
    } finally {
      for (const fd of message.fds) fs.closeSync(fd);
    }
  } catch (e) {
    await answer(connection, errorAnswer(e)).catch(() => undefined); // the caller is gone
  }
}

function errorAnswer(e: unknown): AttachAnswer {
  const code = MeshError.is(e) ? e.code : Code.Bug;
  const message = e instanceof Error ? e.message : String(e);
  const exit = MeshError.is(e) ? e.facts["exit"] : undefined;
  return typeof exit === "number" ? { t: "error", code, message, exit } : { t: "error", code, message };
}

function parseRequest(bytes: Uint8Array): AttachRequest {
  const parsed = request.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ");
  throw new MeshError(Code.BadInput, `Cannot take request: ${why}`);
}

async function answer(socket: SeqpacketSocket, value: AttachAnswer, fds: readonly number[] = []): Promise<void> {
  await socket.send(new TextEncoder().encode(JSON.stringify(value)), fds, AbortSignal.timeout(5_000));
}

async function serveRequest(
  socket: SeqpacketSocket,
  asked: AttachRequest,
  fds: readonly number[],
  o: AttachServerOptions,
): Promise<void> {
  if (asked.t === "dial") return dial(socket, asked, o);
  if (fds.length !== STDIO)
    throw new MeshError(Code.BadInput, `Cannot run a command: ${fds.length} descriptors came along, need ${STDIO}`);
  const { onChild } = o;
  if (asked.t === "exec") return runIn(socket, o.find(asked.pod), asked, { fds, onChild, warnings: [] });
  const desired = commandPod(asked);
  o.pods.addCommand(desired);
  try {
    const pod = await unlessGivenUp(socket, startedPod(o.pods, desired));
    await runIn(socket, pod, asked, { fds, onChild, warnings: o.pods.undeclared(asked) });
  } finally {
    o.pods.dropCommand(desired);
  }
}

let commands = 0;

/** A pod for one command. It has no container: the command is run in it, once the mesh has captured it. */
function commandPod(asked: RunRequest): DesiredPod {
  const labels = { ...asked.labels, "istio.io/dataplane-mode": asked.meshed ? "ambient" : "none" };
  const name = `run-${++commands}-${shortHash([asked.argv, commands], 4)}`;
  return {
    name,
    namespace: asked.namespace,
    labels: { app: "run", ...labels },
    annotations: {},
    owner: null,
    spec: { containers: [{ name: "run", image: "process" }] },
    template: {
      serviceAccount: asked.serviceAccount,
      hostNetwork: false,
      nodeName: asked.node,
      nodeSelector: {},
      restartPolicy: "Never",
      gracePeriodMs: 0,
      containers: [],
    },
    hash: name,
    meshed: asked.meshed,
  };
}

async function startedPod(pods: MeshPods, desired: DesiredPod): Promise<PodRuntime> {
  const key = podKey(desired);
  const pod = pods.pod(key);
  if (pod === null) {
    const why = pods.pending.find((p) => p.key === key)?.why ?? "it was not started";
    throw new MeshError(Code.BadInput, `Cannot run as a pod: ${why}`);
  }
  await pod.started;
  return pod;
}

const ENDING: ReadonlySet<string> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/** While a pod is being captured its caller may give up, by a signal or by going away. */
async function unlessGivenUp<T>(socket: SeqpacketSocket, waiting: Promise<T>): Promise<T> {
  const over = new AbortController();
  const givenUp = (async (): Promise<never> => {
    for (;;) {
      const message = await socket.receive(MAX_MESSAGE, over.signal);
      const signal = message.t === "message" ? signalOf(message) : null;
      if (message.t === "end" || (signal !== null && ENDING.has(signal)))
        throw new MeshError(Code.Draining, "Cannot run as a pod: the caller gave up before it was captured");
    }
  })();
  givenUp.catch(() => undefined); // it loses the race when the pod is there
  try {
    return await Promise.race([waiting, givenUp]);
  } finally {
    over.abort();
  }
}

/** The signal that a message asks for, null for one that asks for nothing known. */
function signalOf(message: { readonly bytes: Uint8Array; readonly fds: readonly number[] }): NodeJS.Signals | null {
  for (const fd of message.fds) fs.closeSync(fd);
  const parsed = signalRequest.safeParse(JSON.parse(new TextDecoder().decode(message.bytes)));
  const known = parsed.success && Object.hasOwn(constants.signals, parsed.data.signal);
  return known ? (parsed.data.signal as NodeJS.Signals) : null;
}

async function runIn(
  socket: SeqpacketSocket,
  pod: PodRuntime,
  asked: ExecRequest | RunRequest,
  o: {
    readonly fds: readonly number[];
    readonly onChild: AttachServerOptions["onChild"];
    readonly warnings: readonly string[];
  },
): Promise<void> {
  const child = startIn(pod, asked, o.fds);
  o.onChild(child);
  await spawned(child, asked);
  await answer(socket, { t: "started", pod: pod.key, warnings: o.warnings });
  const ended = new AbortController();
  const exit = exitCode(child).finally(() => ended.abort());
  void forwardSignals(socket, child, ended.signal);
  await answer(socket, { t: "exit", code: await exit });
}

/** Starts a command in a pod that the mesh has captured already, if it is to. */
export function startIn(
  pod: PodRuntime,
  asked: Pick<ExecRequest, "argv" | "env"> & { readonly cwd?: string },
  stdio: readonly (number | "pipe" | "ignore")[],
): ChildProcess {
  const [file, ...args] = asked.argv;
  if (pod.place === null || pod.stage !== "running")
    throw new MeshError(Code.Unavailable, `Cannot run in pod ${pod.key}: ${pod.problem ?? `it is ${pod.stage}`}`);
  if (file === undefined) throw new MeshError(Code.BadInput, "Cannot run: need a command");
  return spawnInPod(pod.place, {
    argv: [file, ...args],
    env: { ...pod.env, ...asked.env },
    cwd: asked.cwd ?? pod.workingDir,
    stdio: [...stdio],
  });
}

/**
 * Waits until a command runs.
 * @throws MeshError BAD_INPUT when it cannot; `facts.exit` is what a shell would exit with
 */
export async function spawned(
  child: ChildProcess,
  asked: { readonly argv: readonly string[]; readonly cwd?: string },
): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (e) {
    throw notRun(asked, e);
  }
}

function notRun(asked: { readonly argv: readonly string[]; readonly cwd?: string }, e: unknown): MeshError {
  const code = e instanceof Error && "code" in e ? e.code : "";
  const cannot = `Cannot run "${asked.argv[0] ?? ""}"`;
  if (code === "ENOENT" && asked.cwd !== undefined && !fs.existsSync(asked.cwd))
    return new MeshError(Code.BadInput, `${cannot}: the folder "${asked.cwd}" is not there`, { exit: 126 }, e);
  if (code === "ENOENT")
    return new MeshError(Code.BadInput, `${cannot}: there is no such program in PATH`, { exit: 127 }, e);
  const why = code === "EACCES" ? "it is not executable" : e instanceof Error ? e.message : String(e);
  return new MeshError(Code.BadInput, `${cannot}: ${why}`, { exit: 126 }, e);
}

/** As a shell counts: 128 and the signal's number for a process that a signal ended. */
export async function exitCode(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  const { exitCode: code, signalCode: signal } = child;
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Until the command ends: its caller's signals go to its process group, and the caller's end is a hang-up. */
async function forwardSignals(socket: SeqpacketSocket, child: ChildProcess, ended: AbortSignal): Promise<void> {
  try {
    for (;;) {
      const message = await socket.receive(MAX_MESSAGE, ended);
      if (message.t === "end") break;
      if (message.t !== "message") continue;
      const signal = signalOf(message);
      if (signal !== null) signalGroup(child, signal);
    }
  } catch {
    if (ended.aborted) return; // the command ended first
  }
  signalGroup(child, "SIGHUP");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), HANGUP_GRACE_MS);
  ended.addEventListener("abort", () => clearTimeout(timer), { once: true });
}

export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    return; // it has ended
  }
}

/** The socket is made in the pod's own namespace, so the pod sees its own address, as with a port-forward of Kubernetes. */
async function dial(socket: SeqpacketSocket, asked: DialRequest, o: AttachServerOptions): Promise<void> {
  const service = /^(?:svc|service|services)\/(.+)$/.exec(asked.pod)?.[1];
  const { pod, port } =
    service === undefined ? { pod: o.find(asked.pod), port: asked.port } : o.pods.behindService(service, asked.port);
  const place = pod.place;
  if (place === null) throw new MeshError(Code.Unavailable, `Cannot reach pod ${pod.key}: it has no network yet`);
  const to = { ip: "127.0.0.1", port };
  const fd = socketFactory.client({ netns: place.netns, mark: 0, keepAlive: null, to, from: null, timeoutMs: 0 });
  try {
    await answer(socket, { t: "connected", port }, [fd]);
  } finally {
    fs.closeSync(fd);
  }
}
