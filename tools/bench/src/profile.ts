import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CpuProfile, foldProfile, hottest } from "./cpu-profile.ts";
import { renderFlameGraph } from "./flame-graph.ts";
import type { BenchMesh } from "./mesh.ts";

/** Where the client's and the server's proxies run. */
const NODES = ["node-1", "node-2"] as const;
const SHOWN = 15;

/**
 * Runs a load, and draws what the busiest data thread of each node did meanwhile.
 * @returns a text that says where the pictures are, and which functions took the most time themselves
 */
export async function profileLoad(mesh: BenchMesh, name: string, load: () => Promise<unknown>): Promise<string> {
  for (const node of NODES) await mesh.admin(node, "/debug/cpuprofile/start");
  await load();
  const lines: string[] = [];
  for (const node of NODES) {
    const profiles = JSON.parse(await mesh.admin(node, "/debug/cpuprofile/stop")) as readonly CpuProfile[];
    const [busiest] = profiles
      .map((profile, thread) => ({ thread, ...foldProfile(profile) }))
      .sort((a, b) => b.root.totalUs - a.root.totalUs);
    if (busiest === undefined) continue;
    const { thread, root, sleptUs } = busiest;
    const busy = ((100 * root.totalUs) / Math.max(1, root.totalUs + sleptUs)).toFixed(0);
    const title = `${name}: data thread ${thread} of ${node}, busy ${busy} % of the time`;
    const file = save(`profile-${name}-${node}.svg`, renderFlameGraph(root, title));
    lines.push("", title);
    for (const { name: of, where, selfUs } of hottest(root, SHOWN))
      lines.push(`  ${((100 * selfUs) / Math.max(1, root.totalUs)).toFixed(1).padStart(5)} %  ${of}  ${where}`);
    lines.push(`  drawn in ${file}`);
  }
  return `${lines.join("\n")}\n`;
}

function save(name: string, text: string): string {
  const folder = join(process.cwd(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}
