import {
  type DeploymentSettings,
  type GatewayClasses,
  type JsonMap,
  deploymentSettings,
  gatewayClasses,
} from "@lateen/gateway-deployment";
import type { ApiClient, KubeMetrics, WorkQueue } from "@lateen/kube";
import { createScope } from "@lateen/lifecycle";
import type { Namespace } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import type { MeshFeed } from "../../mesh-feed.ts";
import type { MeshSettings, ObjectNews } from "../../object-source.ts";
import type { KubeSource } from "../kube-source.ts";
import { builtinClasses } from "./gateway-classes.ts";
import { gatewayDeployments } from "./gateway-deployments.ts";
import { gatewayStatusWriter } from "./gateway-status-writer.ts";
import { followInstallValues } from "./install-config.ts";

/** What an installation says about Gateways. */
export interface GatewaySettings {
  /** PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER. */
  readonly deploys: boolean;
  /** PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER. */
  readonly makesClasses: boolean;
  /** PILOT_ENABLE_GATEWAY_API_STATUS. */
  readonly tellsStatus: boolean;
  readonly controllerName: string;
  readonly defaultClass: string;
  readonly multiNetwork: boolean;
  readonly copyMetadata: boolean;
  readonly image: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  /** Of the cluster. */
  readonly domain: string;
}

export interface GatewayWritersOptions {
  readonly client: ApiClient;
  readonly source: KubeSource;
  readonly feed: MeshFeed;
  readonly settings: GatewaySettings;
  readonly mesh: () => MeshSettings | null;
  readonly isSelected: (namespace: Namespace) => boolean;
  readonly namespace: string;
  readonly revision: string;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}

/** All that is written because of Gateways. */
export interface GatewayWriters extends AsyncDisposable {
  readonly queues: readonly WorkQueue[];
  heard(news: ObjectNews): void;
}

/** Starts them; their queues are worked on by whoever leads. */
export async function gatewayWriters(o: GatewayWritersOptions): Promise<GatewayWriters> {
  await using scope = createScope();
  const { client, source, feed, settings, log, metrics, namespace, revision } = o;
  const { follower } = source;
  const common = { client, follower, log, metrics, namespace, owner: settings.controllerName };
  const classes = gatewayClasses(settings);
  const revisions = (): readonly string[] => feed.model.environment.revisions.get("") ?? [];
  const ownedAccounts = await keepsOwnedAccounts(client);
  // Its first news come in a later turn, when there is somebody to hear them.
  const values = scope.own(followInstallValues({ ...common, revision, onChange: () => deployments.allChanged() }));
  const deployments = scope.own(
    gatewayDeployments({
      ...common,
      isSelected: o.isSelected,
      revisions,
      ready: (wait) => values.synced(wait),
      settings: () => ({ ...settingsNow(o, classes), values: values.values(), ownedAccounts }),
      onProblem: () => status.allChanged(),
    }),
  );
  const status = scope.own(
    gatewayStatusWriter({
      ...{ client, follower, feed, classes, revisions, log, metrics },
      ...{ controllerName: settings.controllerName, domain: settings.domain, isSelected: o.isSelected },
      problemOf: (gateway) => deployments.problemOf(gateway),
    }),
  );
  const builtin = builtinClasses({ ...common, classes });
  for (const [key] of follower.of("Gateway").entries()) deployments.gatewayChanged(key);
  builtin.allChanged();
  status.allChanged();
  const owned = scope.move();
  return {
    queues: [
      ...(settings.deploys ? [deployments.queue] : []),
      ...(settings.makesClasses ? [builtin.queue] : []),
      ...(settings.tellsStatus ? status.queues : []),
    ],
    heard(news) {
      const { changes, mesh, tags } = news;
      status.heard(news);
      if (mesh !== undefined || tags !== undefined) deployments.allChanged();
      for (const { kind, key } of changes) {
        if (kind === "Gateway") deployments.gatewayChanged(key);
        if (kind === "Namespace") deployments.namespaceChanged(key);
        if (kind !== "GatewayClass") continue;
        deployments.classChanged(key);
        builtin.changed(key);
      }
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function settingsNow({ settings, mesh, revision }: GatewayWritersOptions, classes: GatewayClasses): DeploymentSettings {
  const config = mesh()?.config;
  return deploymentSettings({
    classes,
    revision,
    clusterId: settings.clusterId,
    trustDomain: config?.trustDomain ?? settings.trustDomain,
    image: settings.image,
    // Passed on to the proxy as it stands, which judges it.
    proxyConfig: (config?.["defaultConfig"] ?? {}) as JsonMap,
    copyMetadata: settings.copyMetadata,
  });
}

/** From this minor release of Kubernetes on accounts may go with their Gateway. */
const FIRST_MINOR = 28;

async function keepsOwnedAccounts(client: ApiClient): Promise<boolean> {
  const answer = await client.json({ path: "/version" });
  if (!answer.ok) return true;
  const { major = "1", minor = "" } = answer.value as { readonly major?: string; readonly minor?: string };
  return Number(major) > 1 || !(Number.parseInt(minor, 10) < FIRST_MINOR);
}
