import { suggest } from "@lateen/errors";
import type { ObjectName } from "@lateen/local-mesh";
import { type Kind, namespaceOf, schemas } from "@lateen/resources";
import { UsageError } from "../command.ts";

/** As `kubectl api-resources` and Istio have them. */
const SHORT = {
  Namespace: "ns",
  ServiceAccount: "sa",
  Pod: "po",
  Service: "svc",
  Node: "no",
  Deployment: "deploy",
  ServiceEntry: "se",
  WorkloadEntry: "we",
  AuthorizationPolicy: "ap",
  PeerAuthentication: "pa",
  Gateway: "gtw",
  GatewayClass: "gc",
} as const satisfies Partial<Record<Kind, string>>;

const KINDS = Object.keys(schemas) as Kind[];

function wordsOf(kind: Kind): readonly string[] {
  const lower = kind.toLowerCase();
  const plural = lower.endsWith("y") ? `${lower.slice(0, -1)}ies` : lower.endsWith("s") ? `${lower}es` : `${lower}s`;
  const short = (SHORT as Partial<Record<Kind, string>>)[kind];
  return [lower, plural, ...(short === undefined ? [] : [short])];
}

/**
 * `KIND NAME...` or `KIND/NAME...`, with kinds in any case, in the plural or short as kubectl takes them.
 * @throws UsageError for a kind that there is not, or a name that is missing
 */
export function parseObjectNames(words: readonly string[], namespace: string): readonly ObjectName[] {
  const [first, ...names] = words;
  if (first === undefined) throw new UsageError("need --filename (-f), KIND NAME or KIND/NAME");
  const pairs = first.includes("/") ? words.map(slashed) : names.map((name) => [first, name] as const);
  if (pairs.length === 0) throw new UsageError(`need a name after ${first}`);
  return pairs.map(([word, name]) => {
    const kind = kindOf(word);
    return { kind, namespace: namespaceOf({ kind, metadata: { namespace } }), name };
  });
}

function slashed(word: string): readonly [kind: string, name: string] {
  const [kind = "", name = "", ...more] = word.split("/");
  if (kind === "" || name === "" || more.length > 0) throw new UsageError(`invalid argument "${word}": need KIND/NAME`);
  return [kind, name];
}

function kindOf(word: string): Kind {
  const lower = word.toLowerCase();
  const kind = KINDS.find((k) => wordsOf(k).includes(lower));
  if (kind !== undefined) return kind;
  throw new UsageError(
    `unknown kind "${word}": ${suggest(
      lower,
      KINDS.map((k) => k.toLowerCase()),
    )}`,
  );
}
