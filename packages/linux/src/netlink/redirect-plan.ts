import { endianness } from "node:os";
import {
  type Family,
  type NftRuleset,
  type Plan,
  ROUTE_TABLE,
  RULE_PRIORITY,
  type Routing,
  nftTableName,
  toNftRuleset,
} from "@lateen/redirection";
import { isErrno } from "./netlink-socket.ts";
import { type Nftables, openNftables } from "./nftables.ts";
import { type RouteOptions, type Rtnetlink, openRtnetlink } from "./rtnetlink.ts";
import type { PolicyRule } from "./rtnetlink-wire.ts";
import { rulesetDrift } from "./ruleset-drift.ts";

const OUR_TABLES = (["nat", "mangle", "raw"] as const).map(nftTableName);
const isOurs = (name: string): boolean => OUR_TABLES.includes(name);

/** What a namespace holds of redirection, as the kernel tells it. */
export interface Redirection {
  readonly ruleset: NftRuleset;
  /** Policy rules of our priority. */
  readonly rules: readonly PolicyRule[];
  /** Families whose table of ours leads everything to `lo`. */
  readonly routes: readonly Family[];
  /** Whether the namespace has IPv6 on `lo`; without it there is nothing of IPv6 to route. */
  readonly ipv6: boolean;
}

const rulesets = new WeakMap<Plan, NftRuleset>();

/** A plan's ruleset for this machine, made once: many pods have one plan, and it is looked at again and again. */
function rulesetOf(plan: Plan): NftRuleset {
  const known = rulesets.get(plan);
  if (known !== undefined) return known;
  const made = toNftRuleset(plan, endianness());
  rulesets.set(plan, made);
  return made;
}

const policyRule = (r: Routing): PolicyRule => ({
  family: r.family,
  priority: r.priority,
  mark: r.mark,
  mask: r.mask,
  table: r.table,
});

function localRoute(r: Routing, lo: number): RouteOptions {
  return {
    destination: r.family === "ipv4" ? "0.0.0.0" : "::",
    prefixLength: 0,
    index: lo,
    table: r.table,
    type: "local",
    scope: r.family === "ipv4" ? "host" : "global",
  };
}

/** Runs `change`; what is already so, or gone already, is no error. */
function tolerate(change: () => void, ...names: readonly string[]): void {
  try {
    change();
  } catch (e) {
    if (!isErrno(e, ...names)) throw e;
  }
}

/** The redirection of one pod's namespace: opened once, used for as long as the pod lives or for one change. */
export class PodRedirection implements Disposable {
  private readonly nft: Nftables;
  private readonly route: Rtnetlink;

  constructor(nft: Nftables, route: Rtnetlink) {
    this.nft = nft;
    this.route = route;
  }

  /**
   * Makes the namespace hold the plan: routes and rules first, then all tables in one batch, those of a former plan removed.
   * Repeating it changes nothing.
   * @throws MeshError UNAVAILABLE naming what the kernel refused
   * @see the data-plane contract, sections 2.1 and 2.5
   */
  apply(plan: Plan): void {
    const lo = this.route.requireLink("lo");
    if (!lo.up) this.route.setLink(lo.index, { up: true });
    // A namespace may have IPv6 switched off, or the kernel may lack it.
    for (const r of plan.routing) if (r.family === "ipv4" || lo.ipv6) this.applyRouting(r, lo.index);
    const ruleset = rulesetOf(plan);
    const used = new Set(ruleset.tables.map((t) => t.name));
    this.nft.replace(ruleset, plan.scope === "host" ? [] : OUR_TABLES.filter((t) => !used.has(t)));
  }

  private applyRouting(r: Routing, lo: number): void {
    this.route.replaceRoute(localRoute(r, lo));
    tolerate(() => this.route.addRule(policyRule(r)), "EEXIST");
  }

  /** What the kernel holds now. */
  read(): Redirection {
    const { ipv6 } = this.route.requireLink("lo");
    const families: readonly Family[] = ipv6 ? ["ipv4", "ipv6"] : ["ipv4"];
    const leadsToLo = (f: Family): boolean =>
      this.route.routes(f, ROUTE_TABLE).some((r) => r.type === "local" && r.prefixLength === 0);
    return {
      ruleset: this.nft.read(isOurs),
      rules: families.flatMap((f) => this.route.rules(f).filter((r) => r.priority === RULE_PRIORITY)),
      routes: families.filter(leadsToLo),
      ipv6,
    };
  }

  /**
   * What differs between the plan and the kernel, a sentence each; empty when the pod is captured as planned.
   */
  drift(plan: Plan): readonly string[] {
    return planDrift(plan, this.read());
  }

  /** Removes what any plan put here, rules first. What is not there is no error. */
  remove(plan: Plan): void {
    this.nft.remove(OUR_TABLES);
    const lo = this.route.requireLink("lo").index;
    for (const r of plan.routing) {
      tolerate(() => this.route.deleteRule(policyRule(r)), "ENOENT", "EAFNOSUPPORT");
      tolerate(() => this.route.deleteRoute(localRoute(r, lo)), "ESRCH", "ENOENT", "EAFNOSUPPORT");
    }
  }

  /** Closes the sockets; the rules stay. Idempotent. */
  [Symbol.dispose](): void {
    this.nft[Symbol.dispose]();
    this.route[Symbol.dispose]();
  }
}

function routingDrift(r: Routing, actual: Redirection): string[] {
  if (r.family === "ipv6" && !actual.ipv6) return [];
  const want = policyRule(r);
  const rule = actual.rules.some((x) => JSON.stringify(x) === JSON.stringify(want));
  return [
    ...(actual.routes.includes(r.family)
      ? []
      : [`${r.family} route table ${r.table}: the local route to lo is missing`]),
    ...(rule ? [] : [`${r.family} policy rule of priority ${r.priority} to table ${r.table} is missing`]),
  ];
}

/** Pure comparison behind `PodRedirection.drift`. */
export function planDrift(plan: Plan, actual: Redirection): readonly string[] {
  return [...plan.routing.flatMap((r) => routingDrift(r, actual)), ...rulesetDrift(rulesetOf(plan), actual.ruleset)];
}

/**
 * Opens the redirection of a pod's namespace.
 * @param netns descriptor of the namespace
 * @throws MeshError UNAVAILABLE
 */
export function openPodRedirection(netns: number | null): PodRedirection {
  const nft = openNftables(netns);
  try {
    return new PodRedirection(nft, openRtnetlink(netns));
  } catch (e) {
    nft[Symbol.dispose]();
    throw e;
  }
}

/** Applies a plan inside a namespace. @see PodRedirection.apply */
export function applyPlan(netns: number | null, plan: Plan): void {
  using pod = openPodRedirection(netns);
  pod.apply(plan);
}

/** Reads back what a namespace holds of redirection. */
export function readBack(netns: number | null): Redirection {
  using pod = openPodRedirection(netns);
  return pod.read();
}

/** Removes a plan from a namespace. @see PodRedirection.remove */
export function removePlan(netns: number | null, plan: Plan): void {
  using pod = openPodRedirection(netns);
  pod.remove(plan);
}
