import type { IncomingMessage } from "node:http";
import type { Buffer } from "node:buffer";
import type { Clock } from "@lateen/lifecycle";
import type { Result } from "@lateen/errors";
import type { Fields, Logger } from "@lateen/telemetry";
import type { ApiClient } from "./api-client.ts";
import { WatchDecoder, decodeListPage } from "./api-codec.ts";
import { type ApiFailure, connectionFailure, malformed } from "./api-failure.ts";
import { type ApiResource, apiPath } from "./api-resource.ts";
import type { KubeMetrics } from "./kube-metrics.ts";
import { monotonicClock } from "./monotonic-clock.ts";
import {
  type RawItem,
  type ReflectorEffect,
  type ReflectorInput,
  ReflectorMachine,
  type ReflectorNote,
  type ReflectorTiming,
} from "./reflector-machine.ts";

/** What one object is to its reader; `bad` keeps the last good value of the object in force. */
export type Decoded<T> =
  | { readonly t: "good"; readonly value: T }
  /** `about`: whatever its reader wants to know of it all the same. */
  | { readonly t: "bad"; readonly why: string; readonly about?: unknown };

/** An object that cannot be read. */
export interface BadObject {
  readonly key: string;
  readonly why: string;
  readonly about?: unknown;
}

export interface ReflectorChange<T> {
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

export interface ReflectorOptions<T> {
  readonly client: ApiClient;
  readonly resource: ApiResource;
  /** Instead of all namespaces. */
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** `metadata`: the server sends nothing else of the objects. */
  readonly form?: "whole" | "metadata";
  /** Keeps of an object what its reader needs: nothing else of it is held. Must not throw. */
  readonly decode: (raw: unknown) => Decoded<T>;
  /** Who tells of objects that cannot be read: the log, or the reader, who hears of them by `onChange` too. */
  readonly badObjects?: "log" | "reader";
  /** Hears each new state, after it can be read; the first call means that all is there. Must not throw. */
  readonly onChange?: (changes: readonly ReflectorChange<T>[]) => void;
  readonly log: Logger;
  readonly metrics?: KubeMetrics;
  readonly timing?: Partial<ReflectorTiming>;
  /** Monotonic time and its timers. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** One collection of the API server, as it is there, until disposed. */
export interface Reflector<T> extends Disposable {
  readonly resource: ApiResource;
  /** Resolves at the first whole state. @throws the signal's reason */
  synced(o?: { readonly signal?: AbortSignal }): Promise<void>;
  readonly hasSynced: boolean;
  /** The one of the kind's versions that the server serves, as far as known. */
  readonly servedVersion: string;
  readonly size: number;
  /** `namespace/name`, or the name of kinds without namespaces. */
  get(key: string): T | undefined;
  entries(): IterableIterator<[string, T]>;
  /** Objects that cannot be read now. */
  readonly bad: ReadonlyMap<string, BadObject>;
  /** The kind may have come into being: look now. */
  nudge(): void;
  /** For debugging. */
  describe(): { readonly phase: string; readonly version: string; readonly objects: number; readonly bad: number };
}

const LIST_DEADLINE_MS = 60_000;

/** Begins to follow a collection. Failures are retried for ever; they are in the log and in the metrics. */
export function startReflector<T>(o: ReflectorOptions<T>): Reflector<T> {
  const reflector = new ApiReflector(o);
  reflector.start();
  return reflector;
}

class ApiReflector<T> implements Reflector<T> {
  readonly resource: ApiResource;
  readonly bad = new Map<string, BadObject>();
  readonly #o: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #machine: ReflectorMachine;
  readonly #objects = new Map<string, T>();
  readonly #staged = new Map<string, Decoded<T> | null>();
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  #closed = false;
  #timer: Disposable | null = null;
  /** Ends the request under way. */
  #request = new AbortController();
  #versionAt = 0;
  #failures = 0;

