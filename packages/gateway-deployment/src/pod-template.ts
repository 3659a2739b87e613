import { GATEWAY_CLASS_LABEL, GATEWAY_NAME_LABEL, MANAGED_LABEL, type Texts } from "./gateway-names.ts";
import type { Json, JsonMap } from "./json.ts";
import { type ProxyInput, proxyContainer } from "./proxy-container.ts";

const TOKEN_SEC = 43_200;

/** Pods of a Gateway. @see control-plane 3.4, "Waypoint objects" */
export function podTemplate(at: ProxyInput & { readonly annotations: Texts }): JsonMap {
  return {
    metadata: {
      annotations: {
        ...at.annotations,
        "istio.io/rev": at.settings.revision || "default",
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
      },
      labels: podLabels(at),
    },
    spec: podSpec(at),
  };
}

function podLabels({ gateway, info, names, labels }: ProxyInput): JsonMap {
  return {
    "sidecar.istio.io/inject": "false",
    // A waypoint is spoken to by HBONE itself: its pods are not captured.
    ...(info.form === "waypoint" ? { "istio.io/dataplane-mode": "none" } : {}),
    "service.istio.io/canonical-name": names.deployment,
    "service.istio.io/canonical-revision": "latest",
    ...labels,
    [GATEWAY_NAME_LABEL]: gateway.metadata.name,
    [GATEWAY_CLASS_LABEL]: gateway.spec.gatewayClassName,
    [MANAGED_LABEL]: info.managed,
  };
}

function podSpec(at: ProxyInput): JsonMap {
  const { global } = at.settings.values;
  return {
    ...(at.info.form === "waypoint" ? placement(at) : { securityContext: podSecurity(at) }),
    serviceAccountName: at.names.serviceAccount,
    containers: [proxyContainer(at)],
    volumes: volumes(at),
    ...(global.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: global.imagePullSecrets.map((name) => ({ name })) }),
  };
}

/** Where its pods may run, as far as values say so. */
function placement({ settings }: ProxyInput): JsonMap {
  const { affinity, topologySpreadConstraints, nodeSelector, tolerations } = settings.values.global.waypoint;
  const wanted = { affinity, topologySpreadConstraints, nodeSelector, tolerations };
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([name, value]): readonly (readonly [string, Json])[] =>
      value == null || Object.keys(value).length === 0 ? [] : [[name, value as Json]],
    ),
  );
}

/** Gateways listen on the ports of their listeners, below 1024 too, without being root. */
function podSecurity({ settings: { values } }: ProxyInput): JsonMap {
  const { securityContext, seccompProfile } = values.gateways;
  if (securityContext && Object.keys(securityContext).length > 0) return securityContext;
  return {
    sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
    ...(seccompProfile ? { seccompProfile } : {}),
  };
}

function volumes({ settings: { values } }: ProxyInput): readonly Json[] {
  const item = (path: string): JsonMap => ({ path, fieldRef: { fieldPath: `metadata.${path}` } });
  return [
    { name: "workload-socket", emptyDir: {} },
    { name: "istio-envoy", emptyDir: { medium: "Memory" } },
    { name: "istio-data", emptyDir: {} },
    { name: "istio-podinfo", downwardAPI: { items: [item("labels"), item("annotations")] } },
    {
      name: "istio-token",
      projected: {
        sources: [{ serviceAccountToken: { audience: "istio-ca", expirationSeconds: TOKEN_SEC, path: "istio-token" } }],
      },
    },
    { name: "istiod-ca-cert", configMap: { name: values.global.trustBundleName || "istio-ca-root-cert" } },
  ];
}
