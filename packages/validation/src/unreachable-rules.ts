import type { HttpMatch, HttpRoute, StringMatch } from "@lateen/resources";
import { type Findings, quoted } from "./findings.ts";

interface Route {
  readonly name?: string | undefined;
  readonly match?: readonly unknown[] | undefined;
}

/** Rules of a list of routes that an earlier one leaves nothing for. The first rule that matches wins. */
export function warnUnreachable(routes: readonly Route[] | undefined, f: Findings): void {
  const seen = new Map<string, number>();
  let catchAll = false;
  for (const [i, route] of (routes ?? []).entries()) {
    const matches = route.match ?? [];
    if (matches.length === 0) {
      if (catchAll) f.at(i).warn("is never reached: only the last rule can be without matches");
      catchAll = true;
      continue;
    }
    let duplicates = 0;
    for (const [k, match] of matches.entries()) {
      const at = f.at(i, "match", k);
      const earlier = seen.get(canonical(match));
      if (catchAll) at.warn("is never reached: a rule without matches stands before");
      else if (earlier !== undefined) {
        at.warn(`has no effect: rule ${nameOf(routes?.[earlier], earlier)} has the same`);
        duplicates++;
      } else seen.set(canonical(match), i);
    }
    if (duplicates === matches.length) f.at(i).warn("is never reached: earlier rules have all of its matches");
  }
}

const nameOf = (route: Route | undefined, index: number): string =>
  route?.name === undefined || route.name === "" ? `#${index}` : quoted(route.name);

/** Equal for matches that say the same; how they are called does not count. */
function canonical(match: unknown): string {
  return JSON.stringify(match, (key, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const entries = Object.entries(value).filter(([k, v]) => v !== undefined && (key !== "" || k !== "name"));
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** A match by a prefix of the path, as far as it can be compared with another. */
interface PrefixMatch {
  readonly route: number;
  readonly place: readonly (string | number)[];
  readonly prefix: string;
  readonly port: number;
  readonly method: string;
  readonly authority: string;
  readonly maps: readonly Readonly<Record<string, string>>[];
}

/** More than anybody writes by hand; comparing all with all must stay cheap. */
const MAX_COMPARED = 500;

/** Matches by a prefix whose paths an earlier, shorter prefix takes. */
export function warnOverlaps(routes: readonly HttpRoute[] | undefined, f: Findings): void {
  const all = prefixMatches(routes ?? []).slice(0, MAX_COMPARED);
  for (const [i, earlier] of all.entries())
    for (const later of all.slice(i + 1))
      if (later.prefix !== earlier.prefix && covers(earlier, later))
        f.at(...later.place).warn(
          `has no effect: rule ${nameOf(routes?.[earlier.route], earlier.route)} takes the paths below ${quoted(earlier.prefix)}`,
        );
}

function prefixMatches(routes: readonly HttpRoute[]): readonly PrefixMatch[] {
  const seen = new Set<string>();
  const out: PrefixMatch[] = [];
  for (const [route, { match = [] }] of routes.entries()) {
    if (match.length === 0) break; // what follows is never reached
    for (const [k, m] of match.entries()) {
      const prefix = m?.uri?.prefix ?? "";
      const key = canonical(m);
      if (m === null || prefix === "" || seen.has(key)) continue;
      seen.add(key);
      out.push({ route, place: [route, "match", k], prefix, ...comparable(m) });
    }
  }
  return out;
}

const written = (m: StringMatch | undefined): string =>
  (m?.exact ?? "") !== "" ? `exact:${m?.exact ?? ""}` : (m?.prefix ?? "") !== "" ? `prefix:${m?.prefix ?? ""}` : "";
const writtenMap = (map: Readonly<Record<string, StringMatch>> = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(map).map(([key, m]) => [key, written(m)]));

function comparable(m: HttpMatch): Pick<PrefixMatch, "port" | "method" | "authority" | "maps"> {
  const method = written(m.method);
  return {
    port: m.port ?? 0,
    method: method === "" ? "exact:GET" : method,
    authority: written(m.authority),
    maps: [m.headers, m.queryParams, m.withoutHeaders].map(writtenMap),
  };
}

function covers(earlier: PrefixMatch, later: PrefixMatch): boolean {
  if (!later.prefix.startsWith(earlier.prefix) || later.port !== earlier.port) return false;
  if (!earlier.method.startsWith(later.method) || !earlier.authority.startsWith(later.authority)) return false;
  return earlier.maps.every((map, i) => {
    const other = later.maps[i] ?? {};
    const names = Object.keys(map);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && (map[name] ?? "").startsWith(other[name] ?? ""))
    );
  });
}
