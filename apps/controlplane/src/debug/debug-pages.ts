import { type Problem, formatProblem } from "@lateen/manifests";
import type { DiscoveryService } from "../discovery/discovery-service.ts";
import type { MeshFeed } from "../mesh-feed.ts";
import type { RotationKeeper } from "../rotation/rotation-keeper.ts";
import type { World } from "../world.ts";
import { authorityPage } from "./authority-page.ts";
import { adsz, clients, configDump, connections, syncz } from "./client-pages.ts";
import type { Visible } from "./debug-access.ts";

export interface DebugSources {
  readonly feed: MeshFeed;
  readonly discovery: DiscoveryService;
  readonly world: World;
  readonly rotation: RotationKeeper;
}

export interface PageRequest {
  readonly query: URLSearchParams;
  readonly visible: Visible;
}

/** A page that people look at when they wonder what the control plane makes of their objects. */
export interface DebugPage {
  readonly about: string;
  /** `namespace`: others than the mesh's own see of it what is of their namespace. */
  readonly audience: "mesh" | "namespace";
  /** @returns what is shown as JSON; undefined: there is no such thing */
  readonly show: (from: DebugSources, request: PageRequest) => unknown;
}

/** By the name after `/debug/`. */
export const DEBUG_PAGES: Readonly<Record<string, DebugPage>> = {
  problems: {
    about: "what is wrong with the objects",
    audience: "namespace",
    show: ({ feed, world }, { visible }) => [
      ...(visible.t === "all" ? world.authority.problems.map(ofAuthority) : []),
      ...feed.problems
        .filter(({ object }) => sees(visible, object.slice(object.indexOf(" ") + 1)))
        .map((p) => ({ ...p, text: formatProblem(p) })),
    ],
  },
  ca: {
    about: "what signs, the roots that everybody is told to trust, and what is wrong with either",
    audience: "mesh",
    show: authorityPage,
  },
  policies: {
    about: "which rule of each policy is enforced where, and which is not and why",
    audience: "namespace",
    show: ({ feed }, { visible }) => ofNamespace(feed.model.policyReports.entries(), visible),
  },
  services: {
    about: "what stands between clients and each service",
    audience: "namespace",
    show: ({ feed }, { visible }) => ofNamespace(feed.model.serviceReports.entries(), visible),
  },
  conditions: {
    about: "what is written into the status of objects",
    audience: "namespace",
    show: ({ feed }, { visible }) =>
      Object.fromEntries(
        [...feed.model.conditions.entries()].filter(([key]) => sees(visible, key.slice(key.indexOf("/") + 1))),
      ),
  },
  config_dump: {
    about: "what a proxy subscribed to and was sent: ?proxyID=POD.NAMESPACE",
    audience: "namespace",
    show: ({ discovery }, { query, visible }) => configDump(discovery, query.get("proxyID") ?? "", visible),
  },
  syncz: {
    about: "what each proxy was sent and acknowledged: [?namespace=NAMESPACE]",
    audience: "mesh",
    show: ({ discovery }, { query }) => syncz(discovery, query.get("namespace")),
  },
  adsz: {
    about: "connected proxies and their subscriptions",
    audience: "mesh",
    show: ({ discovery }) => adsz(discovery),
  },
  connections: { about: "connected proxies", audience: "mesh", show: ({ discovery }) => connections(discovery) },
  clients: { about: "streams, as the server sees them", audience: "mesh", show: ({ discovery }) => clients(discovery) },
  ambientz: {
    about: "everything that node proxies are told",
    audience: "mesh",
    show: ({ feed: { model } }) =>
      plain({
        workloads: model.workloads.values(),
        services: model.services.values(),
        policies: model.authorizations.values(),
      }),
  },
  collections: {
    about: "what an entry comes from and what was read for it: ?collection=NAME[&key=KEY]; sizes without",
    audience: "mesh",
    show: collections,
  },
  krtz: { about: "as collections", audience: "mesh", show: collections },
  source: { about: "where the objects come from", audience: "mesh", show: ({ world }) => world.describe() },
};

/** Maps as objects, so that JSON shows them. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, v: unknown) => (v instanceof Map ? (Object.fromEntries(v) as unknown) : v)),
  ) as unknown;

/** As a problem of an object that is in no file. */
const ofAuthority = (message: string): Problem & { readonly text: string } => ({
  ...{ severity: "error", file: "", line: 0, column: 0, object: "CertificateAuthority", path: "" },
  ...{ message, text: message },
});

/** Inputs, outputs and reads. */
function collections({ feed: { graph } }: DebugSources, { query }: PageRequest): unknown {
  const collection = query.get("collection");
  const key = query.get("key");
  if (collection === null) return Object.fromEntries(graph.sizes());
  if (!graph.sizes().has(collection)) return undefined;
  if (key === null) return graph.describe(collection).get(collection) ?? [];
  return graph.provenance(collection, key);
}

/** @param key `namespace/...` */
function sees(visible: Visible, key: string): boolean {
  return visible.t === "all" || key.startsWith(`${visible.namespace}/`);
}

function ofNamespace(entries: Iterable<readonly [string, unknown]>, visible: Visible): unknown {
  return Object.fromEntries([...entries].filter(([key]) => sees(visible, key)));
}
