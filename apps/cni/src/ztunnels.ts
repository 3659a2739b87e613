import { sleep } from "@lateen/lifecycle";
import { type Netns, type SeqpacketListener, type SeqpacketSocket } from "@lateen/linux";
import type { Logger } from "@lateen/telemetry";
import type { AgentUpdate, WorkloadInfo } from "@lateen/zds";
import { type Outcome, ZtunnelConnection } from "./ztunnel-connection.ts";

/** Five connections a second, one at a time. */
const ACCEPT_PAUSE_MS = 200;
/** Two proxies overlap in an upgrade; a few more are tolerated. */
const MAX_CONNECTIONS = 8;

export interface ZtunnelsHooks {
  readonly snapshot: () => readonly AgentUpdate<Netns>[];
  /** A proxy's answer to a pod of its snapshot. `why` is "" for success. */
  readonly answered: (uid: string, why: string) => void;
  /** A proxy came, or one went: `lost` when it was the newest, which alone may know some pods. */
  readonly changed: (what: "came" | "went" | "lost") => void;
  readonly closeFd: (fd: number) => void;
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** The proxies of this node: normally one, two while one replaces the other. */
export class Ztunnels {
  readonly #hooks: ZtunnelsHooks;
  #connections: readonly ZtunnelConnection[] = [];

  constructor(hooks: ZtunnelsHooks) {
    this.#hooks = hooks;
  }

  /** Proxies that have said hello. */
  get count(): number {
    return this.#connections.filter((c) => c.greeted).length;
  }

  /** Accepts and serves until the signal. Connections that come before this is called wait in the listener's backlog. */
  async run(listener: SeqpacketListener, signal: AbortSignal): Promise<void> {
    const serving = new Set<Promise<void>>();
    try {
      for (;;) {
        const socket = await listener.accept(signal);
        const served = this.#serve(socket, signal).finally(() => serving.delete(served));
        serving.add(served);
        await sleep(ACCEPT_PAUSE_MS, { signal });
      }
    } catch (e) {
      if (!signal.aborted) throw e;
    } finally {
      await Promise.all(serving);
    }
  }

  async #serve(socket: SeqpacketSocket, signal: AbortSignal): Promise<void> {
    const { log, nowMs, snapshot, answered, closeFd } = this.#hooks;
    const { pid } = socket.peer;
    if (this.#connections.length >= MAX_CONNECTIONS) {
      log.warn("refused a ztunnel: too many are connected", { pid });
      return socket[Symbol.dispose]();
    }
    const connection = new ZtunnelConnection(socket, {
      snapshot,
      acknowledged: (uid) => answered(uid, ""),
      refused: answered,
      greeted: () => this.#hooks.changed("came"),
      live: () => log.info("ztunnel has the snapshot", { pid }),
      closeFd,
      nowMs,
    });
    log.info("ztunnel connected", { pid });
    this.#connections = [...this.#connections, connection];
    await connection.run(signal);
    const isNewest = this.#connections.at(-1) === connection;
    this.#connections = this.#connections.filter((c) => c !== connection);
    log.info("ztunnel disconnected", { pid, reason: connection.why });
    this.#hooks.changed(isNewest ? "lost" : "went");
  }

  /** Tells the newest proxy of a pod. Takes over `netns`. */
  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<Outcome> {
    const newest = this.#connections.findLast((c) => c.greeted);
    if (newest !== undefined) return newest.update({ t: "add", uid, info, handle: netns });
    netns[Symbol.dispose]();
    return Promise.resolve({ result: "lost", why: "no ztunnel connection" });
  }

  /** Tells all proxies that a pod is gone. One that disconnects meanwhile learns it from its next snapshot. */
  async del(uid: string): Promise<void> {
    const told = this.#connections.filter((c) => c.greeted);
    await Promise.all(told.map((c) => c.update({ t: "del", uid })));
  }
}
