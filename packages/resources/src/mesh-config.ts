import { parseCidr } from "@lateen/addresses";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";
import { formatPath } from "./field-problem.ts";
import { labelSelector, list, text } from "./metadata.ts";
import { plainCopy } from "./plain-copy.ts";

const visibility = z.enum(["NONE", "NAMESPACE", "PUBLIC"]);
export type EntryVisibility = z.output<typeof visibility>;

/** Fields that nothing here reads are let through: a MeshConfig of a full Istio holds many. */
const schema = z.looseObject({
  trustDomain: text.min(1).max(253).default("cluster.local"),
  trustDomainAliases: list(text).default([]),
  rootNamespace: text.min(1).max(63).default("istio-system"),
  /** Selectors on Namespaces, any of which lets a namespace be seen; none: all are. */
  discoverySelectors: list(labelSelector).default([]),
  serviceEntryVisibility: z
    .looseObject({
      defaultVisibility: visibility.optional(),
      policies: list(
        z.looseObject({
          visibility: visibility.optional(),
          matchingRules: list(z.looseObject({ namespaceSelector: labelSelector.optional() })).default([]),
        }),
      ).default([]),
    })
    .optional(),
  serviceScopeConfigs: list(
    z.looseObject({
      namespaceSelector: labelSelector.optional(),
      servicesSelector: labelSelector.optional(),
      scope: z.enum(["LOCAL", "GLOBAL"]).default("LOCAL"),
    }),
  ).default([]),
});
export type MeshConfig = z.output<typeof schema>;

const cidr = text.refine((t) => parseCidr(t).ok, {
  error: (issue) => `${JSON.stringify(issue.input)} is not an IP block`,
});
const networks = z.looseObject({
  networks: z
    .record(
      z.string().max(253),
      z.looseObject({
        endpoints: list(z.looseObject({ fromCidr: cidr.optional(), fromRegistry: text.optional() })).default([]),
      }),
    )
    .default({}),
});
/** Which addresses and clusters belong to which network. */
export type MeshNetworks = z.output<typeof networks>;

/**
 * The fields of a MeshConfig that are read, with Istio's defaults.
 * @returns BAD_INPUT naming every field that cannot be used
 * @see control-plane 7.7
 */
export const parseMeshConfig = (value: unknown): Result<MeshConfig> => read(schema, value, "MeshConfig");
/** @returns BAD_INPUT naming every field that cannot be used */
export const parseMeshNetworks = (value: unknown): Result<MeshNetworks> => read(networks, value, "meshNetworks");

function read<T extends z.ZodType>(as: T, value: unknown, what: string): Result<z.output<T>> {
  const copy = plainCopy(value ?? {});
  if (!copy.ok) return fail(new MeshError(Code.BadInput, `Cannot use ${what}: ${copy.problem.message}`));
  const parsed = as.safeParse(copy.value);
  if (parsed.success) return ok(parsed.data);
  const problems = parsed.error.issues.map(
    (i) => `${formatPath(i.path.map((p) => (typeof p === "number" ? p : String(p))))}: ${i.message}`,
  );
  return fail(new MeshError(Code.BadInput, `Cannot use ${what}: ${problems.slice(0, 10).join("; ")}`));
}
