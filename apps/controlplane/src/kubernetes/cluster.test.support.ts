import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CaClient, createCaClient } from "@lateen/ca";
import {
  type ApiResource,
  CONFIG_MAPS,
  SECRETS,
  VALIDATING_WEBHOOKS,
  apiResourceOf,
  collectionPath,
  objectPath,
} from "@lateen/kube";
import { apiKinds } from "@lateen/resources";
import { type ApiServer, defineKinds, serviceAccountToken } from "@lateen/test-cluster";
import { createLogging } from "@lateen/telemetry";
import { eventually } from "@lateen/testkit";
import { parseConfig } from "../config.ts";
import { type TestClient, discoveryClient } from "../control-plane.test.support.ts";
import { type ControlPlane, startControlPlane } from "../wire.ts";
import { childResource } from "./gateways/gateway-children.ts";

export const SYSTEM = "istio-system";

/** The kinds of the mesh that are not Kubernetes' own. */
const CUSTOM = [
  "AuthorizationPolicy",
  "PeerAuthentication",
  "ServiceEntry",
  "WorkloadEntry",
  "Gateway",
  "GatewayClass",
] as const;

/** A kind that not every cluster of the tests has. */
export const HTTP_ROUTES: ApiResource = {
  group: "gateway.networking.k8s.io",
  versions: ["v1"],
  plural: "httproutes",
  kind: "HTTPRoute",
  scope: "namespaced",
};

/** Makes the kinds of the mesh known, and its namespaces and accounts. */
export async function prepareCluster(api: ApiServer): Promise<void> {
  await defineKinds(api, CUSTOM.map(apiResourceOf));
  for (const name of [SYSTEM, "shop"]) await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  for (const name of ["n1", "n2"]) await put(api, { apiVersion: "v1", kind: "Node", metadata: { name } });
}

export interface Written {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
  readonly status?: unknown;
}

const RESOURCES: ReadonlyMap<string, ApiResource> = new Map(
  [
    ...Object.entries(apiKinds).map(([kind, found]) => ({ ...found, kind })),
    ...[CONFIG_MAPS, SECRETS, VALIDATING_WEBHOOKS, HTTP_ROUTES],
    ...[childResource("HorizontalPodAutoscaler"), childResource("PodDisruptionBudget")],
  ].map((resource) => [resource.kind, resource]),
);

function resourceOf({ kind }: Written): ApiResource {
  const resource = RESOURCES.get(kind);
  if (resource === undefined) throw new Error(`no path is known of a ${kind}`);
  return resource;
}

export const pathOf = (object: Written, more: { readonly subresource?: "status" } = {}): string =>
  objectPath(resourceOf(object), object, more);
export const collectionOf = (object: Written): string => collectionPath(resourceOf(object), object);

/** Makes the object what it says, its status included. @returns it as it stands */
export async function put<T extends Written>(api: ApiServer, object: T): Promise<{ metadata: { uid: string } }> {
  const apply = "application/apply-patch+yaml";
  const query = "?fieldManager=test&force=true";
  const made = await api.done<{ metadata: { uid: string } }>("PATCH", `${pathOf(object)}${query}`, object, apply);
  if (object.status !== undefined)
    await api.done("PATCH", `${pathOf(object, { subresource: "status" })}${query}`, object, apply);
  return made;
}

export const remove = (api: ApiServer, object: Written): Promise<unknown> =>
  api.done("DELETE", `${pathOf(object)}?gracePeriodSeconds=0`);

export const podObject = (name: string, o: { ns?: string; sa?: string; node?: string; ip: string }): Written => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace: o.ns ?? "shop",
    labels: { app: name },
    annotations: { "ambient.istio.io/redirection": "enabled" },
  },
  spec: {
    nodeName: o.node ?? "n1",
    serviceAccountName: o.sa ?? name,
    containers: [{ name: "main", image: "i", ports: [{ containerPort: 8080, name: "http" }] }],
  },
  status: {
    phase: "Running",
    podIP: o.ip,
    podIPs: [{ ip: o.ip }],
    conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }],
  },
});

