import type { ListenOptions, Listener, SocketStream } from "@lateen/datapath";
import { MeshError } from "@lateen/errors";
import { acceptHbone } from "./inbound-hbone.ts";
import { acceptPlaintext } from "./inbound-plaintext.ts";
import { HBONE_PORT, OUTBOUND_PORT, PLAINTEXT_PORT } from "./limits.ts";
import { acceptOutbound } from "./outbound.ts";
import { PodContext } from "./pod-context.ts";
import { PodTunnels } from "./pod-tunnels.ts";
import type { PodInfo } from "../messages.ts";
import type { ThreadContext } from "./thread-context.ts";

const BACKLOG = 128;

/** One pod on one data thread: three listeners in the pod's namespace and everything accepted from them. */
export class PodProxy {
  readonly context: PodContext;
  readonly tunnels: PodTunnels;
  #listeners: readonly Listener[] = [];

  /** @throws MeshError UNAVAILABLE when a port of the pod is taken; then nothing is left open */
  constructor(thread: ThreadContext, info: PodInfo, netns: number) {
    this.context = new PodContext(thread, info, netns);
    this.tunnels = new PodTunnels(this.context);
    const opened: Listener[] = [];
    try {
      for (const [port, accept] of this.#ports())
        opened.push(thread.path.listen(this.#options(port), accept(opened.length)));
    } catch (error) {
      for (const listener of opened) listener.close();
      throw MeshError.is(error)
        ? error
        : new MeshError("UNAVAILABLE", `Cannot start proxy of pod ${info.uid}`, {}, error);
    }
    this.#listeners = opened;
  }

  /** Accepts nothing new and asks peers to move on (GOAWAY); what is open goes on. */
  drain(): void {
    for (const listener of this.#listeners) listener.close();
    this.tunnels.drain();
  }

  /** Ends everything at once: the pod's processes are gone (dataplane 3.3, Immediate). */
  stop(why: string): void {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.context.thread.connections.of(this.context.info.uid)) connection.close(why);
    this.context.stop();
    this.tunnels.stop();
  }

  #ports(): readonly (readonly [number, (index: number) => (stream: SocketStream) => void])[] {
    const spoofs = (index: number): boolean => this.#listeners[index]?.transparent ?? false;
    return [
      [HBONE_PORT, (index) => (stream) => acceptHbone(this, stream, spoofs(index))],
      [PLAINTEXT_PORT, (index) => (stream) => acceptPlaintext(this.context, stream, spoofs(index))],
      [OUTBOUND_PORT, () => (stream) => acceptOutbound(this, stream)],
    ];
  }

  #options(port: number): ListenOptions {
    const { config } = this.context.thread;
    return {
      netns: this.context.netns,
      tenant: this.context.info.uid,
      mark: config.mark,
      address: { ip: config.ipv6 ? "::" : "0.0.0.0", port },
      dualStack: config.ipv6,
      reusePort: config.reusePort,
      transparent: config.transparent,
      backlog: BACKLOG,
      keepAlive: port === HBONE_PORT ? null : config.keepAlive,
    };
  }
}
