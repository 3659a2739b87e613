import { closeSync } from "node:fs";
import { testCredentials } from "@lateen/certificates/test-credentials";
import type { Mover, SocketStream } from "@lateen/datapath";
import { FastDataPath } from "@lateen/fast-datapath";
import { duplicateFd, seqpacketChannel, seqpacketDescriptors } from "@lateen/linux";
import { eachTurn, eventually } from "@lateen/testkit";
import { parseConfig } from "../../config.ts";
import { STATE_FORMAT, type StateFormat } from "../../handover/state-format.ts";
import type { FromThread, Gave, Took } from "../../messages.ts";
import { LittleMesh, type LittleMeshWorld, stopPods, twinPods } from "./little-mesh.ts";
import { ThreadMoves } from "./thread-moves.ts";

const { client: credentials } = await testCredentials(Date.now());
const read = parseConfig({});
if (!read.ok) throw read.error;
const config = read.value.data;

/** A prime, so that a piece that is repeated or left out does not look right. */
const PERIOD = 65_521;
const byteAt = (i: number): number => ((i % PERIOD) * 7 + ((i % PERIOD) >>> 8) * 13) & 0xff;
const { own: OWN } = STATE_FORMAT;
/** Tunnels inside a tunnel. */
export const INNER = 3;
const MAX_MESSAGE = 62 * 1024;

/** A data thread of a process of its own, turned by the runtime. */
export class Process {
  readonly path: FastDataPath;
  readonly pods: LittleMesh["pods"];
  readonly moves: ThreadMoves;
  readonly gave: Gave[] = [];
  readonly took: Took[] = [];

  constructor(path: FastDataPath, pods: LittleMesh["pods"], format: StateFormat) {
    this.path = path;
    this.pods = pods;
    this.moves = new ThreadMoves({
      path,
      watch: (fd, run) => path.watch(fd, run),
      pods,
      format,
      post: (message) => this.#heard(message),
      clockMs: () => performance.now(),
      closeFd: closeSync,
      duplicateFd,
    });
  }

  #heard(message: FromThread): void {
    if (message.t === "gave") this.gave.push(message.gave);
    if (message.t === "took") this.took.push(message.took);
  }

  /** Connections that it carries, as `config_dump` shows them. */
  get carried(): number {
    const [any] = this.pods.values();
    return any?.context.thread.connections.all().length ?? 0;
  }
}

/** Data threads of several processes, turned by the runtime, between which connections move. */
export class Processes implements Disposable {
  readonly faults: unknown[] = [];
  readonly #paths: FastDataPath[] = [];
  readonly #pods: LittleMesh["pods"][] = [];
  readonly #stop = eachTurn(() => {
    for (const each of this.#paths) each.turn(0);
  });

  path(): FastDataPath {
    const path = new FastDataPath({ onFault: (fault) => this.faults.push(fault) });
    this.#paths.push(path);
    return path;
  }

  /** Its pods are stopped in the end. */
  protected own(pods: LittleMesh["pods"]): void {
    this.#pods.push(pods);
  }

  /** Another process that serves the pods of a little mesh. */
  process(format: StateFormat = STATE_FORMAT): Process {
    const path = this.path();
    const world: LittleMeshWorld = { path, config };
    const pods = twinPods(world, (fault) => this.faults.push(fault));
    this.own(pods);
    return new Process(path, pods, format);
  }

  /** A hand-over, to its end. */
  async move(
    from: Process,
    to: Process,
    { give = OWN, take = OWN, patienceMs = 5_000 } = {},
  ): Promise<{ gave: Gave; took: Took }> {
    const [ours, theirs] = seqpacketDescriptors();
    return this.#over(from, to, () => {
      from.moves.receive({ t: "give", fd: ours, version: give, patienceMs });
      to.moves.receive({ t: "take", fd: theirs, version: take });
    });
  }

  /** As `move`, but the socket between them breaks after so many messages. What was sent before is still received, as it is with the kernel's. */
  async moveCutAfter(messages: number, from: Process, to: Process): Promise<{ gave: Gave; took: Took }> {
    const [ours, near] = seqpacketDescriptors();
    const [far, theirs] = seqpacketDescriptors();
    using a = seqpacketChannel(near, MAX_MESSAGE);
    using b = seqpacketChannel(far, MAX_MESSAGE);
    let left = messages;
    const pass = (source: typeof a, sink: typeof b): boolean => {
      const got = source.receive(253);
      if (got?.t !== "message") return false;
      sink.send(got.bytes, got.fds);
      got.fds.forEach((fd) => closeSync(fd));
      left -= 1;
      return true;
    };
    const turn = (): void => {
      while (left > 0 && (pass(b, a) || (left > 0 && pass(a, b))));
      if (left > 0) return void setImmediate(turn);
      b.shut(); // nothing can be claimed any more
      while (pass(b, a)); // but what was claimed was
      a.shut();
    };
    // Awaited here: what is `using` ends with this function.
    return await this.#over(from, to, () => {
      from.moves.receive({ t: "give", fd: ours, version: OWN, patienceMs: 5_000 });
      to.moves.receive({ t: "take", fd: theirs, version: OWN });
      turn();
    });
  }

  async #over(from: Process, to: Process, begin: () => void): Promise<{ gave: Gave; took: Took }> {
    const [gave, took] = [from.gave.length, to.took.length];
    begin();
    await eventually(() => from.gave.length > gave && to.took.length > took, { what: "the end of the hand-over" });
    return { gave: from.gave[gave]!, took: to.took[took]! };
  }

  [Symbol.dispose](): void {
    this.#pods.forEach(stopPods);
    this.#stop();
    for (const path of this.#paths) path[Symbol.dispose]();
  }
}

