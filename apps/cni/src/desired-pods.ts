import { parseIp } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";

const MAX_PODS = 4096;
const name = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "is not a Kubernetes name");

const Pod = z.object({
  uid: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "is not a pod UID"),
  name,
  namespace: name,
  serviceAccount: name,
  ips: z.array(z.string().refine((text) => parseIp(text).ok, "is not an IP address")).max(16),
  netns: z.string().regex(/^\/[^\0]{1,1023}$/, "is not an absolute path"),
  annotations: z.record(z.string().max(512), z.string().max(262_144)).default({}),
});

/** A pod that must be enrolled. */
export type DesiredPod = Readonly<z.output<typeof Pod>>;

const Pods = z.object({ pods: z.array(Pod).max(MAX_PODS) }).superRefine(({ pods }, context) => {
  const seen = new Set<string>();
  for (const [i, pod] of pods.entries()) {
    if (seen.has(pod.uid)) context.addIssue({ code: "custom", path: ["pods", i, "uid"], message: "occurs twice" });
    seen.add(pod.uid);
  }
});

/** @returns the whole desired set, or BAD_INPUT naming every fault by its path */
export function parseDesiredPods(text: string): Result<readonly DesiredPod[]> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (e) {
    return fail(new MeshError(Code.BadInput, "Cannot parse pods: the body is not JSON", {}, e));
  }
  const r = Pods.safeParse(json);
  if (r.success) return ok(r.data.pods);
  const why = r.error.issues.slice(0, 20).map((i) => `${path(i.path)}: ${i.message}`);
  return fail(
    new MeshError(Code.BadInput, `Cannot parse pods: ${why.join("; ")}`, { problems: r.error.issues.length }),
  );
}

const path = (keys: readonly PropertyKey[]): string =>
  keys.map((k, i) => (typeof k === "number" ? `[${k}]` : `${i === 0 ? "" : "."}${String(k)}`)).join("") || "body";
