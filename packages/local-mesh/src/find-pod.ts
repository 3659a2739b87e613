import { Code, MeshError, nearest, suggest } from "@lateen/errors";

/** A pod as names are looked up among. */
export interface FindablePod {
  readonly namespace: string;
  readonly name: string;
  readonly deployment: string | null;
  readonly ready: boolean;
}

/**
 * The pod that a name stands for: `[TYPE/]NAME[.NAMESPACE]` or `NAMESPACE/NAME`, where NAME is a pod's or a Deployment's. Among
 * several the first that is ready, by name. The namespace may be left out while the name is one namespace's.
 * @throws MeshError NO_ROUTE when there is none, BAD_INPUT when several namespaces have one
 */
export function findPod<P extends FindablePod>(pods: readonly P[], text: string): P {
  const asked = parseName(text);
  const named = pods.filter((p) => asked.namespace === null || p.namespace === asked.namespace);
  const exact = asked.type === "deployment" ? [] : named.filter((p) => p.name === asked.name);
  const found = exact.length > 0 || asked.type === "pod" ? exact : named.filter((p) => p.deployment === asked.name);
  const [best] = [...found].sort((a, b) => Number(b.ready) - Number(a.ready) || (a.name < b.name ? -1 : 1));
  if (best === undefined) throw new MeshError(Code.NoRoute, `Cannot find pod "${text}": ${hint(pods, asked)}`);
  const namespaces = [...new Set(found.map((p) => p.namespace))];
  if (namespaces.length > 1)
    throw new MeshError(
      Code.BadInput,
      `Cannot tell which pod "${text}" is: there is one in ${namespaces.join(" and ")}; say ${asked.name}.NAMESPACE`,
    );
  return best;
}

interface AskedName {
  readonly type: "pod" | "deployment" | null;
  readonly name: string;
  readonly namespace: string | null;
}

const TYPES: Readonly<Record<string, "pod" | "deployment">> = {
  pod: "pod",
  pods: "pod",
  po: "pod",
  deployment: "deployment",
  deployments: "deployment",
  deploy: "deployment",
};

function parseName(text: string): AskedName {
  const slash = text.indexOf("/");
  const before = slash < 0 ? "" : text.slice(0, slash);
  const rest = text.slice(slash + 1);
  const type = TYPES[before] ?? null;
  if (before !== "" && type === null) return { type: null, name: rest, namespace: before };
  const dot = rest.lastIndexOf(".");
  return { type, name: dot < 0 ? rest : rest.slice(0, dot), namespace: dot < 0 ? null : rest.slice(dot + 1) };
}

/** The nearest of the names that exist: of those alike but for the namespace, else of all. */
function hint(pods: readonly FindablePod[], asked: AskedName): string {
  if (pods.length === 0) return "the mesh has no pods";
  const deployments = pods.flatMap((p) => (p.deployment === null ? [] : [{ ...p, name: p.deployment }]));
  const known = asked.type === "pod" ? pods : asked.type === "deployment" ? deployments : [...deployments, ...pods];
  const full = (p: { readonly name: string; readonly namespace: string }): string => `${p.name}.${p.namespace}`;
  const alike = known.filter((p) => p.name === asked.name);
  if (alike.length > 0) return suggest(full({ ...asked, namespace: asked.namespace ?? "" }), distinct(alike.map(full)));
  const close = nearest(
    asked.name,
    known.map((p) => p.name),
  );
  const best = known.find((p) => p.name === close);
  return suggest(best === undefined ? "" : full(best), distinct(known.map(full)));
}

const distinct = (names: readonly string[]): readonly string[] => [...new Set(names)];
