import { type Resource, parseResource } from "@lateen/resources";
import { object } from "../../read-json.ts";
import type { Json, JsonObject } from "../../suite-driver.ts";

// The suites write objects as short as their tests need them. What every API server would have asked for is filled in here,
// so that the product reads whole objects.

const REQUIRED: Readonly<Record<string, JsonObject>> = {
  Pod: { containers: [{ name: "main" }] },
  Service: {},
  ServiceEntry: { hosts: ["unnamed.example.com"] },
  Gateway: { gatewayClassName: "unnamed" },
  GatewayClass: { controllerName: "unnamed/controller" },
};
/** Label keys that stand under the names which the source gives them. */
const KEYS: Readonly<Record<string, string>> = { "model.TunnelLabel": "networking.istio.io/tunnel" };
const ACTIONS = ["ALLOW", "DENY", "AUDIT", "CUSTOM"] as const;

const optional = (x: Json | undefined): JsonObject => (x === undefined || x === null ? {} : object(x));

function labels(x: Json | undefined): JsonObject {
  return Object.fromEntries(Object.entries(optional(x)).map(([key, value]) => [KEYS[key] ?? key, value]));
}

function listeners(x: Json | undefined): Json {
  if (!Array.isArray(x)) return [];
  return (x as readonly Json[]).map((l, i) => ({ name: `listener-${i}`, ...object(l) }));
}

/** The object as a server would hold it. @param created its age, where it does not say one */
export function wholeObject(raw: JsonObject, created?: string): JsonObject {
  const kind = typeof raw["kind"] === "string" ? raw["kind"] : "";
  const metadata = optional(raw["metadata"]);
  const spec: Record<string, Json> = { ...REQUIRED[kind], ...optional(raw["spec"]) };
  if (typeof spec["action"] === "number") spec["action"] = ACTIONS[spec["action"]] ?? null;
  if (kind === "Gateway") spec["listeners"] = listeners(spec["listeners"]);
  return {
    ...raw,
    metadata: {
      name: "unnamed",
      ...(created === undefined ? {} : { creationTimestamp: created }),
      ...metadata,
      labels: labels(metadata["labels"]),
    },
    ...(REQUIRED[kind] === undefined && raw["spec"] === undefined ? {} : { spec }),
  };
}

/** @throws TypeError for what the product's schemas refuse */
export function readObject(raw: JsonObject, created?: string): Resource {
  const parsed = parseResource(wholeObject(raw, created));
  if (parsed.t === "resource") return parsed.resource;
  throw new TypeError(`the object cannot be read: ${JSON.stringify(parsed).slice(0, 300)}`);
}
