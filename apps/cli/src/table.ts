/** The gap between columns where nothing else is said. */
export const DEFAULT_PADDING = 5;

/**
 * Rows in left-aligned columns as Go's tabwriter sets them: each column as wide as its widest cell plus the padding, the last
 * one unpadded. Tools parse these tables by header, so headers are exact.
 */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  padding = DEFAULT_PADDING,
): string {
  const lines = [headers, ...rows];
  const widths = headers.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)) + padding);
  const text = lines.map((line) =>
    headers
      .map((_, i) => (i === headers.length - 1 ? (line[i] ?? "") : (line[i] ?? "").padEnd(widths[i] ?? 0)))
      .join(""),
  );
  return `${text.join("\n")}\n`;
}
