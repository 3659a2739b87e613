import { type SocketAddress, formatSocketAddress } from "@lateen/addresses";
import {
  type ByteStream,
  type CloseReason,
  Flow,
  type Pump,
  type PumpSnapshot,
  pump,
  restorePump,
} from "@lateen/byte-stream";
import type { Cancel } from "@lateen/datapath";
import type { ConnectRequest, ConnectTarget } from "@lateen/hbone";
import type { Seat } from "@lateen/lifecycle";
import type { Connection } from "@lateen/policy";
import { bare } from "@lateen/telemetry";
import type { LiveConnection } from "../messages.ts";
import { type ConnectionFacts, type Refusal, completeFields, openedFields } from "./connection-facts.ts";
import { type ConnectionSnapshot, plainFacts } from "./connection-snapshot.ts";
import type { Carried } from "./live-connections.ts";
import type { PodContext } from "./pod-context.ts";
import type { InnerTarget } from "./pod-tunnels.ts";
import type { ConnectionMeter } from "./traffic.ts";

/** An answer of the peer to our CONNECT, or the application that a CONNECT of the peer asks for. */
export type Awaiting =
  /** `inner`: the CONNECT that is to go, or has gone, inside the one that this target asks for. */
  | { readonly t: "answer"; readonly target: ConnectTarget; readonly inner: InnerTarget | null }
  | { readonly t: "application"; readonly request: ConnectRequest; readonly cancel: Cancel };

/**
 * One connection from the moment its ends are known until its access-log line: registered for policy changes, counted,
 * pumped and reported once, however it ends.
 */
export class OpenConnection implements Carried {
  readonly uid: string;
  /** Called when `close` ends the connection before it is carried. */
  onClosedEarly: (() => void) | null = null;
  /** What it waits for before it is carried. */
  awaiting: Awaiting | null = null;
  readonly judged: Connection | null;
  readonly #pod: PodContext;
  readonly #seat: Seat<Carried>;
  readonly #facts: ConnectionFacts;
  readonly #meter: ConnectionMeter;
  readonly #startedMs: number;
  readonly #originalDst: string | SocketAddress;
  /** Downstream to upstream, and back. */
  readonly #received = new Flow();
  readonly #sent = new Flow();
  #sides: readonly ByteStream[];
  #relay: Pump | null = null;
  #refusal: Refusal | null = null;
  #over = false;

  /** @param from what another process knew of it, null when it begins here */
  constructor(
    pod: PodContext,
    facts: ConnectionFacts,
    about: {
      readonly downstream: ByteStream | null;
      readonly judged: Connection | null;
      readonly originalDst: string | SocketAddress;
    },
    from: ConnectionSnapshot | null = null,
  ) {
    this.#pod = pod;
    this.#facts = facts;
    this.judged = about.judged;
    this.#sides = about.downstream === null ? [] : [about.downstream];
    this.#originalDst = about.originalDst;
    this.uid = pod.info.uid;
    this.#startedMs = pod.thread.path.nowMs() - (from?.elapsedMs ?? 0);
    this.#seat = pod.thread.connections.add(this);
    if (from !== null) {
      Object.assign(this.#received, from.received);
      Object.assign(this.#sent, from.sent);
      this.#meter = pod.thread.traffic.resumed(facts);
      return;
    }
    this.#meter = pod.thread.traffic.opened(facts);
    pod.thread.access.debug("connection opened", () => openedFields(facts));
  }

  /** A connection of another process, which is to be given its streams next: `resume`, or `carry` when it was not carried. */
  static restore(pod: PodContext, from: ConnectionSnapshot, downstream: ByteStream): OpenConnection {
    return new OpenConnection(pod, from.facts, { ...from, downstream }, from);
  }

  /** Carries bytes between both sides until both directions ended. */
  carry(downstream: ByteStream, upstream: ByteStream): void {
    if (this.#over) {
      downstream.abort();
      upstream.abort();
      return;
    }
    this.awaiting = null;
    this.#sides = [downstream, upstream];
    const flows = { toB: this.#received, toA: this.#sent };
    this.#relay = pump(downstream, upstream, flows, (a, b) => this.#end(this.#refusal ?? brokenBy(a, b)));
  }

  /** Goes on carrying where another process stopped. */
  resume(streams: { readonly a: ByteStream; readonly b: ByteStream }, from: PumpSnapshot): void {
    this.#sides = [streams.a, streams.b];
    const flows = { toB: this.#received, toA: this.#sent };
    this.#relay = restorePump(streams, from, flows, (a, b) => this.#end(this.#refusal ?? brokenBy(a, b)));
  }

  get view(): LiveConnection {
    const { direction, src, dst, hboneAuthority } = this.#facts;
    return {
      uid: this.uid,
      direction,
      src: formatSocketAddress(src),
      originalDst: this.#originalDstText,
      // What was dialled: of a tunnel's inner connection the application, not the port on which the tunnel came in.
      actualDst: formatSocketAddress(direction === "inbound" ? (this.judged?.destination ?? dst) : dst),
      protocol: hboneAuthority === null ? "TCP" : "HBONE",
    };
  }

  get #originalDstText(): string {
    return typeof this.#originalDst === "string" ? this.#originalDst : formatSocketAddress(this.#originalDst);
  }

  /** Downstream and upstream, as far as they are known. */
  get sides(): readonly ByteStream[] {
    return this.#sides;
  }

  get carried(): boolean {
    return this.#relay !== null;
  }

  snapshot(): ConnectionSnapshot {
    return {
      facts: plainFacts(this.#facts),
      judged: this.judged,
      originalDst: this.#originalDstText,
      elapsedMs: this.#pod.thread.path.nowMs() - this.#startedMs,
      received: { ...this.#received },
      sent: { ...this.#sent },
      relay: this.#relay?.snapshot() ?? null,
    };
  }

  /** Another process has it: no more is said or counted of it here, and what was still being opened for it is let go. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pod.thread.connections.remove(this.#seat);
    if (this.awaiting?.t === "application") this.awaiting.cancel();
  }

  /** The connection cannot be carried; ends what is held and reports why. */
  fail(refusal: Refusal): void {
    this.#refusal ??= refusal;
    for (const side of this.#sides) side.abort();
    this.#end(this.#refusal);
  }

  close(refusal: Refusal): void {
    const early = this.onClosedEarly;
    this.onClosedEarly = null;
    this.fail(refusal);
    early?.();
  }

  get over(): boolean {
    return this.#over;
  }

  #end(refusal: Refusal | null): void {
    if (this.#over) return;
    this.#over = true;
    const thread = this.#pod.thread;
    thread.connections.remove(this.#seat);
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
