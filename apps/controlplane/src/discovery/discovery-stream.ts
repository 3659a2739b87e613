import type { ServerDuplexStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Caller } from "@lateen/ca";
import type { Logger } from "@lateen/telemetry";
import {
  type ClientNode,
  DeltaServer,
  type ServerEffect,
  StateServer,
  type StreamOptions,
  type TypeState,
  encodeResponse,
} from "@lateen/xds";
import type { DeltaDiscoveryRequest, DiscoveryRequest } from "@lateen/xds-types";
import type { Outbox } from "./outbox.ts";
import type { XdsMetrics } from "./xds-metrics.ts";

export type XdsRequest = DeltaDiscoveryRequest | DiscoveryRequest;
/** Responses are bytes already. */
export type XdsCall = ServerDuplexStream<XdsRequest, Uint8Array>;

export interface StreamDeps {
  readonly outbox: Outbox;
  readonly metrics: XdsMetrics;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** For people: which state of the mesh a response tells. */
  readonly systemVersion: () => string;
}

/** How long things may take, in milliseconds. */
export interface StreamLimits {
  /** A response that the client does not read ends its stream. */
  readonly sendMs: number;
  /** So does one that it reads and does not answer. */
  readonly answerMs: number;
  /** After this long a client is asked to come back; null: never. */
  readonly ageMs: number | null;
  /** So long what is under way may finish then. */
  readonly graceMs: number;
}

interface Sending {
  readonly sinceMs: number;
  departure: Disposable | null;
}

/** One client's stream, once it is known whose it is: its machine, and what is on its way to it. */
export class DiscoveryStream {
  readonly id: string;
  readonly call: XdsCall;
  readonly caller: Caller;
  readonly node: ClientNode;
  readonly startedMs: number;
  readonly variant: "delta" | "state";
  readonly #machine: DeltaServer | StateServer;
  readonly #d: StreamDeps;
  /** Types whose answers may take as long as they do. */
  readonly #late: ReadonlySet<string>;
  /** What has not left yet, by nonce. */
  readonly #sending = new Map<string, Sending>();
  readonly #sentMs = new Map<string, number>();
  readonly #errors = new Map<string, string>();
  /** The first change that the client was not sent yet. */
  #changedMs: number | null = null;
  #isOver = false;

  constructor(
    from: {
      readonly id: string;
      readonly call: XdsCall;
      readonly caller: Caller;
      readonly node: ClientNode;
      readonly variant: "delta" | "state";
    },
    options: StreamOptions,
    deps: StreamDeps,
  ) {
    this.id = from.id;
    this.call = from.call;
    this.caller = from.caller;
    this.node = from.node;
    this.variant = from.variant;
    this.startedMs = deps.nowMs();
    this.#d = deps;
    this.#late = new Set(options.types.filter((t) => t.answers === "late").map((t) => t.typeUrl));
    this.#machine = from.variant === "delta" ? new DeltaServer(options) : new StateServer(options);
  }

  get isOver(): boolean {
    return this.#isOver;
  }
  /** When the last response of each type was sent. */
  get sentMs(): ReadonlyMap<string, number> {
    return this.#sentMs;
  }

  state(): ReadonlyMap<string, TypeState> {
    return this.#machine.state();
  }
  names(): ReadonlyMap<string, readonly string[]> {
    return this.#machine.names();
  }
  heardGoneAt(typeUrl: string): number {
    return this.#machine.heardGoneAt(typeUrl);
  }

  /** @returns what the machine does not serve, for who knows more types */
  request(request: XdsRequest): Extract<ServerEffect, { t: "unknown-type" }> | null {
    const effects =
      this.#machine instanceof DeltaServer
        ? this.#machine.step({ t: "request", request: request as DeltaDiscoveryRequest })
        : this.#machine.step({ t: "request", request: request as DiscoveryRequest });
    this.#perform(effects);
    return effects.find((e) => e.t === "unknown-type") ?? null;
  }

