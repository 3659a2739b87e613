import {
  type CustomKindName,
  type CustomSpecs,
  LIMITS,
  checkSpec,
  customKinds,
  isDryRun,
  parseResource,
  plainCopy,
} from "@lateen/resources";
import { checkSelector } from "./attachment.ts";
import { checkAuthorizationPolicy } from "./authorization-policy.ts";
import { checkDestinationRule } from "./destination-rule.ts";
import { checkEnvoyFilter } from "./envoy-filter.ts";
import { checkTrafficExtension, checkWasmPlugin } from "./extensions.ts";
import { Findings, type Review, quoted } from "./findings.ts";
import { checkIstioGateway } from "./gateway.ts";
import type { ObjectContext, Release } from "./object-context.ts";
import { checkRequestAuthentication } from "./request-authentication.ts";
import { checkServiceEntry } from "./service-entry.ts";
import { checkSidecar } from "./sidecar.ts";
import { checkTelemetry } from "./telemetry.ts";
import { checkVirtualService } from "./virtual-service.ts";
import { checkWorkloadEntry, checkWorkloadGroup } from "./workload-entry.ts";

type Check<K extends CustomKindName> = (spec: CustomSpecs[K], f: Findings, object: ObjectContext) => void;

/** What of each kind is checked beyond its schema. */
const CHECKS: { readonly [K in CustomKindName]: Check<K> } = {
  AuthorizationPolicy: checkAuthorizationPolicy,
  PeerAuthentication: (spec, f) => checkSelector(spec.selector, f.at("selector")),
  RequestAuthentication: checkRequestAuthentication,
  DestinationRule: checkDestinationRule,
  EnvoyFilter: checkEnvoyFilter,
  Gateway: checkIstioGateway,
  ProxyConfig: (spec, f) => checkSelector(spec.selector, f.at("selector")),
  ServiceEntry: checkServiceEntry,
  Sidecar: checkSidecar,
  VirtualService: checkVirtualService,
  WorkloadEntry: (spec, f) => checkWorkloadEntry(spec, f, { names: null, addresses: "IP or name" }),
  WorkloadGroup: checkWorkloadGroup,
  Telemetry: checkTelemetry,
  TrafficExtension: checkTrafficExtension,
  WasmPlugin: checkWasmPlugin,
};

const FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata", "spec", "status"]);
/** For whoever wants to know whether objects are checked at all: one with it is refused. */
const ALWAYS_REJECT = "internal.istio.io/webhook-always-reject";
/** Set by a control plane on what it makes itself; in the hands of a user they would reach beyond the namespace. */
const RESERVED = ["internal.istio.io/parents", "internal.istio.io/parent-namespace"] as const;
const DRY_RUN = "istio.io/dry-run";

/**
 * Everything that is wrong with an object, and what its author should know. Kinds of Istio's API are checked by their schema and
 * then as Istio checks them; other kinds that are read here by their schema; kinds that nothing here reads are let through.
 * Never throws, and costs no more than `LIMITS` allow, whatever the value is.
 * @param o.release whose rules apply, where releases of Istio differ
 * @see control-plane 7.2
 */
export function validateObject(raw: unknown, o: { readonly release?: Release } = {}): Review {
  const copy = plainCopy(raw);
  if (!copy.ok) return refused(copy.problem.message);
  const object = record(copy.value);
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return bySchema(raw);
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  if (isKnownKind(object)) return reviewCustom(kind as CustomKindName, record(raw), object, o.release ?? "newest");
  if (isIstioGroup(group)) return refused(`${quoted(kind)} of ${quoted(apiVersion)} is not a kind of Istio's API`);
  return bySchema(raw);
}

function bySchema(raw: unknown): Review {
  const parsed = parseResource(raw);
  return { errors: parsed.t === "invalid" ? parsed.problems : [], warnings: [] };
}

/** Whether an object says that it is of a kind of Istio's API. */
export function isKnownKind(object: unknown): boolean {
  const { apiVersion, kind } = record(object);
  if (typeof apiVersion !== "string" || typeof kind !== "string") return false;
  return Object.hasOwn(customKinds, kind) && apiVersion.startsWith(`${customKinds[kind as CustomKindName].group}/`);
}

/** Groups of which every kind is checked here. */
const isIstioGroup = (group: string): boolean => Object.values(customKinds).some((custom) => custom.group === group);

const refused = (message: string): Review => ({ errors: [{ path: [], message }], warnings: [] });

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** @param raw the object as it came, whose nulls count within maps @param object without nulls */
function reviewCustom<K extends CustomKindName>(
  kind: K,
  raw: Readonly<Record<string, unknown>>,
  object: Readonly<Record<string, unknown>>,
  release: Release,
): Review {
  const f = new Findings();
  for (const field of Object.keys(object).slice(0, LIMITS.problems))
    if (!FIELDS.has(field)) f.at(field).error("is not a known field");
  const metadata = record(object["metadata"]);
  const context: ObjectContext = {
    name: typeof metadata["name"] === "string" ? metadata["name"] : "",
    namespace: typeof metadata["namespace"] === "string" ? metadata["namespace"] : "default",
    labels: texts(metadata["labels"]),
    annotations: texts(metadata["annotations"]),
    release,
  };
  const checked = checkSpec(kind, raw["spec"]);
  if (checked.ok) CHECKS[kind](checked.spec, f.at("spec"), context);
  else f.at("spec").take({ errors: checked.problems, warnings: [] });
  checkAnnotations(kind, context.annotations, checked.ok ? checked.spec : {}, f.at("metadata", "annotations"));
  return f.review();
}

const texts = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );

function checkAnnotations(
  kind: CustomKindName,
  annotations: Readonly<Record<string, string>>,
  spec: object,
  f: Findings,
): void {
  if (Object.hasOwn(annotations, ALWAYS_REJECT)) f.at(ALWAYS_REJECT).error("an object with it is always refused");
  for (const name of RESERVED) if (Object.hasOwn(annotations, name)) f.at(name).error("cannot be set by users");
  if (!Object.hasOwn(annotations, DRY_RUN)) return;
  if (kind !== "AuthorizationPolicy") return f.at(DRY_RUN).error(`has no meaning on a ${kind}`);
  const { action } = spec as { readonly action?: string };
  if (action === "AUDIT" || action === "CUSTOM") f.at(DRY_RUN).error(`cannot be used with ${action}`);
  else if (isDryRun(annotations) === null) f.at(DRY_RUN).error("must be true or false");
}
