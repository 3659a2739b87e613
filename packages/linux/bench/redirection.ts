// Time to put a plan into fresh namespaces and to read it back, one pod at a time. Needs root.
// node --conditions=lateen:source packages/linux/bench/redirection.ts
import { createNetns, openPodRedirection } from "@lateen/linux";
import { defaultInPodOptions, inPodPlan } from "@lateen/redirection";

const PODS = 200;
const plan = inPodPlan(defaultInPodOptions);
const timesMs: Record<string, number[]> = {
  "first apply": [],
  "read back": [],
  "apply again": [],
  "all, new pod": [],
  remove: [],
};

function timed<T>(name: string, run: () => T): T {
  const start = performance.now();
  const value = run();
  timesMs[name]?.push(performance.now() - start);
  return value;
}

for (let i = 0; i < PODS; i++) {
  using ns = createNetns();
  timed("all, new pod", () => {
    using pod = openPodRedirection(ns.fd);
    timed("first apply", () => pod.apply(plan));
    if (timed("read back", () => pod.drift(plan)).length > 0) throw new Error("the plan did not arrive");
  });
  using pod = openPodRedirection(ns.fd);
  timed("apply again", () => pod.apply(plan));
  timed("remove", () => pod.remove(plan));
}

for (const [name, times] of Object.entries(timesMs)) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (q: number): string => (sorted[Math.floor(q * (sorted.length - 1))] ?? 0).toFixed(2);
  console.log(`${name.padEnd(14)} p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  max ${at(1)} ms`);
}
