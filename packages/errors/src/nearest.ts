/**
 * The candidate that a slip of the finger would turn into `word`, or that `word` begins.
 * @returns the nearest one, the first of several as near; null when none is near
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = word.length >= 2 && candidate.startsWith(word) ? 0 : editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

const MAX_LISTED = 8;

/**
 * What follows "there is no such thing" in a message: the nearest of the names that exist, else all of them, a long list cut.
 * @returns such as `did you mean "catalog"?`, `there are a, b and 3 more` or `there is none`
 */
export function suggest(word: string, names: readonly string[]): string {
  const close = nearest(word, names);
  if (close !== null) return `did you mean "${close}"?`;
  if (names.length === 0) return "there is none";
  if (names.length === 1) return `there is only ${names[0] ?? ""}`;
  const more = names.length - MAX_LISTED;
  return `there are ${names.slice(0, MAX_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Letters left out, added, changed or swapped with their neighbour. */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? Infinity) + 1 : Infinity;
      next.push(Math.min(changed, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
