import fs from "node:fs";
import {
  type Netns,
  currentNetns,
  duplicateNetns,
  listeningSockets,
  openNetns,
  openPodRedirection,
} from "@lateen/linux";
import {
  HBONE_PORT,
  INBOUND_PLAINTEXT_PORT,
  OUTBOUND_PORT,
  type InPodOptions,
  type Plan,
  inPodPlan,
} from "@lateen/redirection";

/** The rules and routes of one pod. */
export interface PodRules extends Disposable {
  apply(options: InPodOptions): void;
  /** What differs from the plan, a sentence each. */
  drift(options: InPodOptions): readonly string[];
  remove(options: InPodOptions): void;
}

/** What the agent does to pods, as a port: tests put a table behind it. */
export interface Kernel {
  /** @throws MeshError when there is no namespace behind the path */
  readonly open: (path: string) => Netns;
  readonly duplicate: (netns: Netns) => Netns;
  /** Identity of what is behind the path now; null when nothing is. */
  readonly idAt: (path: string) => string | null;
  /** Identity of the namespace that the agent itself runs in. */
  readonly ownId: () => string;
  /** Stays open as long as the pod: closing such a socket after a change makes the kernel wait, 10 ms and more. */
  readonly rules: (netns: Netns) => PodRules;
  /** Ports of the proxy that do not listen in the namespace. */
  readonly silentPorts: (netns: Netns) => readonly number[];
}

const PROXY_PORTS = [OUTBOUND_PORT, INBOUND_PLAINTEXT_PORT, HBONE_PORT];

/** Device of the one file system that the kernel has for namespaces. */
let namespacesOn: string | null = null;

function ownId(): string {
  using own = currentNetns();
  return own.id;
}

/**
 * What is behind a link of procfs, from the link's own text: every known pod is looked at whenever one is added, and asking for the
 * file behind costs several times as much.
 * @returns null for any other path
 */
function linkedId(path: string): string | null {
  if (!path.startsWith("/proc/")) return null;
  try {
    const inode = /^net:\[(\d+)\]$/.exec(fs.readlinkSync(path))?.[1];
    if (inode === undefined) return null;
    namespacesOn ??= ownId().split(":")[0]!; // `device:inode`
    return `${namespacesOn}:${inode}`;
  } catch {
    return null; // gone, or no link: the look at the file says which
  }
}

let latest: { readonly options: string; readonly plan: Plan } | null = null;

/** As `inPodPlan`, which is asked again and again for what most pods of a node have in common. */
function planOf(options: InPodOptions): Plan {
  const text = JSON.stringify(options);
  if (latest?.options !== text) latest = { options: text, plan: inPodPlan(options) };
  return latest.plan;
}

/** The kernel of this node. */
export const nodeKernel: Kernel = {
  open: openNetns,
  duplicate: (netns) => duplicateNetns(netns.fd),
  idAt(path) {
    const linked = linkedId(path);
    if (linked !== null) return linked;
    const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
  },
  ownId,
  rules(netns) {
    const redirection = openPodRedirection(netns.fd);
    return {
      apply: (options) => redirection.apply(planOf(options)),
      drift: (options) => redirection.drift(planOf(options)),
      remove: (options) => redirection.remove(planOf(options)),
      [Symbol.dispose]: () => redirection[Symbol.dispose](),
    };
  },
  silentPorts(netns) {
    const listening = new Set(listeningSockets(netns.fd).map((a) => a.port));
    return PROXY_PORTS.filter((port) => !listening.has(port));
  },
};
