import http from "node:http";
import { createBackoff, sleep } from "@lateen/lifecycle";

/** Waits until the proxy holds a certificate for a pod. @returns null, or why not when `deadlineMs` has passed */
export type IdentityProbe = (uid: string, deadlineMs: number, signal: AbortSignal) => Promise<string | null>;

const MAX_ANSWER_BYTES = 16_384;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;

interface Answer {
  readonly status: number;
  readonly body: string;
}

function get(url: URL, agent: http.Agent, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
        if (body.length > MAX_ANSWER_BYTES) request.destroy(new Error("the answer is too long"));
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** @returns null when the answer says that pod and identity are there, else what it lacks. Pure. */
export function judgeAnswer(answer: Answer): string | null {
  if (answer.status !== 200) return `ztunnel answered ${answer.status}`;
  try {
    const pod: unknown = JSON.parse(answer.body);
    if (typeof pod !== "object" || pod === null || !("state" in pod) || !("identity" in pod))
      return "ztunnel's answer names no state";
    if (pod.state !== "Up") return `ztunnel says that the pod is ${JSON.stringify(pod.state)}`;
    return pod.identity === "Available" ? null : `ztunnel says that the identity is ${JSON.stringify(pod.identity)}`;
  } catch {
    return "ztunnel's answer is not JSON"; // a parser's own words would not help the operator
  }
}

/**
 * Asks ztunnel's admin port: `GET /pods/UID`. A proxy that knows `waitMs` answers when the identity is there; others are asked
 * again, soon at first.
 */
export function adminIdentityProbe(o: { readonly admin: string; readonly random: () => number }): IdentityProbe {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  return async (uid, deadlineMs, signal) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    const url = new URL(`/pods/${encodeURIComponent(uid)}?waitMs=${deadlineMs}`, o.admin);
    const pauses = createBackoff({ baseMs: FIRST_PAUSE_MS, maxMs: LONGEST_PAUSE_MS, random: o.random });
    for (let why: string | null = "ztunnel's admin port did not answer"; ;) {
      try {
        why = judgeAnswer(await get(url, agent, limit));
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
