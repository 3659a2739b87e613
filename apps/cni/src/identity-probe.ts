import http from "node:http";
import { createBackoff, sleep } from "@lateen/lifecycle";

/** Whose certificate is awaited. */
export interface ProbedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Waits until the proxy holds a certificate for a pod. @returns null, or why not when `deadlineMs` has passed */
export type IdentityProbe = (pod: ProbedPod, deadlineMs: number, signal: AbortSignal) => Promise<string | null>;

const MAX_ANSWER_BYTES = 16_384;
/** A dump holds the whole mesh as the proxy knows it. */
const MAX_DUMP_BYTES = 64 * 1024 * 1024;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Asking {
  readonly agent: http.Agent;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
}

function get(url: URL, o: Asking): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: o.agent, signal: o.signal }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
        if (body.length > o.maxBytes) request.destroy(new Error("the answer is too long"));
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** @returns null when the answer says that pod and identity are there, else what it lacks. Pure. */
export function judgeAnswer(answer: Answer): string | null {
  const pod = objectOf(answer);
  if (typeof pod === "string") return pod;
  if (!("state" in pod) || !("identity" in pod)) return "ztunnel's answer names no state";
  if (pod.state !== "Up") return `ztunnel says that the pod is ${JSON.stringify(pod.state)}`;
  return pod.identity === "Available" ? null : `ztunnel says that the identity is ${JSON.stringify(pod.identity)}`;
}

/**
 * The same from a proxy's `/config_dump`, which every ztunnel has. Pure.
 * @see dataplane contract 11.2
 */
export function judgeDump(answer: Answer, pod: ProbedPod): string | null {
  const dump = objectOf(answer);
  if (typeof dump === "string") return dump;
  const { workloadState, certificates } = dump as {
    readonly workloadState?: Readonly<Record<string, { readonly state?: unknown } | undefined>>;
    readonly certificates?: readonly { readonly identity?: unknown; readonly state?: unknown }[];
  };
  const state = workloadState?.[pod.uid]?.state;
  if (state !== "Up") return `ztunnel says that the pod is ${JSON.stringify(state ?? "unknown")}`;
  const name = `/ns/${pod.namespace}/sa/${pod.serviceAccount}`;
  if (!Array.isArray(certificates)) return "ztunnel's dump names no certificates";
  const own = certificates.find(({ identity }) => typeof identity === "string" && identity.endsWith(name));
  // Istio's asks for a certificate once peers are told to tunnel to the pod, which is after it is enrolled: none is no failure.
  return own === undefined || own.state === "Available"
    ? null
    : `ztunnel says that the identity is ${JSON.stringify(own.state)}`;
}

/** The JSON object that was answered, or what is wrong with the answer. */
function objectOf(answer: Answer): object | string {
  if (answer.status !== 200) return `ztunnel answered ${answer.status}`;
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === "object" && value !== null ? value : "ztunnel's answer names no state";
  } catch {
    return "ztunnel's answer is not JSON"; // a parser's own words would not help the operator
  }
}

/**
 * Asks ztunnel's admin port: `GET /pods/UID`, which answers when the identity is there. A proxy without it, such as Istio's, is
 * asked for its dump instead. Asked again, soon at first, until the deadline.
 */
export function adminIdentityProbe(o: { readonly admin: string; readonly random: () => number }): IdentityProbe {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const ask = async (pod: ProbedPod, deadlineMs: number, signal: AbortSignal): Promise<string | null> => {
    const url = new URL(`/pods/${encodeURIComponent(pod.uid)}?waitMs=${deadlineMs}`, o.admin);
    const answer = await get(url, { agent, signal, maxBytes: MAX_ANSWER_BYTES });
    if (answer.status !== 404) return judgeAnswer(answer);
    const dump = await get(new URL("/config_dump", o.admin), { agent, signal, maxBytes: MAX_DUMP_BYTES });
    return judgeDump(dump, pod);
  };
  return async (pod, deadlineMs, signal) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    const pauses = createBackoff({ baseMs: FIRST_PAUSE_MS, maxMs: LONGEST_PAUSE_MS, random: o.random });
    for (let why: string | null = "ztunnel's admin port did not answer"; ;) {
      try {
        why = await ask(pod, deadlineMs, limit);
        if (why === null) return null;
      } catch (e) {
        if (!limit.aborted) why = `ztunnel's admin port: ${e instanceof Error ? e.message : String(e)}`;
      }
      if (limit.aborted) return why;
      await sleep(pauses.nextMs(), { signal: limit }).catch(() => undefined);
      signal.throwIfAborted();
    }
  };
}