  constructor(o: ReflectorOptions<T>) {
    this.#o = o;
    this.resource = o.resource;
    this.#clock = o.clock ?? monotonicClock;
    this.#machine = new ReflectorMachine({ timing: o.timing ?? {}, random: o.random ?? Math.random });
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get servedVersion(): string {
    return this.resource.versions[this.#versionAt]!;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  entries(): IterableIterator<[string, T]> {
    return this.#objects.entries();
  }

  synced(o: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = o;
    if (signal === undefined) return this.#synced.promise;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      void this.#synced.promise.then(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  describe(): { readonly phase: string; readonly version: string; readonly objects: number; readonly bad: number } {
    const { phase, version } = this.#machine;
    return { phase, version, objects: this.#objects.size, bad: this.bad.size };
  }

  start(): void {
    this.#step({ t: "tick" });
  }

  nudge(): void {
    this.#step({ t: "nudge" });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#request.abort();
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  #step(input: ReflectorInput): void {
    if (this.#closed) return;
    for (const effect of this.#machine.step(input, this.#clock.nowMs())) this.#perform(effect);
    this.#arm();
  }

  /** One timer; while a watch lives its time moves on with every event, and is looked up when it comes. */
  #arm(): void {
    if (this.#timer !== null && this.#machine.phase === "watching") return;
    this.#timer?.[Symbol.dispose]();
    const dueMs = this.#machine.dueMs;
    this.#timer =
      dueMs === null || this.#closed
        ? null
        : this.#clock.after(dueMs - this.#clock.nowMs(), () => {
            this.#timer = null;
            this.#step({ t: "tick" });
          });
  }

  #perform(effect: ReflectorEffect): void {
    switch (effect.t) {
      case "list":
        return this.#ask((signal) => this.#list(effect, signal));
      case "probe":
        return this.#ask((signal) => this.#probe(signal));
      case "watch":
        return this.#ask((signal) => this.#watch(effect, signal));
      case "cancel":
        return this.#request.abort();
      case "put":
        return this.#put(effect.item);
      case "remove":
        return void this.#staged.set(effect.key, null);
      case "discard":
        return this.#staged.clear();
      case "commit":
        return this.#commit();
      case "note":
        return this.#note(effect.event, effect.detail);
    }
  }

  #put({ key, raw }: RawItem): void {
    this.#staged.set(key, this.#o.decode(raw));
  }

  #commit(): void {
    const changes: ReflectorChange<T>[] = [];
    let judged = false;
    for (const [key, decoded] of this.#staged) {
      const before = this.#objects.get(key);
      judged = this.#judge(key, decoded?.t === "bad" ? decoded : null) || judged;
      // The last good value stays in force; a new object that cannot be read is as if it were not there.
      if (decoded?.t === "bad") continue;
      const after = decoded?.value;
      if (after === undefined) this.#objects.delete(key);
      else this.#objects.set(key, after);
      if (before !== undefined || after !== undefined) changes.push({ key, before, after });
    }
    this.#staged.clear();
    const first = !this.#hasSynced;
    this.#hasSynced = true;
    this.#o.metrics?.objects(this.resource.kind, this.#objects.size, this.bad.size);
    this.#o.metrics?.changed(this.resource.kind, changes);
    const heard = judged && this.#o.badObjects === "reader";
    if (first || changes.length > 0 || heard) this.#o.onChange?.(changes);
    if (first) this.#synced.resolve();
  }

  /** A bad object is told once, and once more when it is mended or gone. @returns whether that is new */
  #judge(key: string, verdict: { readonly why: string; readonly about?: unknown } | null): boolean {
    const { log, resource, badObjects } = this.#o;
    const before = this.bad.get(key)?.why;
    const why = verdict?.why ?? null;
    if (verdict === null) this.bad.delete(key);
    else this.bad.set(key, { key, why: verdict.why, about: verdict.about });
    if (before === (why ?? undefined)) return false;
    if (badObjects === "reader") return true;
    const fields = { kind: resource.kind, object: key };
    if (why === null) log.info("an object can be read again", fields);
    else log.error("cannot read an object, its last good state stays", { ...fields, why });
    return true;
  }

  #note(event: ReflectorNote, detail: string): void {
    const { log, metrics } = this.#o;
    const kind = this.resource.kind;
    metrics?.noted(kind, event);
    const fields = { kind, ...(detail === "" ? {} : { detail }) };
    if (event === "failed" || event === "throttled") this.#complain(event, fields);
    else if (event === "listed" || event === "absent") log.debug(`the API server: ${event}`, fields);
    else log.info(`the API server: ${event}`, fields);
  }

