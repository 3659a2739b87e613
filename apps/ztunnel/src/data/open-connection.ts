import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import { type ByteStream, type CloseReason, Flow, pump } from "@lateen/byte-stream";
import type { Connection } from "@lateen/policy";
import { bare } from "@lateen/telemetry";
import type { LiveConnection } from "../messages.ts";
import { type ConnectionFacts, type ResponseFlag, completeFields, openedFields } from "./connection-facts.ts";
import type { Carried } from "./live-connections.ts";
import type { PodContext } from "./pod-context.ts";
import type { ConnectionMeter } from "./traffic.ts";

export interface Refusal {
  readonly flag: ResponseFlag;
  readonly error: string;
  readonly refusedBy: { readonly policy: string; readonly rule: number | null } | null;
}

/**
 * One connection from the moment its ends are known until its access-log line: registered for policy changes, counted,
 * pumped and reported once, however it ends.
 */
export class OpenConnection implements Carried {
  readonly view: LiveConnection;
  /** Called when `close` ends the connection before it is carried. */
  onClosedEarly: (() => void) | null = null;
  readonly judged: Connection | null;
  readonly #pod: PodContext;
  readonly #facts: ConnectionFacts;
  readonly #meter: ConnectionMeter;
  readonly #startedMs: number;
  /** Downstream to upstream, and back. */
  readonly #received = new Flow();
  readonly #sent = new Flow();
  #sides: readonly ByteStream[];
  #refusal: Refusal | null = null;
  #over = false;

  constructor(
    pod: PodContext,
    facts: ConnectionFacts,
    about: {
      readonly downstream: ByteStream | null;
      readonly judged: Connection | null;
      readonly originalDst: string | SocketAddress;
    },
  ) {
    this.#pod = pod;
    this.#facts = facts;
    this.judged = about.judged;
    this.#sides = about.downstream === null ? [] : [about.downstream];
    this.view = {
      uid: pod.info.uid,
      direction: facts.direction,
      src: formatSocketAddress(facts.src),
      originalDst: typeof about.originalDst === "string" ? about.originalDst : formatSocketAddress(about.originalDst),
      // What was dialled: of a tunnel's inner connection the application, not the port on which the tunnel came in.
      actualDst: formatSocketAddress(
        facts.direction === "inbound" ? (about.judged?.destination ?? facts.dst) : facts.dst,
      ),
      protocol: facts.hboneAuthority === null ? "TCP" : "HBONE",
    };
    this.#startedMs = pod.thread.path.nowMs();
    pod.thread.connections.add(this);
    this.#meter = pod.thread.traffic.opened(facts);
    pod.thread.access.debug("connection opened", () => openedFields(facts));
  }

  /** Carries bytes between both sides until both directions ended. */
  carry(downstream: ByteStream, upstream: ByteStream): void {
    if (this.#over) {
      downstream.abort();
      upstream.abort();
      return;
    }
    this.#sides = [downstream, upstream];
    pump(downstream, upstream, { toB: this.#received, toA: this.#sent }, (a, b) =>
      this.#end(this.#refusal ?? brokenBy(a, b)),
    );
  }

  /** The connection cannot be carried; ends what is held and reports why. */
  fail(refusal: Refusal): void {
    this.#refusal ??= refusal;
    for (const side of this.#sides) side.abort();
    this.#end(this.#refusal);
  }

  close(why: string): void {
    const early = this.onClosedEarly;
    this.onClosedEarly = null;
    this.fail({ flag: "DENY", error: why, refusedBy: null });
    early?.();
  }

  get over(): boolean {
    return this.#over;
  }

  #end(refusal: Refusal | null): void {
    if (this.#over) return;
    this.#over = true;
    const thread = this.#pod.thread;
    thread.connections.remove(this);
    const bytes = { received: this.#received.bytes, sent: this.#sent.bytes };
    this.#meter.closed(refusal?.flag ?? "-", bytes);
    const end = {
      ...bytes,
      durationMs: thread.path.nowMs() - this.#startedMs,
      error: refusal?.error ?? null,
      refusedBy: refusal?.refusedBy ?? null,
    };
    thread.access[refusal === null ? "info" : "error"]("connection complete", () => completeFields(this.#facts, end));
  }
}

/** A reset or an end in the middle is how connections end (dataplane 4.7); only what neither peer chose is an error. */
function brokenBy(...reasons: readonly CloseReason[]): Refusal | null {
  for (const reason of reasons)
    if (reason.t === "failed") return { flag: "CONNECT", error: `io error: ${reason.why}`, refusedBy: null };
  return null;
}

/** A connection refused before both ends were known (dataplane 11.4, early deny): no metrics. */
export function earlyDeny(
  pod: PodContext,
  about: { readonly direction: "inbound" | "outbound"; readonly src: SocketAddress; readonly dst: SocketAddress },
  error: string,
): void {
  pod.thread.access.warn("connection failed", {
    "src.addr": bare(formatSocketAddress(about.src)),
    "dst.addr": bare(formatSocketAddress(about.dst)),
    direction: about.direction,
    error,
  });
}
