import { parseIp } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import {
  DNS_CAPTURE_PORT,
  DNS_ZONE,
  HBONE_PORT,
  INBOUND_PLAINTEXT_PORT,
  MARK_MASK,
  OUTBOUND_PORT,
  PROBE_SOURCE_V4,
  PROBE_SOURCE_V6,
  PROXY_MARK,
  RESTORED_MARK,
  ROUTE_TABLE,
  RULE_PRIORITY,
} from "./constants.ts";
import type { Action, Entry, Family, Match, Plan, Routing, Rule } from "./plan.ts";
import * as r from "./rules.ts";

export interface InPodOptions {
  /** `redirect`: newest form. `tproxy`: release 1.21, which knows neither ingress mode nor virtual interfaces. */
  readonly form: "redirect" | "tproxy";
  readonly ipv6: boolean;
  /** Capture DNS. */
  readonly dns: boolean;
  /** `bypass`: nothing that arrives is captured, for gateways that need the real client. */
  readonly inbound: "capture" | "bypass";
  /** TCP arriving on these interfaces counts as leaving the pod (virtual machines, nested containers). */
  readonly virtualInterfaces: readonly string[];
  /** Source of node probes as the pod sees it, for each family. */
  readonly probeSource: { readonly ipv4: string; readonly ipv6: string };
}

/** Newest form, both families, DNS and inbound captured, the usual probe addresses. */
export const defaultInPodOptions: InPodOptions = {
  form: "redirect",
  ipv6: true,
  dns: true,
  inbound: "capture",
  virtualInterfaces: [],
  probeSource: { ipv4: PROBE_SOURCE_V4, ipv6: PROBE_SOURCE_V6 },
};

const LOOPBACK: Readonly<Record<Family, string>> = { ipv4: "127.0.0.1/32", ipv6: "::1/128" };
const ACCEPT: Action = { t: "accept" };
const redirect = (port: number): Action => ({ t: "redirect", port });
const fromProxy = r.marked(PROXY_MARK, MARK_MASK);
const notFromProxy = r.notMarked(PROXY_MARK, MARK_MASK);
const entry = (table: Entry["table"], chain: Entry["chain"]): Entry => ({ table, chain, position: "last" });

/**
 * Whether a name can be an interface here. Narrower than the kernel's own rule: names go into text forms too, where blanks,
 * quotes, wildcards and a leading dash would mean something else.
 */
export function isInterfaceName(name: string): boolean {
  return /^[A-Za-z0-9_.@][A-Za-z0-9_.@-]{0,14}$/.test(name) && name !== "." && name !== "..";
}

function check(o: InPodOptions): void {
  const bad = o.virtualInterfaces.find((name) => !isInterfaceName(name));
  if (bad !== undefined)
    throw new MeshError(
      Code.BadInput,
      `Cannot plan redirection: ${JSON.stringify(bad.slice(0, 40))} is not an interface name`,
    );
  for (const ip of [o.probeSource.ipv4, o.probeSource.ipv6]) {
    const parsed = parseIp(ip);
    if (!parsed.ok)
      throw new MeshError(Code.BadInput, `Cannot plan redirection: probe source: ${parsed.error.message}`);
  }
}

function markRules(): Rule[] {
  return [
    ...r.rule(
      { id: "m3", table: "mangle", chain: "prerouting", wording: ["meta-mark", "ampersand", "wide-gap"] },
      [fromProxy],
      {
        t: "set-connection-mark",
        value: RESTORED_MARK,
        mask: MARK_MASK,
      },
    ),
    ...r.rule({ id: "m4", table: "mangle", chain: "output" }, [r.connectionMarked(RESTORED_MARK, MARK_MASK)], {
      t: "restore-mark",
    }),
  ];
}

function inboundRules(
  o: InPodOptions,
  families: readonly Family[],
): { readonly before: Rule[]; readonly after: Rule[] } {
  const virtual = o.virtualInterfaces.flatMap((name) => {
    const match: Match[] = [r.iif(name), r.protocol("tcp")];
    return [
      ...r.rule({ id: "n3", table: "nat", chain: "prerouting" }, match, redirect(OUTBOUND_PORT)),
      ...r.rule({ id: "n4", table: "nat", chain: "prerouting" }, match, { t: "return" }),
    ];
  });
  if (o.inbound === "bypass") return { before: virtual, after: [] };
  const probe = r.perFamily(
    { id: "n5", table: "nat", chain: "prerouting", wording: ["explicit-tcp"] },
    families,
    (f) => [r.protocol("tcp"), r.from(o.probeSource[f])],
    () => ACCEPT,
  );
  const plaintext = r.perFamily(
    { id: "n7", table: "nat", chain: "prerouting", wording: ["wide-gap"] },
    families,
    (f) => [r.notTo(LOOPBACK[f]), r.notPort("tcp", HBONE_PORT), notFromProxy],
    () => redirect(INBOUND_PLAINTEXT_PORT),
  );
  return { before: [...virtual, ...probe], after: plaintext };
}

function dnsRules(families: readonly Family[]): Rule[] {
  return [
    ...r.rule(
      { id: "n8", table: "nat", chain: "output" },
      [r.notOif("lo"), notFromProxy, r.port("udp", 53)],
      redirect(DNS_CAPTURE_PORT),
    ),
    ...r.perFamily(
      { id: "n9", table: "nat", chain: "output" },
      families,
      (f) => [r.notTo(LOOPBACK[f]), r.port("tcp", 53), notFromProxy],
      () => redirect(DNS_CAPTURE_PORT),
    ),
  ];
}

