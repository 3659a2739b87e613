/**
 * Compares two resource versions of one kind at one server.
 * @returns negative: `a` is older; null when they are not the decimal numbers that every known server gives
 * @see KEP-5504, which makes their order part of the API
 */
export function compareResourceVersions(a: string, b: string): number | null {
  if (!/^[1-9]\d{0,30}$/.test(a) || !/^[1-9]\d{0,30}$/.test(b)) return null;
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
