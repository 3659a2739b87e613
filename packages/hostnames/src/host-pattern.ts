/** A host name, or a pattern whose first character is `*`: `*.example.com`, `*`. Compared as written: case counts. */
export type HostPattern = string;

export const isWildcard = (host: HostPattern): boolean => host.startsWith("*");

/** Whether some name fits both. */
export function hostsOverlap(a: HostPattern, b: HostPattern): boolean {
  if (isWildcard(a) && isWildcard(b)) {
    const [x, y] = [a.slice(1), b.slice(1)];
    return x.endsWith(y) || y.endsWith(x);
  }
  return hostCovers(a, b) || hostCovers(b, a);
}

/** Whether every name that fits `narrow` fits `wide`. */
export function hostCovers(wide: HostPattern, narrow: HostPattern): boolean {
  if (!isWildcard(wide)) return wide === narrow;
  const suffix = wide.slice(1);
  if (isWildcard(narrow)) return narrow.length >= wide.length && narrow.slice(1).endsWith(suffix);
  return narrow.endsWith(suffix);
}

/**
 * The order of hosts by how much they say: names before patterns, longer before shorter, then by code units.
 * @returns negative when `a` comes first
 */
export function compareHosts(a: HostPattern, b: HostPattern): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  if (a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Of each pair that has one within the other, the narrower: in the order of `a`, without repetition. */
export function intersectHosts(a: readonly HostPattern[], b: readonly HostPattern[]): readonly HostPattern[] {
  const narrower = a.flatMap((x) => b.flatMap((y) => (hostCovers(y, x) ? [x] : hostCovers(x, y) ? [y] : [])));
  return [...new Set(narrower)];
}

/** Hosts of entries `host`, `namespace/host` or `*`/host that are meant for a namespace. */
export function hostsForNamespace(entries: readonly string[], namespace: string): readonly HostPattern[] {
  return entries.flatMap((entry) => {
    const slash = entry.indexOf("/");
    if (slash < 0) return [entry];
    const scope = entry.slice(0, slash);
    return scope === "*" || scope === namespace ? [entry.slice(slash + 1)] : [];
  });
}
