import type { Frame } from "./cpu-profile.ts";

const WIDTH = 1600;
const ROW = 18;
const MARGIN = 10;
const TITLE = 28;
/** Letters of this width fit into a box. */
const LETTER = 6.6;
/** A box narrower than this many pixels cannot be seen. */
const MIN_PIXELS = 0.4;

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c);

/** Warm colours, the same one for the same name: cool ones for what is not JavaScript. */
function colour({ name, where }: Frame): string {
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return where === ""
    ? `hsl(${195 + (hash % 30)} 45% ${72 + (hash % 10)}%)`
    : `hsl(${15 + (hash % 40)} 80% ${66 + (hash % 12)}%)`;
}

const depthOf = (frame: Frame): number => 1 + frame.children.reduce((deep, c) => Math.max(deep, depthOf(c)), 0);

function box(
  frame: Frame,
  at: { readonly x: number; readonly y: number; readonly width: number },
  ofUs: number,
): string {
  const share = ((100 * frame.totalUs) / ofUs).toFixed(1);
  const own = ((100 * frame.selfUs) / ofUs).toFixed(1);
  const letters = Math.floor((at.width - 4) / LETTER);
  const label = letters < 3 ? "" : frame.name.length <= letters ? frame.name : `${frame.name.slice(0, letters - 1)}…`;
  const title = `${frame.name}${frame.where === "" ? "" : ` ${frame.where}`}: ${share} %, itself ${own} %`;
  const shape = `<rect x="${at.x.toFixed(1)}" y="${at.y}" width="${Math.max(0.3, at.width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colour(frame)}"/>`;
  const text = label === "" ? "" : `<text x="${(at.x + 2).toFixed(1)}" y="${at.y + 13}">${escaped(label)}</text>`;
  return `<g><title>${escaped(title)}</title>${shape}${text}</g>`;
}

/**
 * A flame graph that needs nothing but a viewer of SVG: callers at the bottom, width is time, pointing at a box names it.
 * @param title shown above it
 */
export function renderFlameGraph(root: Frame, title: string): string {
  const height = TITLE + depthOf(root) * ROW + 2 * MARGIN;
  const scale = (WIDTH - 2 * MARGIN) / Math.max(1, root.totalUs);
  const boxes: string[] = [];
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = frame.totalUs * scale;
    if (width < MIN_PIXELS) return;
    boxes.push(box(frame, { x, y: height - MARGIN - (level + 1) * ROW, width }, Math.max(1, root.totalUs)));
    let at = x;
    for (const c of frame.children) {
      draw(c, at, level + 1);
      at += c.totalUs * scale;
    }
  };
  draw(root, MARGIN, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">`,
    `<style>svg{background:#fff}text{font:11px monospace;fill:#222}g:hover rect{stroke:#222}</style>`,
    `<text x="${MARGIN}" y="${TITLE - 8}">${escaped(title)}</text>`,
    ...boxes,
    "</svg>",
    "",
  ].join("\n");
}
