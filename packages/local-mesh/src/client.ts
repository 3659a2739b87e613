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
} from "./api-types.ts";
import { isMeshKept } from "./keeper.ts";
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
    readonly signal?: AbortSignal;
  }): Promise<AsyncIterable<string>>;
  /** A request to the admin port of a node's ztunnel. */
  ztunnelAdmin(node: string, method: "GET" | "POST", path: string): Promise<string>;
  /** Asks the mesh to go down; `isUp` says when it is. */
  down(): Promise<void>;
  /** Runs a command whose standard streams are these descriptors. */
  attach(request: ExecRequest | RunRequest, stdio: readonly [number, number, number]): Promise<AttachedCommand>;
  /** A socket in the pod's namespace, connecting to a port of the pod. */
  dial(request: Omit<DialRequest, "t">): Promise<net.Socket>;
}

/** A command that runs in a pod on behalf of this process. */
export interface AttachedCommand extends Disposable {
  readonly pod: string;
  /** As a shell counts it. */
  readonly exitCode: Promise<number>;
  signal(name: NodeJS.Signals): Promise<void>;
}

/** Connects to the daemon of a mesh, lazily. What a dead mesh left behind is removed on the way. */
export async function openMeshClient(folders: MeshFolders): Promise<MeshClient> {
  if (!(await isMeshKept(folders))) {
    removeRunFolder(folders);
    throw new MeshError(
      Code.Unavailable,
      `Cannot reach mesh "${folders.mesh}": it is not running; start it with \`lateenctl local up\``,
    );
  }
  const call = (method: string, path: string, body?: string): Promise<string> =>
    request(folders, { method, path, body });
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
    down: async () => void (await call("POST", "/v1/down")),
    attach: (asked, stdio) => attach(folders, asked, stdio),
    dial: (asked) => dial(folders, asked),
  };
}

/** What the daemon answers is trusted as its own: it is the same program, behind a socket that only its owner can open. */
function request(
  folders: MeshFolders,
  o: { readonly method: string; readonly path: string; readonly body?: string | undefined },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ socketPath: folders.apiSocket, method: o.method, path: o.path, agent: false });
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

function unreachable(folders: MeshFolders, e: Error): MeshError {
  return new MeshError(Code.Unavailable, `Cannot reach mesh "${folders.mesh}": ${e.message}`, {}, e);
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

function openLog(
  folders: MeshFolders,
  o: { readonly of: string; readonly follow: boolean; readonly signal?: AbortSignal },
): Promise<AsyncIterable<string>> {
  const path = `/v1/log?of=${encodeURIComponent(o.of)}&follow=${o.follow}`;
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
  throw refusal(JSON.stringify(value), 500);
}

async function attach(
  folders: MeshFolders,
  asked: ExecRequest | RunRequest,
  stdio: readonly [number, number, number],
): Promise<AttachedCommand> {
  const socket = connectSeqpacket(folders.attachSocket);
  try {
    await sendMessage(socket, asked, stdio);
    const { value } = await receiveAnswer(socket);
    return {
      pod: value.t === "started" ? value.pod : "",
      exitCode: receiveAnswer(socket).then(({ value: end }) => (end.t === "exit" ? end.code : 1)),
      signal: (signal) => sendMessage(socket, { t: "signal", signal }, []),
      [Symbol.dispose]: () => socket[Symbol.dispose](),
    };
  } catch (e) {
    socket[Symbol.dispose]();
    throw e;
  }
}

async function dial(folders: MeshFolders, asked: Omit<DialRequest, "t">): Promise<net.Socket> {
  using socket = connectSeqpacket(folders.attachSocket);
  await sendMessage(socket, { t: "dial", ...asked }, []);
  const { value, fds } = await receiveAnswer(socket);
  const [fd, ...more] = fds;
  for (const extra of more) fs.closeSync(extra);
  if (fd === undefined || value.t !== "connected")
    throw new MeshError(Code.Unavailable, "Cannot connect: the mesh gave no socket");
  return new net.Socket({ fd, allowHalfOpen: true }).connect({ port: value.port, host: "127.0.0.1" });
}