  /** Something changed in the tables. */
  changed(): void {
    if (this.#isOver) return;
    this.#changedMs ??= this.#d.nowMs();
    this.#perform(this.#machine.step({ t: "changed" }));
  }

  /** @returns why the stream must end now; null: it need not */
  overdue(limits: StreamLimits, ageMs: number | null): { readonly code: number; readonly message: string } | null {
    const nowMs = this.#d.nowMs();
    for (const { sinceMs } of this.#sending.values())
      if (nowMs - sinceMs > limits.sendMs) {
        this.#d.metrics.writeTimeout();
        return { code: status.DEADLINE_EXCEEDED, message: `a response was not read for ${limits.sendMs} ms` };
      }
    const awaiting = [...this.state()].filter(([url, s]) => s.awaiting && !this.#late.has(url));
    for (const [typeUrl, { nonceSent }] of awaiting)
      if (nowMs - (this.#sentMs.get(typeUrl) ?? nowMs) > limits.answerMs)
        return {
          code: status.DEADLINE_EXCEEDED,
          message: `response ${nonceSent} of ${typeUrl} was not answered for ${limits.answerMs} ms`,
        };
    if (ageMs === null || nowMs - this.startedMs < ageMs) return null;
    const busy = awaiting.length > 0 || this.#sending.size > 0;
    return busy && nowMs - this.startedMs < ageMs + limits.graceMs
      ? null
      : { code: status.OK, message: "the stream is old" };
  }

  /** Frees what the stream holds. */
  over(): void {
    this.#isOver = true;
    for (const { departure } of this.#sending.values()) departure?.[Symbol.dispose]();
    this.#sending.clear();
    this.#machine[Symbol.dispose]();
  }

  /** Ends the stream with a status that the client sees, if it reads at all. */
  close(code: number, message: string): void {
    if (code === status.OK) this.call.end();
    else fail(this.call, code, message);
  }

  #perform(effects: readonly ServerEffect[]): void {
    for (const effect of effects) {
      switch (effect.t) {
        case "send":
          this.#send(effect);
          break;
        case "rejected":
          this.#rejected(effect);
          break;
        case "stale":
          this.#d.metrics.expiredNonce(effect.typeUrl);
          break;
        case "close":
          this.#d.log.warn("ended a client", { client: this.id, why: effect.message });
          this.close(effect.code, effect.message);
          return;
        case "acknowledged":
          this.#errors.delete(effect.typeUrl);
          break;
        case "unknown-type":
      }
    }
  }

  /** The same refusal is logged once, until the client takes something. */
  #rejected({ typeUrl, message }: { readonly typeUrl: string; readonly message: string }): void {
    this.#d.metrics.rejected(typeUrl);
    if (this.#errors.get(typeUrl) === message) return;
    this.#errors.set(typeUrl, message);
    const error = message.slice(0, 2_000);
    this.#d.log.error("client rejected resources", { client: this.id, type: typeUrl, error });
  }

  #send({ typeUrl, nonce, batch }: Extract<ServerEffect, { t: "send" }>): void {
    const { metrics, nowMs, outbox } = this.#d;
    const madeMs = nowMs();
    const changedMs = this.#changedMs;
    this.#changedMs = null;
    this.#sentMs.set(typeUrl, madeMs);
    metrics.trigger(changedMs === null ? "proxyrequest" : "config");
    const { systemVersion } = this.#d;
    const sending: Sending = { sinceMs: madeMs, departure: null };
    this.#sending.set(nonce, sending);
    sending.departure = outbox.put({
      bytes: batch.bytes,
      send: (left) => {
        const message = encodeResponse(batch, { nonce, systemVersion: systemVersion() });
        const handedMs = nowMs();
        metrics.pushed(typeUrl, message.length);
        this.call.write(message, () => {
          left();
          this.#sending.delete(nonce);
          const doneMs = nowMs();
          metrics.sent(typeUrl, {
            pushSec: (doneMs - madeMs) / 1_000,
            sendSec: (doneMs - handedMs) / 1_000,
            queueSec: (handedMs - madeMs) / 1_000,
          });
          if (changedMs !== null) metrics.converged((doneMs - changedMs) / 1_000);
        });
      },
    });
  }
}

export function fail(call: XdsCall, code: number, details: string): void {
  call.emit("error", Object.assign(new Error(details), { code, details }));
}
