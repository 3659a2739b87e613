const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;
/** As Kubernetes has it: no vowels, so that no hash spells a word. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A short name for a value: equal values give equal text. Tells changes apart, protects nothing. */
export function shortHash(value: unknown, length: number): string {
  const text = canonicalJson(value);
  let hash = OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME) >>> 0;
  let out = "";
  for (let i = 0; i < length; i++) {
    out += ALPHABET.charAt(hash % ALPHABET.length);
    hash = Math.imul(hash ^ (hash >>> 13) ^ i, PRIME) >>> 0;
  }
  return out;
}

/** JSON with the keys of every object in order, so that the order in a file does not matter. */
export function canonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, v: unknown) => {
      if (v === null || typeof v !== "object" || Array.isArray(v)) return v;
      return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? "null"
  );
}
