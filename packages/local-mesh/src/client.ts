import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import { Code, MeshError } from "@lateen/errors";
import { type SeqpacketSocket, connectSeqpacket } from "@lateen/linux";
import type { ObjectName } from "./api-server.ts";
import type {
  AttachAnswer,
  CapturedOutput,
  DialRequest,
  ExecRequest,
  MeshStatus,
  RunRequest,
  SignalRequest,
  ZtunnelUpgrade,
} from "./api-types.ts";
import { isMeshKept, keptMeshes } from "./keeper.ts";
import { type MeshFolders, removeRunFolder } from "./mesh-folders.ts";

/** The way to a mesh's daemon. Every call throws MeshError UNAVAILABLE when no mesh runs. */
export interface MeshClient {
  readonly folders: MeshFolders;
  status(o?: { readonly wait: "ready" | "settled"; readonly timeoutMs: number }): Promise<MeshStatus>;
  apply(yaml: string): Promise<readonly string[]>;
  delete(objects: readonly ObjectName[]): Promise<readonly string[]>;
  /** Runs a command in a pod and gives back what it printed, up to 1 MiB each. */
  exec(o: {
    readonly pod: string;
    readonly argv: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  }): Promise<CapturedOutput>;
  /** Text of a log, as it grows when `follow`. */
  log(o: {
    readonly of: string;
    readonly follow: boolean;
    /** Only the last lines of what is there. */
    readonly tailLines?: number | undefined;
    readonly signal?: AbortSignal;
  }): Promise<AsyncIterable<string>>;
  /** A request to the admin port of a node's ztunnel. */
  ztunnelAdmin(node: string, method: "GET" | "POST", path: string): Promise<string>;
  /** A request to the debug port of the control plane. */
  controlPlane(method: "GET" | "POST", path: string): Promise<string>;
  /** Replaces a node's ztunnel by a successor that takes over its connections; answers when the old one has ended. */
  upgradeZtunnel(node: string): Promise<ZtunnelUpgrade>;
  /** Asks the mesh to go down; `isUp` says when it is. */
  down(): Promise<void>;
  /** Runs a command whose standard streams are these descriptors. Disposing of it hangs up. */
  attach(request: ExecRequest | RunRequest, stdio: readonly [number, number, number]): Promise<AttachedCommand>;
  /** A socket in the pod's namespace, connecting to a port of the pod. */
  dial(request: Omit<DialRequest, "t">): Promise<net.Socket>;
  /** Whether `dial` would find where to connect. @throws MeshError NO_ROUTE when there is no such pod, Service or port */
  reaches(request: Omit<DialRequest, "t">): Promise<void>;
}

/** A command that runs in a pod on behalf of this process. */
export interface AttachedCommand extends Disposable {
  /** Once it runs: in which pod, and what its user should know, one line each. @throws MeshError when it cannot be run */
  readonly started: Promise<{ readonly pod: string; readonly warnings: readonly string[] }>;
  /** Once it has ended, as a shell counts it. @throws as `started` */
  readonly exitCode: Promise<number>;
  /** Before it runs, a signal that would end it gives it up: then `started` fails. */
  signal(name: NodeJS.Signals): Promise<void>;
}

/**
 * Connects to the daemon of a mesh, lazily. What a dead mesh left behind is removed on the way.
 * @param signal gives up every request, for a daemon that does not answer
 */
export async function openMeshClient(folders: MeshFolders, signal?: AbortSignal): Promise<MeshClient> {
  if (!(await isMeshKept(folders))) {
    removeRunFolder(folders);
    throw await notRunning(folders);
  }
  const call = (method: string, path: string, body?: string): Promise<string> =>
    request(folders, { method, path, body, signal });
  const read = async <T>(text: Promise<string>): Promise<T> => JSON.parse(await text) as T;
  return {
    folders,
    status: (o) =>
      read(call("GET", o === undefined ? "/v1/status" : `/v1/status?wait=${o.wait}&timeoutMs=${o.timeoutMs}`)),
    apply: (yaml) => read(call("POST", "/v1/apply", yaml)),
    delete: (objects) => read(call("POST", "/v1/delete", JSON.stringify(objects))),
    exec: (o) => read(call("POST", "/v1/exec", JSON.stringify(o))),
    log: (o) => openLog(folders, o),
    ztunnelAdmin: (node, method, path) => call(method, `/v1/ztunnel/${node}${path}`),
    controlPlane: (method, path) => call(method, `/v1/controlplane${path}`),
    upgradeZtunnel: (node) => read(call("POST", `/v1/upgrade?node=${encodeURIComponent(node)}`)),
    down: async () => void (await call("POST", "/v1/down")),
    attach: (asked, stdio) => attach(folders, asked, stdio),
    dial: async (asked) => {
      const { fd, port } = await socketFor(folders, asked);
      return new net.Socket({ fd, allowHalfOpen: true }).connect({ port, host: "127.0.0.1" });
    },
    reaches: async (asked) => fs.closeSync((await socketFor(folders, asked)).fd),
  };
}

async function notRunning(folders: MeshFolders): Promise<MeshError> {
  const others = await keptMeshes(folders);
  const flag = folders.mesh === "default" ? "" : ` --mesh ${folders.mesh}`;
  return new MeshError(
    Code.Unavailable,
    `Cannot reach mesh "${folders.mesh}": it is not running; start it with \`lateenctl local up -f DIR${flag}\`` +
      (others.length === 0 ? "" : `, or name one that runs with --mesh: ${others.join(", ")}`),
  );
}

