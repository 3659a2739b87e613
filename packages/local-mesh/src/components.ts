import { type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { spawnIn } from "@lateen/linux";
import { appProgram } from "./app-program.ts";
import type { MeshFolders } from "./mesh-folders.ts";
import { SYSTEM_NAMESPACE, ztunnelName } from "./observed-objects.ts";
import type { NodePlan, TopologyPlan } from "./topology.ts";

/** Files that start the programs of a mesh. */
export interface EntryPoints {
  readonly controlPlane: string;
  readonly cni: string;
  /** Ours, or any program that speaks the same protocols as Istio's: what does not end in `.ts` or `.js` is executed as it is. */
  readonly ztunnel: string;
}

/** A program of the mesh, ready to be started. */
export interface Component {
  readonly name: string;
  readonly entry: string;
  readonly netns: number;
  readonly env: Readonly<Record<string, string>>;
  /** Made before each start. */
  readonly folder: string;
}

const DISCOVERY_PORT = 15_012;
/** Of the control plane, on loopback. */
export const DEBUG_PORT = 15_014;
/** The name of the control plane's certificate in every mesh. */
const DISCOVERY_NAME = "istiod.istio-system.svc";

export function controlPlaneComponent(o: {
  readonly entry: string;
  readonly netns: number;
  readonly folders: MeshFolders;
  readonly manifests: string | null;
  readonly topology: TopologyPlan;
}): Component {
  const { folders, topology } = o;
  const sources = [...(o.manifests === null ? [] : [o.manifests]), folders.applied, folders.observed];
  return {
    name: "controlplane",
    entry: o.entry,
    netns: o.netns,
    folder: folders.controlPlane,
    env: {
      CONFIG_DIRS: sources.join(":"),
      STATE_DIR: folders.controlPlane,
      DISCOVERY_ADDRESS: `[::]:${DISCOVERY_PORT}`,
      DEBUG_ADDRESS: `127.0.0.1:${DEBUG_PORT}`,
      TOKEN_KEY_FILE: tokenKeyFile(folders),
      SERVER_NAMES: [DISCOVERY_NAME, topology.control.v4, topology.control.v6].join(","),
      CA_TRUSTED_NODE_ACCOUNTS: `${SYSTEM_NAMESPACE}/ztunnel`,
      ROOT_NAMESPACE: SYSTEM_NAMESPACE,
      TRUST_DOMAIN: "cluster.local",
      CLUSTER_ID: "Kubernetes",
      // The proxies read the roots from the file itself.
      LATEEN_CA_ROTATION_SETTLE: "2s",
      // Sockets of a service do not outlive a mesh, so the machine's memory and processors are the only bound that matters.
      LOG_LEVEL: "info",
    },
  };
}

export function cniComponent(o: {
  readonly entry: string;
  readonly netns: number;
  readonly folders: MeshFolders;
  readonly node: NodePlan;
}): Component {
  const folder = nodeFolder(o.folders, o.node);
  return {
    name: cniName(o.node),
    entry: o.entry,
    netns: o.netns,
    folder,
    env: {
      NODE_NAME: o.node.name,
      AGENT_SOCKET: agentSocket(o.folders, o.node),
      ZTUNNEL_UDS_ADDRESS: path.join(folder, "ztunnel.sock"),
      CNI_AGENT_RUN_DIR: folder,
      AMBIENT_ENABLED: "true",
      AMBIENT_DNS_CAPTURE: "false",
      LOG_LEVEL: "info",
    },
  };
}

export function ztunnelComponent(o: {
  readonly entry: string;
  readonly netns: number;
  readonly folders: MeshFolders;
  readonly node: NodePlan;
  readonly topology: TopologyPlan;
  /** Of the user, by the names of the environment. */
  readonly settings: Readonly<Record<string, string>>;
}): Component {
  const folder = nodeFolder(o.folders, o.node);
  const discovery = `https://${o.topology.control.v4}:${DISCOVERY_PORT}`;
  const root = rootCertificate(o.folders);
  return {
    name: ztunnelName(o.node),
    entry: o.entry,
    netns: o.netns,
    folder,
    env: {
      RUST_LOG: "info",
      ...o.settings,
      XDS_ADDRESS: discovery,
      CA_ADDRESS: discovery,
      XDS_ROOT_CA: root,
      CA_ROOT_CA: root,
      ALT_XDS_HOSTNAME: DISCOVERY_NAME,
      ALT_CA_HOSTNAME: DISCOVERY_NAME,
      AUTH_TOKEN: tokenFile(o.folders, o.node),
      INPOD_UDS: path.join(folder, "ztunnel.sock"),
      HANDOVER_UDS: path.join(folder, "handover.sock"),
      NODE_NAME: o.node.name,
      CLUSTER_ID: "Kubernetes",
      TRUST_DOMAIN: "cluster.local",
      POD_NAME: ztunnelName(o.node),
      POD_NAMESPACE: SYSTEM_NAMESPACE,
      SERVICE_ACCOUNT: "ztunnel",
      INSTANCE_IP: o.node.fabric.v4,
      LATEEN_BUNDLE_SPREAD: "1s",
    },
  };
}

export const cniName = (node: { readonly name: string }): string => `cni-${node.name}`;
export const rootCertificate = (folders: MeshFolders): string => path.join(folders.controlPlane, "root-cert.pem");
export const tokenKeyFile = (folders: MeshFolders): string => path.join(folders.tokens, "key.pub.pem");
export const tokenFile = (folders: MeshFolders, node: NodePlan): string => path.join(folders.tokens, node.name);
export const agentSocket = (folders: MeshFolders, node: NodePlan): string =>
  path.join(nodeFolder(folders, node), "agent.sock");
const nodeFolder = (folders: MeshFolders, node: NodePlan): string => path.join(folders.run, node.name);

/**
 * Starts a program of the mesh in its namespace, with its output in pipes and no other environment than its own. It leads a session
 * of its own: the kernel may share the processor between sessions first, and one part is not to pay for what another uses.
 */
export function startComponent(c: Component, base: Readonly<Record<string, string>>): ChildProcess {
  fs.mkdirSync(c.folder, { recursive: true, mode: 0o700 });
  const { program, args, env } = appProgram(c.entry);
  return spawnIn({ netns: c.netns }, program, args, {
    env: { ...base, ...env, ...c.env },
    cwd: c.folder,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
}
