import type { z } from "zod";
import { authorizationPolicySpec } from "../kinds/authorization-policy.ts";
import { destinationRuleSpec } from "../kinds/destination-rule.ts";
import { envoyFilterSpec } from "../kinds/envoy-filter.ts";
import { trafficExtensionSpec, wasmPluginSpec } from "../kinds/extensions.ts";
import { istioGatewaySpec } from "../kinds/istio-gateway.ts";
import { peerAuthenticationSpec } from "../kinds/peer-authentication.ts";
import { proxyConfigSpec } from "../kinds/proxy-config.ts";
import { requestAuthenticationSpec } from "../kinds/request-authentication.ts";
import { serviceEntrySpec } from "../kinds/service-entry.ts";
import { sidecarSpec } from "../kinds/sidecar.ts";
import { telemetrySpec } from "../kinds/telemetry.ts";
import { virtualServiceSpec } from "../kinds/virtual-service.ts";
import { workloadEntrySpec } from "../kinds/workload-entry.ts";
import { workloadGroupSpec } from "../kinds/workload-group.ts";

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "date";
  readonly jsonPath: string;
  readonly description: string;
}

/** A kind of Istio's API, as its CustomResourceDefinition has it. */
export interface CustomKind<S extends z.ZodType = z.ZodType> {
  readonly group: string;
  readonly plural: string;
  readonly shortName?: string;
  /** All served, all with the same schema; the first is stored. */
  readonly versions: readonly string[];
  readonly spec: S;
  /** Whether an object without a spec is refused. */
  readonly needsSpec: boolean;
  readonly columns: readonly PrinterColumn[];
  /** One sentence for `kubectl explain`. */
  readonly about: string;
}

const NETWORKING = { group: "networking.istio.io", versions: ["v1", "v1beta1", "v1alpha3"], needsSpec: false } as const;
const SECURITY = { group: "security.istio.io", versions: ["v1", "v1beta1"], needsSpec: false } as const;
const EXTENSIONS = { group: "extensions.istio.io", versions: ["v1alpha1"], needsSpec: true } as const;

const column = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: "string",
  jsonPath,
  description,
});
const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "When the object was created",
};

/**
 * Every kind of Istio's API by its name, with the one schema of its spec.
 * @see control-plane 7.1, cli-and-chart 5.12
 */
export const customKinds = {
  AuthorizationPolicy: {
    ...SECURITY,
    plural: "authorizationpolicies",
    shortName: "ap",
    spec: authorizationPolicySpec,
    columns: [column("Action", ".spec.action", "What becomes of a connection that matches"), AGE],
    about: "Who may talk to which workloads",
  },
  PeerAuthentication: {
    ...SECURITY,
    plural: "peerauthentications",
    shortName: "pa",
    spec: peerAuthenticationSpec,
    columns: [column("Mode", ".spec.mtls.mode", "Whether workloads accept plaintext"), AGE],
    about: "Which workloads accept only mutual TLS",
  },
  RequestAuthentication: {
    ...SECURITY,
    plural: "requestauthentications",
    shortName: "ra",
    spec: requestAuthenticationSpec,
    columns: [],
    about: "Which tokens requests may carry",
  },
  DestinationRule: {
    ...NETWORKING,
    plural: "destinationrules",
    shortName: "dr",
    spec: destinationRuleSpec,
    columns: [column("Host", ".spec.host", "The service that it is about"), AGE],
    about: "What clients of a service do once a route is chosen: load balancing, pools, TLS",
  },
  EnvoyFilter: {
    ...NETWORKING,
    versions: ["v1alpha3"],
    plural: "envoyfilters",
    spec: envoyFilterSpec,
    columns: [],
    about: "Changes to the configuration of Envoy",
  },
  Gateway: {
    ...NETWORKING,
    plural: "gateways",
    shortName: "gw",
    spec: istioGatewaySpec,
    columns: [],
    about: "What gateway pods listen for at the edge of the mesh",
  },
  ProxyConfig: {
    ...NETWORKING,
    versions: ["v1beta1"],
    plural: "proxyconfigs",
    spec: proxyConfigSpec,
    columns: [],
    about: "How proxies of some workloads are started",
  },
  ServiceEntry: {
    ...NETWORKING,
    needsSpec: true,
    plural: "serviceentries",
    shortName: "se",
    spec: serviceEntrySpec,
    columns: [
      column("Hosts", ".spec.hosts", "The names that it brings into the mesh"),
      column("Location", ".spec.location", "Whether it is part of the mesh or outside of it"),
      column("Resolution", ".spec.resolution", "Where the addresses of its endpoints come from"),
      AGE,
    ],
    about: "A service that Kubernetes does not know",
  },
  Sidecar: {
    ...NETWORKING,
    plural: "sidecars",
    spec: sidecarSpec,
    columns: [],
    about: "What the sidecar of a workload reaches and accepts",
  },
  VirtualService: {
    ...NETWORKING,
    plural: "virtualservices",
    shortName: "vs",
    spec: virtualServiceSpec,
    columns: [
      column("Gateways", ".spec.gateways", "Where the routes apply"),
      column("Hosts", ".spec.hosts", "The names that the routes are for"),
      AGE,
    ],
    about: "Routes of requests and connections",
  },
  WorkloadEntry: {
    ...NETWORKING,
    needsSpec: true,
    plural: "workloadentries",
    shortName: "we",
    spec: workloadEntrySpec,
    columns: [AGE, column("Address", ".spec.address", "Where the workload is reached")],
    about: "A workload that is no pod",
  },
  WorkloadGroup: {
    ...NETWORKING,
    needsSpec: true,
    plural: "workloadgroups",
    shortName: "wg",
    spec: workloadGroupSpec,
    columns: [AGE],
    about: "The pattern of workloads that register themselves",
  },
  Telemetry: {
    group: "telemetry.istio.io",
    versions: ["v1alpha1", "v1"],
    needsSpec: false,
    plural: "telemetries",
    shortName: "telemetry",
    spec: telemetrySpec,
    columns: [AGE],
    about: "What is measured, logged and traced",
  },
  TrafficExtension: {
    ...EXTENSIONS,
    plural: "trafficextensions",
    spec: trafficExtensionSpec,
    columns: [AGE],
    about: "Wasm or Lua code in the path of requests",
  },
  WasmPlugin: {
    ...EXTENSIONS,
    plural: "wasmplugins",
    spec: wasmPluginSpec,
    columns: [AGE],
    about: "A Wasm module in the path of requests",
  },
} as const satisfies Readonly<Record<string, CustomKind>>;
export type CustomKindName = keyof typeof customKinds;
/** Specs as their schemas give them. */
export type CustomSpecs = { readonly [K in CustomKindName]: z.output<(typeof customKinds)[K]["spec"]> };
