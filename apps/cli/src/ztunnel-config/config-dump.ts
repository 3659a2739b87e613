import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";

// The config dump of a ztunnel, ours or Istio's, of any version: only what the tables read is checked, everything else passes
// through to JSON and YAML output as it came.

const text = z
  .string()
  .nullish()
  .transform((v) => v ?? "");
const texts = z
  .array(z.string())
  .nullish()
  .transform((v) => v ?? []);

/** Older ztunnels dump maps, newer ones arrays. */
function listOf<T extends z.ZodType>(item: T): z.ZodPipe<z.ZodTypeAny, z.ZodArray<T>> {
  const toList = (v: unknown): unknown => {
    if (v === undefined || v === null) return [];
    return typeof v === "object" && !Array.isArray(v) ? Object.values(v) : v;
  };
  return z.preprocess(toList, z.array(item)) as never;
}

const destination = z.looseObject({ destination: text });
const workload = z.looseObject({
  uid: text,
  name: text,
  namespace: text,
  node: text,
  hostname: text,
  protocol: text,
  status: text,
  workloadIps: texts,
  waypoint: destination.nullish(),
});
const service = z.looseObject({
  name: text,
  namespace: text,
  hostname: text,
  vips: texts,
  cidrVips: z
    .array(z.union([z.string(), z.looseObject({ cidr: z.string(), network: text })]))
    .nullish()
    .transform((list) => list?.map((v) => (typeof v === "string" ? v : `${v.network}/${v.cidr}`))),
  waypoint: destination.nullish(),
  endpoints: z
    .record(z.string(), z.looseObject({ workloadUid: text }))
    .nullish()
    .transform((v) => v ?? {}),
});
const policy = z.looseObject({ name: text, namespace: text, action: text, scope: text });
const certificate = z.looseObject({ serialNumber: text, validFrom: text, expirationTime: text });
const certificateEntry = z.looseObject({
  identity: text,
  state: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .nullish()
    .transform((s) => (typeof s === "string" ? s : (Object.keys(s ?? {})[0] ?? ""))),
  certChain: z
    .array(certificate)
    .nullish()
    .transform((v) => v ?? []),
  rootCerts: z.array(certificate).nullish(),
});
const connection = z.looseObject({ src: text, originalDst: text, actualDst: text, protocol: text });
const connections = z
  .array(connection)
  .nullish()
  .transform((v) => v ?? []);
const workloadState = z.looseObject({
  state: text,
  connections: z
    .looseObject({ inbound: connections, outbound: connections })
    .nullish()
    .transform((v) => v ?? { inbound: [], outbound: [] }),
  info: z
    .looseObject({ name: text, namespace: text, trustDomain: text, serviceAccount: text })
    .nullish()
    .transform((v) => v ?? { name: "", namespace: "", trustDomain: "", serviceAccount: "" }),
});
const configDump = z.looseObject({
  workloads: listOf(workload),
  services: listOf(service),
  policies: listOf(policy),
  certificates: listOf(certificateEntry),
  workloadState: z
    .record(z.string(), workloadState)
    .nullish()
    .transform((v) => v ?? {}),
});

export type ConfigDump = z.output<typeof configDump>;
export type DumpWorkload = z.output<typeof workload>;
export type DumpService = z.output<typeof service>;
export type DumpCertificateEntry = z.output<typeof certificateEntry>;
export type DumpCertificate = z.output<typeof certificate>;
export type DumpWorkloadState = z.output<typeof workloadState>;

/**
 * Reads a config dump.
 * @returns BAD_INPUT with what is wrong and where, for text that is no JSON, no object, or has fields of other types
 */
export function parseConfigDump(json: string): Result<ConfigDump> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    return fail(new MeshError(Code.BadInput, `Cannot read config dump: it is no JSON: ${why}`, {}, e));
  }
  const parsed = configDump.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const why = parsed.error.issues.map((i) => `${i.path.join(".") || "(top)"}: ${i.message}`).join("; ");
  return fail(new MeshError(Code.BadInput, `Cannot read config dump: ${why}`));
}
