import { describe, expect, test } from "vitest";
import { type CpuProfile, foldProfile, hottest } from "./cpu-profile.ts";
import { renderFlameGraph } from "./flame-graph.ts";

const node = (id: number, functionName: string, children: readonly number[] = []): CpuProfile["nodes"][number] => ({
  id,
  callFrame: {
    functionName,
    url: functionName.startsWith("(") ? "" : "file:///home/x/packages/p/src/a.ts",
    lineNumber: id,
  },
  children,
});

const c = (id: number, functionName: string): CpuProfile["nodes"][number] => ({
  id,
  callFrame: { functionName, url: "", lineNumber: -1 },
});

/**
 * A turn waits and reads, by two nodes of one name and line, which are one function. Both call C by a list; one of those that read
 * calls it by a function of its own too.
 */
const profile: CpuProfile = {
  nodes: [
    node(1, "(root)", [2]),
    node(2, "turn", [3, 4, 5]),
    node(3, "read", [7, 9]),
    { ...node(3, "read"), id: 4 },
    node(5, "epollWait", [6]),
    node(6, "call", [8]),
    c(7, "memcpy"),
    node(8, "crossing"),
    node(9, "run", [10]),
    node(10, "crossing"),
  ],
  samples: [2, 3, 4, 8, 7, 10, 3],
  timeDeltas: [900, 10, 20, 30, 1000, 5, 3],
};

describe("a profile, folded", () => {
  test("gives each sample the time until the next one, adds up equal paths and counts sleep apart", () => {
    const { root, sleptUs } = foldProfile(profile);
    expect(sleptUs).toBe(1000);
    expect(root).toMatchObject({ name: "thread", selfUs: 0, totalUs: 68 });
    expect(root.children).toMatchObject([{ name: "turn", where: "packages/p/src/a.ts:3", selfUs: 10, totalUs: 68 }]);
    expect(root.children[0]?.children).toMatchObject([{ name: "read", selfUs: 50, totalUs: 58 }]);
  });

  test("names the hottest functions first, and calls to C by their callers", () => {
    expect(hottest(foldProfile(profile).root, 3).map(({ name, selfUs }) => [name, selfUs])).toEqual([
      ["read", 50],
      ["turn", 10],
      ["C in read", 8],
    ]);
  });

  test("of nothing is an empty thread", () => {
    expect(foldProfile({ nodes: [], samples: [], timeDeltas: [] })).toEqual({
      root: { name: "thread", where: "", selfUs: 0, totalUs: 0, children: [] },
      sleptUs: 0,
    });
  });
});

describe("a flame graph", () => {
  const frame = (name: string, selfUs: number, children: Parameters<typeof renderFlameGraph>[0][] = []) => ({
    name,
    where: "a.ts:1",
    selfUs,
    totalUs: children.reduce((n, c) => n + c.totalUs, selfUs),
    children,
  });

  test("stacks callees on their callers, in proportion to their time", () => {
    const svg = renderFlameGraph(frame("turn", 25, [frame("read", 75)]), "bulk");
    const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)].map((m) =>
      m.slice(1).map(Number),
    );
    const [turn, read] = boxes as [[number, number, number], [number, number, number]];
    expect(boxes).toHaveLength(2);
    expect(read[2] / turn[2]).toBeCloseTo(0.75, 3);
    expect(read[0]).toBe(turn[0]);
    expect(read[1]).toBeLessThan(turn[1]);
    expect(svg).toContain("<title>read a.ts:1: 75.0 %, itself 75.0 %</title>");
  });

  test("writes names as text, whatever they hold, and leaves out what is too narrow to see", () => {
    const svg = renderFlameGraph(frame("<img src=x>&", 1e6, [frame("speck", 1)]), 'a "title"');
    expect(svg).toContain("&lt;img src=x&gt;&amp;");
    expect(svg).toContain("a &quot;title&quot;");
    expect(svg).not.toContain("<img");
    expect(svg).not.toContain("speck");
  });

  test("of nothing is still a picture", () => {
    expect(renderFlameGraph(frame("thread", 0), "idle")).toMatch(/^<svg [^>]*>[^]*<\/svg>\n$/);
  });
});