/** What the daemon answers is trusted as its own: it is the same program, behind a socket that only its owner can open. */
function request(
  folders: MeshFolders,
  o: {
    readonly method: string;
    readonly path: string;
    readonly body?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { method, path, signal } = o;
    const sent = http.request({
      socketPath: folders.apiSocket,
      method,
      path,
      agent: false,
      ...(signal && { signal }),
    });
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", (e) => reject(unreachable(folders, e)));
      response.on("end", () => {
        const status = response.statusCode ?? 500;
        if (status < 300) resolve(text);
        else reject(refusal(text, status));
      });
    });
    sent.on("error", (e) => reject(unreachable(folders, e)));
    sent.end(o.body);
  });
}

function unreachable(folders: MeshFolders, e: unknown): MeshError {
  const errno = e instanceof Error && "code" in e ? e.code : MeshError.is(e) ? e.facts["errno"] : undefined;
  const text = e instanceof Error ? e.message : String(e);
  const between = errno === "ENOENT" || errno === "ECONNREFUSED";
  const why = between ? "it is just starting or going down; try again" : text;
  return new MeshError(Code.Unavailable, `Cannot reach mesh "${folders.mesh}": ${why}`, {}, e);
}

function refusal(text: string, status: number): MeshError {
  try {
    const { code, message } = JSON.parse(text) as { code?: string; message?: string };
    const known = Object.values(Code).find((c) => c === code);
    if (known !== undefined && message !== undefined) return new MeshError(known, message);
  } catch {
    // not the daemon's own words: shown as they are
  }
  return new MeshError(Code.Unavailable, `The mesh answered ${status}: ${text.slice(0, 500)}`);
}

function openLog(folders: MeshFolders, o: Parameters<MeshClient["log"]>[0]): Promise<AsyncIterable<string>> {
  const tail = o.tailLines === undefined ? "" : `&tailLines=${o.tailLines}`;
  const path = `/v1/log?of=${encodeURIComponent(o.of)}&follow=${o.follow}${tail}`;
  return new Promise((resolve, reject) => {
    const sent = http.request({
      socketPath: folders.apiSocket,
      path,
      agent: false,
      ...(o.signal === undefined ? {} : { signal: o.signal }),
    });
    sent.on("response", (response) => {
      response.setEncoding("utf8");
      if ((response.statusCode ?? 500) < 300) return resolve(response as AsyncIterable<string>);
      let text = "";
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => reject(refusal(text, response.statusCode ?? 500)));
    });
    sent.on("error", (e) => reject(unreachable(folders, e)));
    sent.end();
  });
}

const MAX_MESSAGE = 65_536;
const never = new AbortController().signal;

async function sendMessage(
  socket: SeqpacketSocket,
  value: ExecRequest | RunRequest | DialRequest | SignalRequest,
  fds: readonly number[],
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  if (bytes.length > MAX_MESSAGE)
    throw new MeshError(
      Code.BadInput,
      `Cannot send the command: with its environment it takes ${bytes.length} bytes, at most ${MAX_MESSAGE}`,
    );
  await socket.send(bytes, fds, never);
}

async function receiveAnswer(socket: SeqpacketSocket): Promise<{ value: AttachAnswer; fds: readonly number[] }> {
  const message = await socket.receive(MAX_MESSAGE, never);
  if (message.t !== "message") throw new MeshError(Code.Unavailable, "Cannot go on: the mesh has gone down");
  const value = JSON.parse(new TextDecoder().decode(message.bytes)) as AttachAnswer;
  if (value.t !== "error") return { value, fds: message.fds };
  const known = Object.values(Code).find((c) => c === value.code);
  throw new MeshError(known ?? Code.Bug, value.message, value.exit === undefined ? {} : { exit: value.exit });
}

function connectAttach(folders: MeshFolders): SeqpacketSocket {
  try {
    return connectSeqpacket(folders.attachSocket);
  } catch (e) {
    throw unreachable(folders, e);
  }
}

async function attach(
  folders: MeshFolders,
  asked: ExecRequest | RunRequest,
  stdio: readonly [number, number, number],
): Promise<AttachedCommand> {
  const socket = connectAttach(folders);
  try {
    await sendMessage(socket, asked, stdio);
    const started = receiveAnswer(socket).then(({ value }) =>
      value.t === "started" ? value : { pod: "", warnings: [] },
    );
    const exitCode = started.then(async () => {
      const { value } = await receiveAnswer(socket);
      return value.t === "exit" ? value.code : 1;
    });
    exitCode.catch(() => undefined); // whoever awaits `started` hears of it
    return {
      started,
      exitCode,
      signal: (signal) => sendMessage(socket, { t: "signal", signal }, []),
      [Symbol.dispose]: () => socket[Symbol.dispose](),
    };
  } catch (e) {
    socket[Symbol.dispose]();
    throw e;
  }
}

/** @returns a socket that is not connected yet, the caller's to close */
async function socketFor(folders: MeshFolders, asked: Omit<DialRequest, "t">): Promise<{ fd: number; port: number }> {
  using socket = connectAttach(folders);
  await sendMessage(socket, { t: "dial", ...asked }, []);
  const { value, fds } = await receiveAnswer(socket);
  const [fd, ...more] = fds;
  for (const extra of more) fs.closeSync(extra);
  if (fd === undefined || value.t !== "connected")
    throw new MeshError(Code.Unavailable, "Cannot connect: the mesh gave no socket");
  return { fd, port: value.port };
}
