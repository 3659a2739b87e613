import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";
import type { JsonMap } from "./json.ts";

const text = z.string().max(4_096);
const anyMap = z.record(z.string(), z.json()).transform((map): JsonMap => map as JsonMap);
const anyList = z.array(z.json()).max(1_000);
/** Charts write numbers where texts are meant. */
const scalar = z.union([text, z.number()]).transform(String);

const proxy = z.looseObject({
  image: text.default("proxyv2"),
  clusterDomain: text.default("cluster.local"),
  logLevel: text.default("warning"),
  componentLogLevel: text.default("misc:error"),
  outlierLogPath: text.default(""),
  resources: anyMap.nullish(),
  lifecycle: anyMap.nullish(),
});
const waypoint = z.looseObject({
  resources: anyMap.nullish(),
  affinity: anyMap.nullish(),
  topologySpreadConstraints: anyList.nullish(),
  nodeSelector: anyMap.nullish(),
  tolerations: anyList.nullish(),
});
const global = z.looseObject({
  hub: text.default(""),
  tag: scalar.default(""),
  variant: text.default(""),
  imagePullPolicy: text.default(""),
  imagePullSecrets: z.array(text).max(100).default([]),
  network: text.default(""),
  meshID: text.default(""),
  trustDomain: text.default(""),
  caAddress: text.default(""),
  istioNamespace: text.default("istio-system"),
  pilotCertProvider: text.default("istiod"),
  platform: text.nullish(),
  trustBundleName: text.nullish(),
  logAsJson: z.boolean().default(false),
  multiCluster: z.looseObject({ clusterName: text.default("") }).prefault({}),
  logging: z.looseObject({ level: text.default("default:info") }).prefault({}),
  proxy: proxy.prefault({}),
  waypoint: waypoint.prefault({}),
});
const values = z.looseObject({
  revision: text.default(""),
  global: global.prefault({}),
  gateways: z.looseObject({ securityContext: anyMap.nullish(), seccompProfile: anyMap.nullish() }).prefault({}),
});

/** The values of the chart that matter to Gateways, under the names that they have there (cli-and-chart 5.4). */
export type InstallValues = z.output<typeof values>;

/**
 * Reads installation values. What is missing has the chart's default, but for sizes: without `resources` none are set.
 * @returns BAD_INPUT naming every value that cannot be used
 */
export function parseInstallValues(value: unknown): Result<InstallValues> {
  const parsed = values.safeParse(value ?? {});
  if (parsed.success) return ok(parsed.data);
  const why = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).slice(0, 10);
  return fail(new MeshError(Code.BadInput, `Cannot use the installation's values: ${why.join("; ")}`));
}

/** What holds while an installation says nothing: the chart's defaults, sizes of waypoints included. */
export const DEFAULT_VALUES: InstallValues = values.parse({
  global: {
    waypoint: { resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2", memory: "1Gi" } } },
    proxy: { resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2", memory: "1Gi" } } },
  },
});
