import type { WorkloadInfo, WorkloadRequest } from "./messages.ts";

/** A network namespace as the driver received it: the descriptor, and an identity that is equal for equal namespaces. */
export interface ReceivedNetns {
  readonly fd: number;
  readonly id: string;
}

/** A pod whose proxy runs, is being started, or waits for another try. */
export interface ProxiedPod {
  readonly uid: string;
  readonly info: WorkloadInfo;
  readonly netns: ReceivedNetns;
}

interface Starting {
  readonly pod: ProxiedPod;
  /** Whether the agent waits for the outcome. */
  readonly answers: boolean;
}

/** What the proxy knows of its pods. `snapshot`: connected, the agent still names what it has. */
export interface ProxyState {
  readonly phase: "disconnected" | "snapshot" | "synced" | "ended";
  readonly running: ReadonlyMap<string, ProxiedPod>;
  readonly starting: ReadonlyMap<string, Starting>;
  /** Could not start; tried again at each tick. */
  readonly pending: ReadonlyMap<string, ProxiedPod>;
  /** Named in this connection's snapshot. */
  readonly named: ReadonlySet<string>;
}

/**
 * - `message`: one decoded datagram with the descriptors that came along; the machine owns these from here on
 * - `undecodable`: a datagram that was truncated or malformed
 * - `started`: the outcome of a `start`, `error` null for success; `pod` as it was in the effect
 * - `tick`: every 5 s
 */
export type ProxyInput =
  | { readonly t: "connected" }
  | { readonly t: "disconnected" }
  | { readonly t: "message"; readonly request: WorkloadRequest; readonly fds: readonly ReceivedNetns[] }
  | { readonly t: "undecodable"; readonly why: string; readonly fds: readonly ReceivedNetns[] }
  | { readonly t: "started"; readonly pod: ProxiedPod; readonly error: string | null }
  | { readonly t: "tick" };

/**
 * - `start` lends the descriptor of `pod.netns`; `stop` gives it up: close it once the proxy has stopped, without grace
 * - `discard`: close these descriptors now
 * - `ack`: send it; the next message may be read only after it
 * - `drop`: close the connection and connect again
 * - `fatal`: the two sides do not speak the same protocol: drain everything and end the process
 */
export type ProxyEffect =
  | { readonly t: "hello" }
  | { readonly t: "ack"; readonly error: string }
  | { readonly t: "start"; readonly pod: ProxiedPod }
  | { readonly t: "stop"; readonly pod: ProxiedPod }
  | { readonly t: "discard"; readonly fds: readonly number[] }
  | { readonly t: "drop"; readonly why: string }
  | { readonly t: "fatal"; readonly why: string };

type Step = readonly [ProxyState, readonly ProxyEffect[]];

export const proxyStart: ProxyState = {
  phase: "disconnected",
  running: new Map(),
  starting: new Map(),
  pending: new Map(),
  named: new Set(),
};

/** Ready when connected, with the snapshot received and nothing pending, pods that are being tried again included. */
export function isProxyReady(s: ProxyState): boolean {
  return s.phase === "synced" && s.pending.size === 0 && [...s.starting.values()].every((x) => x.answers);
}

const ACK: ProxyEffect = { t: "ack", error: "" };

function discard(pods: Iterable<ReceivedNetns>): readonly ProxyEffect[] {
  const fds = [...pods].map((n) => n.fd);
  return fds.length === 0 ? [] : [{ t: "discard", fds }];
}

function without<V>(map: ReadonlyMap<string, V>, uid: string): ReadonlyMap<string, V> {
  if (!map.has(uid)) return map;
  const copy = new Map(map);
  copy.delete(uid);
  return copy;
}

/**
 * The proxy's side of ZDS. Pure: the driver performs the effects in order and feeds back what happens.
 * @see the data-plane contract, section 3.3
 */
export function proxyStep(s: ProxyState, i: ProxyInput): Step {
  if (s.phase === "ended") return [s, ended(i)];
  switch (i.t) {
    case "connected":
      return connected(s);
    case "disconnected":
      return [{ ...s, phase: "disconnected", starting: unanswered(s.starting) }, []];
    case "message":
      return message(s, i.request, i.fds);
    case "undecodable":
      return refuse(s, i.why, i.fds);
    case "started":
      return started(s, i.pod, i.error);
    case "tick":
      return retryPending(s);
  }
}

function ended(i: ProxyInput): readonly ProxyEffect[] {
  if (i.t === "message" || i.t === "undecodable") return discard(i.fds);
  if (i.t === "started") return i.error === null ? [{ t: "stop", pod: i.pod }] : discard([i.pod.netns]);
  return [];
}

const unanswered = (starting: ProxyState["starting"]): ProxyState["starting"] =>
  new Map([...starting].map(([uid, x]) => [uid, { ...x, answers: false }]));

/** Running proxies stay; the coming snapshot says which of them live on. */
function connected(s: ProxyState): Step {
  const dropped = discard([...s.pending.values()].map((p) => p.netns));
  const starting = unanswered(s.starting);
  return [{ ...s, phase: "snapshot", pending: new Map(), starting, named: new Set() }, [...dropped, { t: "hello" }]];
}

