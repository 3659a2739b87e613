import { ipFromBytes } from "@lateen/addresses";
import type { Authorization, Match, StringMatch } from "@lateen/policy";
import type { AuthorizationPolicy, PeerAuthentication } from "@lateen/resources";
import { convertAuthorizationPolicy, convertPeerAuthentication, effectiveMtls } from "@lateen/translation";
import { object, text } from "../read-json.ts";
import { type JsonObject, type SuiteDriver, compare } from "../suite-driver.ts";

const SCOPE = { Global: undefined, Namespace: "NAMESPACE", WorkloadSelector: "WORKLOAD_SELECTOR" } as const;

const stringMatch = (m: StringMatch): unknown => (m.t === "presence" ? { presence: {} } : { [m.t]: m.value });

function match(m: Match): unknown {
  const shown = Object.entries(m).flatMap(([name, values]: [string, readonly unknown[]]) => {
    if (values.length === 0) return [];
    if (/namespaces|principals/i.test(name)) return [[name, (values as readonly StringMatch[]).map(stringMatch)]];
    if (!/Ips$/i.test(name)) return [[name, values]];
    const blocks = values as Match["sourceIps"];
    return [[name, blocks.map(({ network, length }) => ({ address: ipFromBytes(network), length }))]];
  });
  return Object.fromEntries(shown);
}

/** As proto-JSON writes it, by the names of the control plane's copy of the schema; defaults are left out. */
function protoJson(a: Authorization | null): unknown {
  if (a === null) return null;
  const groups = a.rules.map(({ clauses }) => ({
    ...(clauses.length === 0 ? {} : { rules: clauses.map(({ matches }) => ({ matches: matches.map(match) })) }),
  }));
  return {
    name: a.name || undefined,
    namespace: a.namespace || undefined,
    scope: SCOPE[a.scope],
    action: a.action === "Deny" ? "DENY" : undefined,
    groups: groups.length === 0 ? undefined : groups,
    dryRun: a.dryRun || undefined,
  };
}

/** Of several PeerAuthentications the one that selects workloads is converted, in the light of the others. */
function convertPeers(objects: readonly PeerAuthentication[], rootNamespace: string): Authorization | null {
  const last = objects.find((pa) => pa.spec.selector !== undefined) ?? objects.at(-1);
  if (last === undefined) throw new TypeError("the case has no object");
  const workload = { namespace: last.metadata.namespace ?? "", labels: last.spec.selector?.matchLabels ?? {} };
  const { mode } = effectiveMtls(objects, workload, rootNamespace);
  return convertPeerAuthentication(last, mode, rootNamespace);
}

export const driver: SuiteDriver = {
  suite: "policy-conversion",
  judge({ input, expected }) {
    const rootNamespace = text(input["rootNamespace"]);
    const objects = input["objects"] as unknown as readonly JsonObject[];
    const wanted = object(expected)["authorization"] ?? null;
    const [first] = objects;
    if (first === undefined) throw new TypeError("the case has no object");
    if (first["kind"] === "PeerAuthentication")
      return compare(
        protoJson(convertPeers(objects as unknown as readonly PeerAuthentication[], rootNamespace)),
        wanted,
      );
    // The cases are what Istio sends, an empty Match for HTTP-only parts of a DENY rule included.
    const o = { rootNamespace, dryRun: false, httpOnlyDeny: "as-istio" } as const;
    return compare(
      protoJson(convertAuthorizationPolicy(first as unknown as AuthorizationPolicy, o).authorization),
      wanted,
    );
  },
};
