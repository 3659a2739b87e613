import { z } from "zod";
import { oneof, onlyOneOf, rule } from "../crd/rule.ts";
import { anyObject, int32, labelsSelector, portNumber, targetRefs, uint32, word, wordMap } from "../istio-fields.ts";
import { list } from "../metadata.ts";

const named = z.strictObject({ name: word });
const filter = z.strictObject({ name: word, subFilter: named.optional() }).optional();
const listener = z.strictObject({
  portNumber: uint32.optional(),
  portName: word,
  filterChain: z
    .strictObject({
      name: word,
      sni: word,
      transportProtocol: word,
      applicationProtocols: word,
      filter,
      destinationPort: uint32.optional(),
    })
    .optional(),
  listenerFilter: word,
  name: word,
});
const routeConfiguration = z.strictObject({
  portNumber: uint32.optional(),
  portName: word,
  gateway: word,
  vhost: z
    .strictObject({
      name: word,
      domainName: word,
      route: z
        .strictObject({ name: word, action: z.enum(["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"]).optional() })
        .optional(),
    })
    .optional(),
  name: word,
});
const MATCHES = ["listener", "routeConfiguration", "cluster", "waypoint"] as const;
const match = rule(
  oneof(
    z.strictObject({
      context: z.enum(["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"]).optional(),
      proxy: z.strictObject({ proxyVersion: word, metadata: wordMap }).optional(),
      listener: listener.optional(),
      routeConfiguration: routeConfiguration.optional(),
      cluster: z.strictObject({ portNumber: uint32.optional(), service: word, subset: word, name: word }).optional(),
      waypoint: z.strictObject({ portNumber: portNumber.optional(), filter, route: named.optional() }).optional(),
    }),
    MATCHES,
  ),
  {
    cel: "(has(self.context) && self.context == 'WAYPOINT') == has(self.waypoint)",
    message: "only support waypointMatch when context is WAYPOINT",
    holds: (m) => (m.context === "WAYPOINT") === (m.waypoint !== undefined),
  },
);
const APPLY_TO = [
  ...["INVALID", "LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER", "ROUTE_CONFIGURATION", "VIRTUAL_HOST"],
  ...["HTTP_ROUTE", "CLUSTER", "EXTENSION_CONFIG", "BOOTSTRAP", "LISTENER_FILTER"],
] as const;
const OPERATIONS = [
  ...["INVALID", "MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"],
  "MERGE_AND_REPLACE_LIST",
] as const;
const patch = z.strictObject({
  operation: z.enum(OPERATIONS).optional(),
  value: anyObject.optional(),
  filterClass: z.enum(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]).optional(),
});
const configPatch = z.strictObject({
  applyTo: z.enum(APPLY_TO).optional(),
  match: match.optional(),
  patch: patch.optional(),
});
export type EnvoyConfigPatch = z.output<typeof configPatch>;

export const envoyFilterSpec = onlyOneOf(
  z.strictObject({
    workloadSelector: labelsSelector.optional(),
    targetRefs: targetRefs.optional(),
    configPatches: list(configPatch).optional(),
    priority: int32.optional(),
  }),
  ["workloadSelector", "targetRefs"],
  "only one of targetRefs or workloadSelector can be set",
);
export type EnvoyFilterSpec = z.output<typeof envoyFilterSpec>;