  /** At the first failure of a row and then ever more rarely. */
  #complain(event: ReflectorNote, fields: Fields): void {
    this.#failures += 1;
    if ((this.#failures & (this.#failures - 1)) === 0)
      this.#o.log.warn(`the API server: ${event}`, { ...fields, failures: this.#failures });
  }

  #well(): void {
    if (this.#failures > 0)
      this.#o.log.info("the API server answers again", { kind: this.resource.kind, failures: this.#failures });
    this.#failures = 0;
  }

  /** Runs one request; what it tells after another one began is not heeded. */
  #ask(run: (signal: AbortSignal) => Promise<ReflectorInput>): void {
    this.#request.abort();
    const request = new AbortController();
    this.#request = request;
    const tell = (input: ReflectorInput): void => {
      if (!request.signal.aborted) this.#step(input);
    };
    run(request.signal).then(tell, (error: unknown) => tell({ t: "failed", failure: connectionFailure(error) }));
  }

  /** Tries the versions of the kind in turn, beginning with the one that worked last. */
  async #try<R>(get: (path: string) => Promise<Result<R, ApiFailure>>): Promise<Result<R, ApiFailure>> {
    const { versions } = this.resource;
    const namespace = this.#o.namespace ?? "";
    for (let tries = 1; ; tries++) {
      const answer = await get(apiPath(this.resource, versions[this.#versionAt]!, { namespace }));
      if (answer.ok || answer.error.status !== 404 || tries === versions.length) return answer;
      this.#versionAt = (this.#versionAt + 1) % versions.length;
    }
  }

  #query(more: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string | undefined>> {
    const { fieldSelector, labelSelector } = this.#o;
    return { fieldSelector, labelSelector, ...more };
  }

  #accept(list: "List" | ""): string {
    return this.#o.form === "metadata"
      ? `application/json;as=PartialObjectMetadata${list};g=meta.k8s.io;v=v1`
      : "application/json";
  }

  async #page(limit: number, more: string, signal: AbortSignal): Promise<ReflectorInput> {
    const query = this.#query({ limit: String(limit), ...(more === "" ? {} : { continue: more }) });
    const request = { query, signal, deadlineMs: LIST_DEADLINE_MS, accept: this.#accept("List") };
    const answer = await this.#try((path) => this.#o.client.text({ path, ...request }));
    if (!answer.ok) return { t: "failed", failure: answer.error };
    const page = decodeListPage(answer.value);
    this.#well();
    return page.t === "page" ? page : { t: "failed", failure: malformed(page.why) };
  }

  #list({ limit, more }: Extract<ReflectorEffect, { t: "list" }>, signal: AbortSignal): Promise<ReflectorInput> {
    return this.#page(limit, more, signal);
  }

  async #probe(signal: AbortSignal): Promise<ReflectorInput> {
    const answer = await this.#page(1, "", signal);
    return answer.t === "page" ? { t: "probed", version: answer.version } : answer;
  }

  async #watch(effect: Extract<ReflectorEffect, { t: "watch" }>, signal: AbortSignal): Promise<ReflectorInput> {
    const query = this.#query({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: effect.version,
      timeoutSeconds: String(effect.timeoutSec),
    });
    const answer = await this.#try((path) => this.#o.client.stream({ path, query, signal, accept: this.#accept("") }));
    if (!answer.ok) return { t: "failed", failure: answer.error };
    this.#well();
    return { t: "failed", failure: await this.#follow(answer.value, signal) };
  }

  /** @returns why the watch is over; null when the server ended it in order */
  async #follow(response: IncomingMessage, signal: AbortSignal): Promise<ApiFailure | null> {
    const decoder = new WatchDecoder();
    const stop = (): void => void response.destroy();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        const { events, failure } = decoder.push(chunk);
        if (signal.aborted) return null;
        if (events.length > 0) this.#step({ t: "events", events });
        if (failure !== null) return failure;
      }
      return null;
    } finally {
      signal.removeEventListener("abort", stop);
      response.destroy();
    }
  }
}
