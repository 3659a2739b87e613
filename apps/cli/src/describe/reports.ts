import { Code, MeshError } from "@lateen/errors";
import type { PolicyReport, ServiceReport } from "@lateen/translation";
import { z } from "zod";

/** What the mesh makes of policies and services, by `namespace/name` and `namespace/hostname`. */
export interface Reports {
  readonly policies: readonly ShownPolicy[];
  readonly services: readonly ShownService[];
}
/** Of a policy what is shown. */
export type ShownPolicy = Pick<PolicyReport, "key" | "action" | "reach" | "targets" | "rules" | "summary">;
export type ShownService = ServiceReport & { readonly key: string };

const target = z.looseObject({ target: z.string(), bound: z.boolean(), message: z.string() });
const rule = z.looseObject({
  index: z.number(),
  enforcedBy: z.enum(["ztunnel", "waypoint", "nobody"]),
  extent: z.enum(["whole", "part", "none"]),
  dropped: z.array(z.string()),
  why: z.string(),
});
const policies = z.record(
  z.string(),
  z.looseObject({
    key: z.string(),
    action: z.string(),
    reach: z.string(),
    targets: z.array(target),
    rules: z.array(rule),
    summary: z.string(),
  }),
);
const services = z.record(
  z.string(),
  z.looseObject({
    object: z.string(),
    canonical: z.boolean(),
    visibility: z.string(),
    waypoint: z.string().nullable(),
    waypointProblem: z.string().nullable(),
    enforced: z.array(z.string()),
    unenforced: z.array(z.string()),
    bypasses: z.array(z.string()),
  }),
);

/**
 * Reads what a control plane shows on `/debug/policies` or `/debug/services`.
 * @throws MeshError BAD_INPUT saying what the text is not
 */
export function parseReports(text: string, page: "policies" | "services"): Reports {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (e) {
    throw new MeshError(Code.BadInput, `Cannot read the page: it is no JSON: ${String(e)}`, {}, e);
  }
  const parsed = (page === "policies" ? policies : services).safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
    throw new MeshError(Code.BadInput, `Cannot read the page: it is no /debug/${page}: ${where}`);
  }
  const entries = Object.entries(parsed.data).map(([key, value]) => ({ ...value, key }));
  return page === "policies"
    ? { policies: entries as unknown as readonly ShownPolicy[], services: [] }
    : { policies: [], services: entries as unknown as readonly ShownService[] };
}

/** Those of a name, `NAME[.NAMESPACE]` or `NAMESPACE/NAME`; all without one. @throws MeshError BAD_INPUT when there is none */
export function chosen<T extends { readonly key: string }>(
  all: readonly T[],
  o: { readonly name: string | undefined; readonly namespace: string; readonly what: string },
): readonly T[] {
  const inNamespace = all.filter(({ key }) => o.namespace === "" || key.startsWith(`${o.namespace}/`));
  const { name } = o;
  if (name === undefined) return inNamespace;
  const found = inNamespace.filter(({ key }) => isCalled(key, name));
  if (found.length > 0) return found;
  throw new MeshError(Code.BadInput, `Cannot find ${o.what} "${name}": the mesh has none of that name`);
}

/** @param key `namespace/name`; the name of a service is its hostname, which may be shortened to its first label */
function isCalled(key: string, name: string): boolean {
  const [namespace = "", own = ""] = key.split("/", 2);
  const first = own.split(".")[0] ?? own;
  return [own, key, `${own}.${namespace}`, first, `${namespace}/${first}`, `${first}.${namespace}`].includes(name);
}
