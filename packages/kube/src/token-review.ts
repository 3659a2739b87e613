import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";
import type { ApiClient } from "./api-client.ts";
import { formatFailure } from "./api-failure.ts";

/** Whom a token of the cluster speaks for. */
export interface ReviewedToken {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that it is bound to. */
  readonly pod: { readonly name: string; readonly uid: string } | null;
  readonly node: string | null;
}

export interface TokenReviewOptions {
  readonly client: ApiClient;
  /** A token must be meant for one of them. */
  readonly audiences: readonly string[];
  readonly nowMs: () => number;
  /** How long an answer is remembered: a revoked token is taken so long at most. */
  readonly rememberMs?: { readonly good: number; readonly bad: number };
  /** Questions under way at most (default 100): strangers with made-up tokens must not load the API server. */
  readonly maxAsked?: number;
  /** Answers remembered at most. */
  readonly maxRemembered?: number;
  /** Digest of a token, so that none is kept. */
  readonly digest: (token: string) => string;
}

const extra = z.record(z.string(), z.array(z.string()));
const review = z.looseObject({
  status: z.looseObject({
    authenticated: z.boolean().default(false),
    error: z.string().optional(),
    audiences: z.array(z.string()).default([]),
    user: z
      .looseObject({
        username: z.string().default(""),
        groups: z.array(z.string()).default([]),
        extra: extra.default({}),
      })
      .optional(),
  }),
});

const MAX_TOKEN_CHARS = 16 * 1024;
/** Our clock may be wrong: only what ended long ago is refused by it alone. */
const MAX_SKEW_MS = 3_600_000;
const PREFIX = "authentication.kubernetes.io/";

/**
 * Asks the API server about tokens. Clients that come back in hundreds bring the same tokens: one question for each at a time, and
 * each answer is remembered for some seconds. What is no token at all is refused without a question.
 * @returns a function that gives DENIED with the reason, which is for logs and not for the caller; UNAVAILABLE when nobody could say
 * @see control-plane 1.3, 6.6
 */
export function createTokenReviewer(o: TokenReviewOptions): (token: string) => Promise<Result<ReviewedToken>> {
  const { good, bad } = o.rememberMs ?? { good: 10_000, bad: 2_000 };
  const remembered = new Map<string, { readonly untilMs: number; readonly result: Promise<Result<ReviewedToken>> }>();
  const forget = (): void => {
    const nowMs = o.nowMs();
    for (const [key, { untilMs }] of remembered) if (untilMs <= nowMs) remembered.delete(key);
    for (const key of remembered.keys()) {
      if (remembered.size < (o.maxRemembered ?? 10_000)) break;
      remembered.delete(key); // the oldest first
    }
  };
  let asked = 0;
  return async (token) => {
    const expMs = readExpiry(token);
    if (expMs === null) return deny("it is no token");
    const nowMs = o.nowMs();
    if (expMs + MAX_SKEW_MS <= nowMs) return deny("it has expired");
    const key = o.digest(token);
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.result;
    forget();
    if (asked >= (o.maxAsked ?? 100))
      return fail(new MeshError(Code.Unavailable, "Cannot review a token: too many are under review"));
    asked += 1;
    const result = ask(o, token).finally(() => (asked -= 1));
    remembered.set(key, { untilMs: Infinity, result });
    const outcome = await result.catch((error: unknown) => {
      remembered.delete(key);
      throw error;
    });
    const keepMs = outcome.ok ? good : MeshError.is(outcome.error, Code.Denied) ? bad : 0;
    remembered.set(key, { untilMs: o.nowMs() + keepMs, result });
    return outcome;
  };
}

/** When the token says that it ends; the server has the last word. @returns milliseconds since the epoch; null: it is no JWT */
function readExpiry(token: string): number | null {
  if (token.length > MAX_TOKEN_CHARS) return null;
  const parts = token.split(".");
  if (parts.length !== 3 || parts.some((p) => !/^[A-Za-z0-9_-]+$/.test(p))) return null;
  try {
    const claims: unknown = JSON.parse(atob(parts[1]!.replaceAll("-", "+").replaceAll("_", "/")));
    const { exp } = claims as { readonly exp?: unknown };
    return typeof exp === "number" ? exp * 1_000 : Infinity;
  } catch {
    return null; // not base64, or not JSON
  }
}

async function ask(o: TokenReviewOptions, token: string): Promise<Result<ReviewedToken>> {
  const answer = await o.client.json({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences: o.audiences },
    },
    deadlineMs: 10_000,
  });
  if (!answer.ok) return fail(new MeshError(Code.Unavailable, `Cannot review a token: ${formatFailure(answer.error)}`));
  const parsed = review.safeParse(answer.value);
  if (!parsed.success)
    return fail(new MeshError(Code.Unavailable, "Cannot review a token: the answer is no TokenReview"));
  return judge(parsed.data.status, o.audiences);
}

function judge(status: z.output<typeof review>["status"], wanted: readonly string[]): Result<ReviewedToken> {
  const { authenticated, error, audiences, user } = status;
  if (!authenticated || user === undefined)
    return deny(error === undefined || error === "" ? "the API server does not know it" : error);
  // A server that knows nothing of audiences leaves them out: it has not checked them.
  if (!audiences.some((a) => wanted.includes(a))) return deny(`it is not for audience ${wanted.join(" or ")}`);
  if (!user.groups.includes("system:serviceaccounts")) return deny("it is not of a service account");
  const [system, what, namespace, serviceAccount, ...more] = user.username.split(":");
  if (system !== "system" || what !== "serviceaccount" || !namespace || !serviceAccount || more.length > 0)
    return deny("its user is not a service account");
  const first = (key: string): string => user.extra[`${PREFIX}${key}`]?.[0] ?? "";
  const pod = { name: first("pod-name"), uid: first("pod-uid") };
  const node = first("node-name");
  return ok({
    namespace,
    serviceAccount,
    pod: pod.name === "" || pod.uid === "" ? null : pod,
    node: node === "" ? null : node,
  });
}

const deny = (why: string): Result<never> =>
  fail(new MeshError(Code.Denied, `Cannot accept token: ${why.slice(0, 500)}`));