/** Processes between which the connections of a little mesh move. Each byte that comes back to a client is compared. */
export class TwoProcesses extends Processes {
  readonly mesh: LittleMesh;
  readonly first: Process;
  wrong = 0;
  readonly #received: number[] = [];
  readonly #sent: number[] = [];
  #ready = false;

  /** The first process carries everything; the applications live outside of all of them. */
  static async begin(): Promise<TwoProcesses> {
    const two = new TwoProcesses();
    two.mesh.begin(two.first.path.mover, credentials);
    await eventually(() => two.#ready || two.faults.length > 0, { what: "the connections" });
    return two;
  }

  private constructor() {
    super();
    const [apps, path] = [this.path(), this.path()];
    this.mesh = new LittleMesh(
      { path, config, inner: INNER },
      {
        ready: () => void (this.#ready = true),
        failed: (why) => void this.faults.push(why),
        heard: (client, bytes) => this.#heard(client, bytes),
        settle: (end) => moved(path.mover, apps.mover, end),
      },
    );
    this.own(this.mesh.pods);
    this.first = new Process(path, this.mesh.pods, STATE_FORMAT);
  }

  /** Every client says so much more. */
  say(bytes: number): void {
    for (const [i, client] of this.mesh.clients.entries()) {
      const at = this.#sent[i] ?? 0;
      client.send(Uint8Array.from({ length: bytes + i }, (_, k) => byteAt(at + k)));
      this.#sent[i] = at + bytes + i;
    }
  }

  #heard(client: number, bytes: Uint8Array): void {
    const at = this.#received[client] ?? 0;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== byteAt(at + i)) this.wrong += 1;
    this.#received[client] = at + bytes.length;
  }

  /** Waits until every client has got back all that it sent. @returns what is wrong, nothing when all is well */
  async answered(): Promise<readonly unknown[]> {
    const closed = (): number => this.mesh.clients.filter((client) => client.closed).length;
    await eventually(() => closed() > 0 || this.#sent.every((n, i) => this.#received[i] === n), {
      what: "the answers",
    });
    const wrong = [
      [this.wrong, "wrong bytes"],
      [closed(), "closed"],
    ].filter(([count]) => count !== 0);
    return [...this.faults, ...wrong];
  }

  get bytes(): number {
    return this.#sent.reduce((n, sent) => n + sent, 0);
  }

  override [Symbol.dispose](): void {
    this.mesh.end();
    super[Symbol.dispose]();
  }
}

/** The same connection in another loop. */
export function moved(from: Mover, to: Mover, end: SocketStream): SocketStream {
  const frozen = from.freeze(end);
  if (!frozen.ok) throw new Error(frozen.error);
  const restored = to.restoreSocket(frozen.value.state, duplicateFd(frozen.value.fd));
  from.forget(end);
  if (!restored.ok) throw restored.error;
  to.thaw(restored.value);
  return restored.value;
}
