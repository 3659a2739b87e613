import { closeSync, existsSync, readlinkSync } from "node:fs";
import process from "node:process";
import { seqpacketDescriptors } from "@lateen/linux";
import type { Family, Logger } from "@lateen/telemetry";
import { Predecessor } from "../handover/predecessor.ts";
import type { StateFormat } from "../handover/state-format.ts";
import { Successor } from "../handover/successor.ts";
import type { Summary } from "../handover/summary.ts";
import { peerJudge } from "../handover/trusted-peer.ts";
import type { PodListener } from "../messages.ts";
import { rehearseHandOver } from "./rehearse-hand-over.ts";
import { raiseOwnPriority } from "./own-priority.ts";
import type { DataThreads, MovingMessage } from "./data-threads.ts";

export interface HandOverOptions {
  /** Socket of hand-overs, null for none. */
  readonly path: string | null;
  readonly program: string;
  readonly threads: DataThreads;
  /** Whether the driver can take over sockets. */
  readonly takes: boolean;
  readonly patienceMs: number;
  readonly log: Logger;
  /** Opens what the process listens on, or closes it for a successor. */
  readonly processListeners: (mode: "open" | "close") => void;
  /** A successor has everything. */
  readonly onDone: () => void;
  readonly format: StateFormat;
  /** What this process has counted, its predecessors included. */
  readonly families: () => Promise<readonly Family[]>;
}

/** Both sides of hand-overs in the control thread: what is taken from a predecessor at the start, and given to a successor later. */
export class HandOver implements Disposable {
  readonly #o: HandOverOptions;
  #successor: Successor | null = null;
  #predecessor: Predecessor | null = null;
  #summary: Summary | null = null;
  /** Process that does not hand over to us. */
  #refusedBy: number | null = null;
  #moving: Promise<void> | null = null;
  /** While nobody waits for this process: what is done for the first time is slow. */
  #rehearsal: Promise<void> | null = null;
  readonly #serving = new Set<Promise<void>>();
  /** Counted by the processes before this one. */
  #inherited: readonly Family[] = [];

  constructor(o: HandOverOptions) {
    this.#o = o;
  }

  /** What was taken over; null until it is over, and when there was no predecessor. */
  get summary(): Summary | null {
    return this.#summary;
  }

  /** What the processes before this one have counted. While it is being handed over the answer waits: counts never go back. */
  async inherited(): Promise<readonly Family[]> {
    await this.#moving;
    return this.#inherited;
  }

  /** Looks for a predecessor. @returns whether there is one, whether or not it hands over to us */
  async connect(signal: AbortSignal): Promise<boolean> {
    const { path, program, threads, takes, log, format } = this.#o;
    if (path === null || !existsSync(path)) return false;
    try {
      const common = { nowMs: () => performance.now(), closeFd: closeSync, log, threads, format };
      this.#successor = new Successor(path, {
        ...common,
        program,
        takes,
        onTotals: (families) => (this.#inherited = families),
      });
    } catch (error) {
      log.debug("no predecessor", { error: String(error) });
      return false;
    }
    const { pid } = this.#successor.predecessor;
    if (await this.#successor.connect(signal)) {
      this.#rehearsal = rehearseHandOver(threads, log);
      return true;
    }
    this.#successor = null;
    this.#refusedBy = pid;
    log.warn("the predecessor does not hand over; it is asked to drain once every pod is served here", { pid });
    return true;
  }

  /** The predecessor knows no format of ours, or has gone: it drains while we serve beside it (dataplane 13.2). */
  #askToDrain(pid: number): void {
    try {
      if (pid > 0) process.kill(pid, "SIGTERM");
    } catch (error) {
      this.#o.log.debug("the predecessor is gone", { error: String(error) });
    }
    this.#o.processListeners("open");
  }

  /** A pod's listeners from the predecessor, as soon as they are known; the caller owns their descriptors. */
  async listenersOf(uid: string): Promise<readonly PodListener[]> {
    await Promise.race([this.#rehearsal, this.#successor?.gone]);
    if (this.#successor !== null) raiseOwnPriority(this.#o.log);
    await this.#successor?.listeners();
    return this.#successor?.takePod(uid) ?? [];
  }

  /** The pod was started with them, or could not be. @param ready settles when new connections can be served well */
  served(uid: string, error: string | null, ready: Promise<unknown>): void {
    const successor = this.#successor;
    if (successor === null) return;
    const done = ready.then(() => successor.served(uid, error)).finally(() => this.#serving.delete(done));
    this.#serving.add(done);
  }

  /** Every pod is served: takes the connections, then waits for a successor of our own. Only the first call counts. */
  complete(): Promise<void> {
    return (this.#moving ??= this.#complete());
  }

  async #complete(): Promise<void> {
    const { log, processListeners } = this.#o;
    await Promise.all(this.#serving);
    const successor = this.#successor;
    if (successor !== null) {
      const summary = await successor.move(() => processListeners("open"));
      this.#summary = summary;
      const { stallMs, reasons: _reasons, ...rest } = summary ?? { stallMs: null, reasons: null };
      if (summary !== null)
        log.info("took over", { ...rest, p50: stallMs?.p50 ?? 0, p99: stallMs?.p99 ?? 0, max: stallMs?.max ?? 0 });
      this.#successor = null;
    }
    if (this.#refusedBy !== null) this.#askToDrain(this.#refusedBy);
    this.#await();
  }

  #await(): void {
    const { path, threads, patienceMs, log, processListeners, onDone, format } = this.#o;
    if (path === null) return;
    try {
      this.#predecessor = new Predecessor(path, {
        threads,
        format,
        judge: peerJudge({ uid: process.getuid?.() ?? 0, programOf, ownProgram: programOf("self") }),
        nowMs: () => performance.now(),
        closeFd: closeSync,
        openChannel: seqpacketDescriptors,
        report: () => this.#report(),
        patienceMs,
        log,
        processListeners: (mode) => processListeners(mode === "give" ? "close" : "open"),
        onDone,
      });
      void this.#predecessor.run();
    } catch (error) {
      log.warn("cannot wait for a successor; an upgrade will drain", { error: String(error) });
    }
  }

  async #report(): Promise<{ readonly connections: number; readonly families: readonly Family[] }> {
    const [reports, families] = await Promise.all([this.#o.threads.report(), this.#o.families()]);
    return { connections: reports.reduce((n, r) => n + r.connections.length, 0), families };
  }

  /** What a data thread said. */
  moving(index: number, message: MovingMessage): void {
    switch (message.t) {
      case "gave":
        return this.#predecessor?.gave(index, message.gave);
      case "took":
        return this.#successor?.took(message.took);
    }
  }

  [Symbol.dispose](): void {
    this.#predecessor?.[Symbol.dispose]();
  }
}

function programOf(pid: number | "self"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return null; // it has ended, or is not to be seen from here
  }
}
