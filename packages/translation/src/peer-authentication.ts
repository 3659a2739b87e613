import type { Authorization, Match, Rule } from "@lateen/policy";
import { type MtlsMode, type PeerAuthentication, labelsMatch } from "@lateen/resources";
import { EMPTY_MATCH } from "./policy-values.ts";

export const STATIC_STRICT = "istio_converted_static_strict";
const CONVERTED_PREFIX = "converted_peer_authentication_";

/** What a workload demands of its peers: the mode for all ports, and the ports that differ from it. */
export interface EffectiveMtls {
  readonly mode: "STRICT" | "PERMISSIVE";
  /** The workload's own PeerAuthentication, when one selects it. */
  readonly selected: PeerAuthentication | null;
}

const isSelector = (pa: PeerAuthentication): boolean => Object.keys(pa.spec.selector?.matchLabels ?? {}).length > 0;
const namespaceOf = (pa: PeerAuthentication): string => pa.metadata.namespace ?? "";
const modeOf = (pa: PeerAuthentication | null): MtlsMode => pa?.spec.mtls?.mode ?? "UNSET";

/** The oldest counts, then the first by name: so that the answer never depends on arrival. */
export function oldest(all: readonly PeerAuthentication[]): PeerAuthentication | null {
  const age = (pa: PeerAuthentication): string => `${pa.metadata.creationTimestamp ?? ""} ${pa.metadata.name}`;
  return [...all].sort((a, b) => (age(a) < age(b) ? -1 : 1))[0] ?? null;
}

/**
 * Mesh, then namespace, then workload; what is unset inherits, and nothing set means PERMISSIVE. DISABLE counts as PERMISSIVE
 * where ztunnel terminates (control-plane 4.4).
 */
export function effectiveMtls(
  all: readonly PeerAuthentication[],
  workload: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
  rootNamespace: string,
): EffectiveMtls {
  const mesh = oldest(all.filter((pa) => namespaceOf(pa) === rootNamespace && !isSelector(pa)));
  const inNamespace = all.filter((pa) => namespaceOf(pa) === workload.namespace);
  const namespace = workload.namespace === rootNamespace ? null : oldest(inNamespace.filter((pa) => !isSelector(pa)));
  const selected = oldest(
    inNamespace.filter((pa) => isSelector(pa) && labelsMatch(pa.spec.selector?.matchLabels, workload.labels)),
  );
  const set = [selected, namespace, mesh].map(modeOf).find((mode) => mode !== "UNSET") ?? "PERMISSIVE";
  return { mode: set === "STRICT" ? "STRICT" : "PERMISSIVE", selected };
}

const noPrincipal: Match = { ...EMPTY_MATCH, notPrincipals: [{ t: "presence" }] };

/** Refuses every peer without an identity; attached by name to workloads in STRICT mode (control-plane 4.4). */
export function staticStrict(rootNamespace: string): Authorization {
  return {
    name: STATIC_STRICT,
    namespace: rootNamespace,
    scope: "WorkloadSelector",
    action: "Deny",
    rules: [{ clauses: [{ matches: [noPrincipal] }] }],
    dryRun: false,
  };
}

function portsWith(pa: PeerAuthentication, strict: boolean): readonly number[] {
  return Object.entries(pa.spec.portLevelMtls ?? {})
    .flatMap(([port, mtls]) => {
      const mode = mtls?.mode ?? "UNSET";
      return mode !== "UNSET" && (mode === "STRICT") === strict ? [Number(port)] : [];
    })
    .sort((a, b) => a - b);
}

function portRules(pa: PeerAuthentication, mode: EffectiveMtls["mode"]): readonly Rule[] {
  if (mode === "PERMISSIVE")
    return portsWith(pa, true).map((port) => ({
      clauses: [{ matches: [{ ...noPrincipal, destinationPorts: [port] }] }],
    }));
  const open = portsWith(pa, false);
  if (open.length === 0) return [];
  const but = open.map((port) => ({ matches: [{ ...EMPTY_MATCH, notDestinationPorts: [port] }] }));
  // As Istio orders them: the workload's own mode first, an inherited one last.
  const strict = { matches: [noPrincipal] };
  return [{ clauses: modeOf(pa) === "STRICT" ? [strict, ...but] : [...but, strict] }];
}

/**
 * The policy that a workload's own PeerAuthentication needs because some ports differ, or null when its mode says all.
 * @param mode the effective mode of the workloads that it selects
 */
export function convertPeerAuthentication(
  pa: PeerAuthentication,
  mode: EffectiveMtls["mode"],
  rootNamespace: string,
): Authorization | null {
  const namespace = namespaceOf(pa);
  if (!isSelector(pa) || namespace === rootNamespace) return null;
  const rules = portRules(pa, mode);
  if (rules.length === 0) return null;
  const name = `${CONVERTED_PREFIX}${pa.metadata.name}`;
  return { name, namespace, scope: "WorkloadSelector", action: "Deny", rules, dryRun: false };
}

/** Keys of the policies that enforce a workload's mode; the mode is computed once for making and for attaching them. */
export function mtlsPolicyKeys(mtls: EffectiveMtls, rootNamespace: string): readonly string[] {
  const own = mtls.selected && convertPeerAuthentication(mtls.selected, mtls.mode, rootNamespace);
  if (own) return [`${own.namespace}/${own.name}`];
  return mtls.mode === "STRICT" ? [`${rootNamespace}/${STATIC_STRICT}`] : [];
}