/** Nacks and gives the connection up: the next one begins with a snapshot, which mends whatever was missed. */
function refuse(s: ProxyState, why: string, fds: readonly ReceivedNetns[]): Step {
  if (s.phase === "disconnected") return [s, discard(fds)];
  return [s, [...discard(fds), { t: "ack", error: why }, { t: "drop", why }]];
}

function protocolError(s: ProxyState, why: string, fds: readonly ReceivedNetns[]): Step {
  return [{ ...s, phase: "ended" }, [...discard(fds), { t: "ack", error: why }, { t: "fatal", why }]];
}

function message(s: ProxyState, request: WorkloadRequest, fds: readonly ReceivedNetns[]): Step {
  if (s.phase === "disconnected") return [s, discard(fds)];
  if ([...s.starting.values()].some((x) => x.answers)) return refuse(s, "a message came before the last ack", fds);
  const wanted = request.t === "add" ? 1 : 0;
  if (fds.length !== wanted) return refuse(s, `"${request.t}" came with ${fds.length} descriptors, not ${wanted}`, fds);
  switch (request.t) {
    case "add":
      if (request.info === null) return protocolError(s, `add of "${request.uid}" has no workload_info`, fds);
      return add(s, { uid: request.uid, info: request.info, netns: fds[0]! });
    case "keep":
      if (s.phase === "synced") return protocolError(s, "keep after the snapshot", []);
      return [{ ...s, named: new Set(s.named).add(request.uid) }, [ACK]];
    case "del":
      return del(s, request.uid);
    case "snapshotSent":
      if (s.phase === "synced") return protocolError(s, "second snapshot", []);
      return snapshotSent(s);
  }
}

function add(before: ProxyState, pod: ProxiedPod): Step {
  const { uid, netns } = pod;
  const s = before.phase === "snapshot" ? { ...before, named: new Set(before.named).add(uid) } : before;
  const running = s.running.get(uid);
  if (running?.netns.id === netns.id) return [s, [...discard([netns]), ACK]];
  const starting = s.starting.get(uid);
  if (starting?.pod.netns.id === netns.id) {
    const waits = new Map(s.starting).set(uid, { pod: starting.pod, answers: true });
    return [{ ...s, starting: waits }, discard([netns])];
  }
  const pending = s.pending.get(uid);
  const effects: readonly ProxyEffect[] = [
    ...(running === undefined ? [] : [{ t: "stop", pod: running } as const]),
    ...(pending === undefined ? [] : discard([pending.netns])),
    { t: "start", pod },
  ];
  return [
    {
      ...s,
      running: without(s.running, uid),
      pending: without(s.pending, uid),
      starting: new Map(s.starting).set(uid, { pod, answers: true }),
    },
    effects,
  ];
}

/** Within the snapshot a running proxy is only un-named; the end of the snapshot stops it. */
function del(s: ProxyState, uid: string): Step {
  const pending = s.pending.get(uid);
  const dropped = pending === undefined ? [] : discard([pending.netns]);
  const rest = { ...s, pending: without(s.pending, uid) };
  if (s.phase === "snapshot") {
    const named = new Set(s.named);
    named.delete(uid);
    return [{ ...rest, named }, [...dropped, ACK]];
  }
  const running = s.running.get(uid);
  const stop = running === undefined ? [] : [{ t: "stop", pod: running } as const];
  const next = { ...rest, running: without(s.running, uid), starting: without(s.starting, uid) };
  return [next, [...dropped, ...stop, ACK]];
}

function snapshotSent(s: ProxyState): Step {
  const gone = [...s.running.values()].filter((p) => !s.named.has(p.uid));
  const kept = <V>(map: ReadonlyMap<string, V>): ReadonlyMap<string, V> =>
    new Map([...map].filter(([uid]) => s.named.has(uid)));
  const next: ProxyState = {
    ...s,
    phase: "synced",
    running: kept(s.running),
    starting: kept(s.starting),
    pending: kept(s.pending),
    named: new Set(),
  };
  const unwanted = [...s.pending.values()].filter((p) => !s.named.has(p.uid)).map((p) => p.netns);
  return [next, [...gone.map((pod) => ({ t: "stop", pod }) as const), ...discard(unwanted), ACK]];
}

function started(s: ProxyState, pod: ProxiedPod, error: string | null): Step {
  const expected = s.starting.get(pod.uid);
  if (expected === undefined || expected.pod.netns.fd !== pod.netns.fd)
    return [s, error === null ? [{ t: "stop", pod }] : discard([pod.netns])]; // deleted or replaced meanwhile
  const starting = without(s.starting, pod.uid);
  const answer: readonly ProxyEffect[] = expected.answers ? [{ t: "ack", error: error ?? "" }] : [];
  if (error === null) return [{ ...s, starting, running: new Map(s.running).set(pod.uid, pod) }, answer];
  return [{ ...s, starting, pending: new Map(s.pending).set(pod.uid, pod) }, answer];
}

function retryPending(s: ProxyState): Step {
  if (s.pending.size === 0) return [s, []];
  const starting = new Map(s.starting);
  for (const [uid, pod] of s.pending) starting.set(uid, { pod, answers: false });
  return [{ ...s, starting, pending: new Map() }, [...s.pending.values()].map((pod) => ({ t: "start", pod }) as const)];
}
