import type { LocalityLbSetting, OutlierDetection, ZoneAwareLbSetting } from "@lateen/resources";
import { type Findings, forEachOf, quoted } from "./findings.ts";

/** Labels whose order is given by the place of an endpoint. */
const PLACES: ReadonlySet<string> = new Set([
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "topology.istio.io/subzone",
]);

interface Health {
  readonly outlierDetection: OutlierDetection | undefined;
}

/** @see l7 3.4 */
export function checkLocalityLb(lb: LocalityLbSetting | undefined, f: Findings, o: Health): void {
  if (lb === undefined) return;
  const { distribute = [], failover = [], failoverPriority = [] } = lb;
  if (distribute.length > 0 && failover.length > 0) return f.error("distribute and failover exclude each other");
  const place = failover.length > 0 ? failoverPriority.find((label) => PLACES.has(label)) : undefined;
  if (place !== undefined) return f.at("failoverPriority").error(`${place} cannot be set together with failover`);
  forEachOf(distribute, f.at("distribute"), ({ to = {} }, at) => {
    const weights = Object.entries(to);
    for (const [locality, weight] of weights)
      at.at("to", locality).require(weight >= 1 && weight <= 100, `${weight} is not a weight: it must be 1 to 100`);
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    at.at("to").require(total === 100, `the weights must add up to 100, not ${total}`);
    at.at("to").check(localitiesProblem(Object.keys(to)));
  });
  f.at("distribute").check(localitiesProblem(distribute.map(({ from = "" }) => from)));
  checkFailover(lb, f, o);
}

/** Endpoints are always told apart by region and zone, so that only the order of regions is left to say. */
export function checkZoneAwareLb(lb: ZoneAwareLbSetting | undefined, f: Findings, o: Health): void {
  if (lb === undefined) return;
  forEachOf(lb.failoverPriority, f.at("failoverPriority"), (label, at) =>
    at.require(!PLACES.has(label), `${label} is looked at already`),
  );
  checkFailover(lb, f, o);
}

function checkFailover(
  { failover = [], failoverPriority = [] }: Pick<LocalityLbSetting, "failover" | "failoverPriority">,
  f: Findings,
  o: Health,
): void {
  if (failover.length + failoverPriority.length > 0 && o.outlierDetection === undefined)
    f.warn("needs outlierDetection: without it nothing is found to have failed");
  forEachOf(failover, f.at("failover"), ({ from = "", to = "" }, at) => {
    at.require(from !== to, "must lead to another region");
    at.require(!`${from}${to}`.includes("/"), "names regions only, no zones");
    at.require(!`${from}${to}`.includes("*"), "cannot hold wildcards");
  });
}

/**
 * What is wrong with localities `region/zone/subzone`, whose last part may be `*` or left out: none may hold another.
 */
export function localitiesProblem(localities: readonly string[]): string | null {
  const seen: (readonly string[])[] = [];
  for (const locality of localities) {
    const star = locality.indexOf("*");
    if (star >= 0 && star !== locality.length - 1) return `${quoted(locality)} has a "*" that is not at its end`;
    const [region = "", zone, ...rest] = locality.split("/");
    const parts = [region, ...(zone === undefined ? [] : [zone]), ...(rest.length === 0 ? [] : [rest.join("/")])];
    if (parts.includes("")) return `${quoted(locality)} has an empty part`;
    const open = parts.at(-1) === "*" ? parts.slice(0, -1) : parts;
    if (seen.some((other) => isWithin(open, other) || isWithin(other, open)))
      return `${quoted(locality)} overlaps with another locality`;
    seen.push(open);
  }
  return null;
}

const isWithin = (narrow: readonly string[], wide: readonly string[]): boolean =>
  wide.every((part, i) => narrow[i] === part);
