import { z } from "zod";
import type { FieldProblem } from "./field-problem.ts";
import { maybe } from "./istio-fields.ts";
import { connectionPool, localityLbSetting, outlierDetection, zoneAwareLbSetting } from "./kinds/traffic-policy.ts";
import { list, text } from "./metadata.ts";
import { plainCopy } from "./plain-copy.ts";
import { schemaProblems } from "./schema-problems.ts";

// The parts of a MeshConfig and of meshNetworks that have rules of their own. What is not named here is let through.

const meshPieces = z.looseObject({
  trustDomain: text.optional(),
  trustDomainAliases: list(text).optional(),
  defaultTrafficPolicy: maybe(
    z.looseObject({ connectionPool: connectionPool.optional(), outlierDetection: outlierDetection.optional() }),
  ),
  serviceSettings: list(z.looseObject({ hosts: list(text).optional() })).optional(),
  localityLbSetting: maybe(localityLbSetting),
  zoneAwareLbSetting: maybe(zoneAwareLbSetting),
});
export type MeshPieces = z.output<typeof meshPieces>;

const networks = z.looseObject({
  networks: z
    .record(
      text,
      z.looseObject({
        endpoints: list(z.looseObject({ fromCidr: text.optional(), fromRegistry: text.optional() })).optional(),
        gateways: list(
          z.looseObject({
            registryServiceName: text.optional(),
            address: text.optional(),
            port: z.number().optional(),
          }),
        ).optional(),
      }),
    )
    .optional(),
});
export type NetworkPieces = z.output<typeof networks>;

type Checked<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly FieldProblem[] };

export const checkMeshPieces = (raw: unknown): Checked<MeshPieces> => check<MeshPieces>(meshPieces, raw);
export const checkMeshNetworks = (raw: unknown): Checked<NetworkPieces> => check<NetworkPieces>(networks, raw);

function check<T>(schema: z.ZodType, raw: unknown): Checked<T> {
  const copy = plainCopy(raw ?? {});
  if (!copy.ok) return { ok: false, problems: [copy.problem] };
  const parsed = schema.safeParse(copy.value);
  if (parsed.success) return { ok: true, value: parsed.data as T };
  return { ok: false, problems: schemaProblems(parsed.error, copy.value) };
}