export const policyObject = (name: string, spec: unknown = {}, ns = "shop"): Written => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name, namespace: ns },
  spec,
});

export const accountObject = (name: string, ns = "shop"): Written => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace: ns },
});

/** A pod of ztunnel, and a token as kubelet would give it. */
export async function ztunnel(api: ApiServer, node = "n1"): Promise<{ readonly token: string; readonly uid: string }> {
  const name = `ztunnel-${node}-${randomBytes(2).toString("hex")}`;
  await put(api, accountObject("ztunnel", SYSTEM));
  const { metadata } = await put(api, podObject(name, { ns: SYSTEM, sa: "ztunnel", node, ip: "10.9.9.9" }));
  const pod = { name, uid: metadata.uid };
  return { token: await serviceAccountToken(api, { namespace: SYSTEM, name: "ztunnel" }, { pod }), uid: metadata.uid };
}

/** A control plane of this process over an API server. */
export class ClusterPlane implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly plane: ControlPlane;
  readonly #dir = mkdtempSync(join(tmpdir(), "cluster-plane-"));
  #ended = false;

  private constructor(plane: ControlPlane) {
    this.plane = plane;
  }

  static async start(api: ApiServer, env: Readonly<Record<string, string>> = {}, url = api.url): Promise<ClusterPlane> {
    const config = parseConfig(planeEnv(api.kubeconfig({ url }), env));
    if (!config.ok) throw config.error;
    const lines: string[] = [];
    const logging = createLogging({ write: (line) => lines.push(line), nowMicros: () => 0 });
    const made = new ClusterPlane(await startControlPlane(config.value, logging));
    Object.assign(made, { lines });
    return made;
  }

  /** A subscriber to everything. */
  subscriber(rootPem: string, token: string): TestClient {
    return discoveryClient(this.plane.port, rootPem, { token });
  }

  ca(rootPem: string, token: string): CaClient {
    writeFileSync(join(this.#dir, "root.pem"), rootPem);
    writeFileSync(join(this.#dir, "token"), token);
    return createCaClient({
      address: `https://localhost:${this.plane.port}`,
      rootFile: join(this.#dir, "root.pem"),
      tokenFile: join(this.#dir, "token"),
      clusterId: "Kubernetes",
      mode: "shared",
      ttlSec: 3_600,
    });
  }

  async debug<T>(page: string): Promise<T> {
    return (await (await fetch(`http://127.0.0.1:${this.plane.debugPort}/debug/${page}`)).json()) as T;
  }

  get leads(): Promise<boolean> {
    return this.debug<{ leader: { leads: boolean } }>("source").then((s) => s.leader.leads);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.plane[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export const planeEnv = (
  kubeconfig: string,
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => ({
  KUBECONFIG: kubeconfig,
  POD_NAMESPACE: SYSTEM,
  LEADER_LEASE: "8s",
  DISCOVERY_ADDRESS: "127.0.0.1:0",
  READINESS_ADDRESS: "127.0.0.1:0",
  DEBUG_ADDRESS: "127.0.0.1:0",
  WEBHOOK_ADDRESS: "127.0.0.1:0",
  POD_NAME: `plane-${randomBytes(3).toString("hex")}`,
  ...env,
});

/** The roots as they stand in a namespace; null when they do not. */
export async function rootsIn(api: ApiServer, namespace: string): Promise<string | null> {
  const answer = await api.call("GET", `/api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`);
  return answer.status === 200
    ? ((answer.body as { data?: Record<string, string> }).data?.["root-cert.pem"] ?? "")
    : null;
}

/** Waits for the roots that the control plane wrote. */
export const roots = (api: ApiServer, namespace = SYSTEM): Promise<string> =>
  eventually(() => rootsIn(api, namespace), { deadlineMs: 20_000, what: `the roots in ${namespace}` });
