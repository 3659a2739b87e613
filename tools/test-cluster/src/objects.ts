import { eventually } from "@lateen/testkit";
import type { ApiServer } from "./api-server.ts";

/** A kind to be made known to the API server. */
export interface CustomKind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  /** The first is stored. */
  readonly versions: readonly string[];
  readonly scope?: "namespaced" | "cluster";
}

/** A definition that takes anything, with a status whose conditions are merged by type. */
export function crdOf({ group, kind, plural, versions, scope = "namespaced" }: CustomKind): unknown {
  const any = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const conditions = {
    type: "array",
    items: { ...any, properties: { type: { type: "string" } }, required: ["type"] },
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
  };
  const openAPIV3Schema = { type: "object", properties: { spec: any, status: { ...any, properties: { conditions } } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      annotations: { "api-approved.kubernetes.io": "unapproved, for tests" }, // asked of groups below k8s.io
    },
    spec: {
      group,
      scope: scope === "cluster" ? "Cluster" : "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        schema: { openAPIV3Schema },
        subresources: { status: {} },
      })),
    },
  };
}

/** Makes kinds known as `crdOf` defines them, and waits until each is served in its first version. */
export async function defineKinds(api: ApiServer, kinds: readonly CustomKind[]): Promise<void> {
  for (const kind of kinds)
    await api.done("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crdOf(kind));
  for (const { group, plural, versions } of kinds)
    await eventually(async () => (await api.call("GET", `/apis/${group}/${versions[0]}/${plural}`)).status === 200, {
      what: `${plural} of ${group} to be served`,
    });
}

/** A token as kubelet asks for it; the service account, and the pod if one is named, must exist. */
export async function serviceAccountToken(
  api: ApiServer,
  account: { readonly namespace: string; readonly name: string },
  o: {
    readonly audiences?: readonly string[];
    readonly ttlSec?: number;
    readonly pod?: { name: string; uid: string };
  } = {},
): Promise<string> {
  const { audiences = ["istio-ca"], ttlSec = 3_600, pod } = o;
  const spec = {
    audiences,
    expirationSeconds: ttlSec,
    ...(pod === undefined ? {} : { boundObjectRef: { apiVersion: "v1", kind: "Pod", ...pod } }),
  };
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
  const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const answer = await api.done<{ readonly status: { readonly token: string } }>("POST", path, body);
  return answer.status.token;
}