/** The proxy's own queries get a conntrack zone of their own, so that they cannot clash with captured ones on one port. */
function dnsZoneRules(): Rule[] {
  const zone: Action = { t: "zone", zone: DNS_ZONE };
  return [
    ...r.rule(
      { id: "r3", table: "raw", chain: "output", wording: ["meta-mark"] },
      [r.port("udp", 53), fromProxy],
      zone,
    ),
    ...r.rule(
      { id: "r4", table: "raw", chain: "prerouting", wording: ["meta-mark"] },
      [r.sourcePort("udp", 53), notFromProxy],
      zone,
    ),
  ];
}

function probeReplies(o: InPodOptions, families: readonly Family[], id: string): Rule[] {
  return r.perFamily(
    { id, table: "nat", chain: "output", wording: ["explicit-tcp"] },
    families,
    (f) => [r.protocol("tcp"), r.to(o.probeSource[f])],
    () => ACCEPT,
  );
}

function egressRules(families: readonly Family[], ids: readonly [string, string, string]): Rule[] {
  return [
    ...r.rule(
      { id: ids[0], table: "nat", chain: "output" },
      [r.protocol("tcp"), r.marked(RESTORED_MARK, MARK_MASK)],
      ACCEPT,
    ),
    ...r.perFamily(
      { id: ids[1], table: "nat", chain: "output" },
      families,
      (f) => [r.oif("lo"), r.notTo(LOOPBACK[f])],
      () => ACCEPT,
    ),
    ...r.perFamily(
      { id: ids[2], table: "nat", chain: "output" },
      families,
      (f) => [r.protocol("tcp"), r.notTo(LOOPBACK[f]), notFromProxy],
      () => redirect(OUTBOUND_PORT),
    ),
  ];
}

function redirectPlan(o: InPodOptions, families: readonly Family[]): Pick<Plan, "entries" | "rules"> {
  const inbound = inboundRules(o, families);
  const raw: readonly Entry[] = o.dns ? [entry("raw", "prerouting"), entry("raw", "output")] : [];
  return {
    entries: [
      entry("mangle", "prerouting"),
      entry("mangle", "output"),
      entry("nat", "output"),
      ...raw,
      entry("nat", "prerouting"),
    ],
    rules: [
      ...markRules(),
      ...inbound.before,
      ...probeReplies(o, families, "n6"),
      ...inbound.after,
      ...(o.dns ? dnsRules(families) : []),
      ...egressRules(families, ["n10", "n11", "n12"]),
      ...(o.dns ? dnsZoneRules() : []),
    ],
  };
}

function tproxyPlan(o: InPodOptions, families: readonly Family[]): Pick<Plan, "entries" | "rules"> {
  const tproxy = (port: number): Action => ({ t: "tproxy", port, mark: RESTORED_MARK, mask: MARK_MASK });
  const [setMark, restoreMark] = [markRules()[0]!, markRules()[1]!];
  const inbound = (
    id: string,
    match: (f: Family) => readonly Match[],
    action: Action,
    wording: Rule["wording"] = [],
  ): Rule[] => r.perFamily({ id, table: "mangle", chain: "prerouting", wording }, families, match, () => action);
  const dns = r.rule(
    { id: "12", table: "nat", chain: "output" },
    [r.notOif("lo"), r.port("udp", 53)],
    redirect(DNS_CAPTURE_PORT),
  );
  return {
    entries: [entry("mangle", "prerouting"), entry("mangle", "output"), entry("nat", "output")],
    rules: [
      { ...setMark, id: "4" },
      ...inbound("5", (f) => [r.protocol("tcp"), r.from(o.probeSource[f])], ACCEPT, ["explicit-tcp"]),
      ...probeReplies(o, families, "11"),
      ...inbound("6", (f) => [r.notTo(LOOPBACK[f]), r.protocol("tcp"), r.iif("lo")], ACCEPT, ["interface-last"]),
      ...inbound("7", () => [r.port("tcp", HBONE_PORT), notFromProxy], tproxy(HBONE_PORT), ["explicit-tcp"]),
      ...r.rule(
        { id: "8", table: "mangle", chain: "prerouting" },
        [r.protocol("tcp"), { t: "known-connection" }],
        ACCEPT,
      ),
      ...inbound("9", (f) => [r.protocol("tcp"), r.notTo(LOOPBACK[f]), notFromProxy], tproxy(INBOUND_PLAINTEXT_PORT)),
      { ...restoreMark, id: "10" },
      ...(o.dns ? dns : []),
      ...egressRules(families, ["13", "14", "15"]),
    ],
  };
}

const routing = (family: Family): Routing => ({
  family,
  table: ROUTE_TABLE,
  mark: RESTORED_MARK,
  mask: MARK_MASK,
  priority: RULE_PRIORITY,
});

/**
 * The rules and routes that capture one pod's traffic. Pure: equal options give equal plans.
 * @throws MeshError BAD_INPUT when an interface name or a probe address is not one
 * @see the data-plane contract, sections 2.1, 2.3 (`redirect`) and 2.4 (`tproxy`)
 */
export function inPodPlan(o: InPodOptions): Plan {
  check(o);
  const families: readonly Family[] = o.ipv6 ? ["ipv4", "ipv6"] : ["ipv4"];
  const body = o.form === "redirect" ? redirectPlan(o, families) : tproxyPlan(o, families);
  return { scope: "pod", form: o.form, families, ...body, sets: [], routing: families.map(routing) };
}
