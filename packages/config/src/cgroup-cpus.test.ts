import { expect, test } from "vitest";
import { cgroupCpuFiles, grantedCpus } from "./cgroup-cpus.ts";

const v2 = (...levels: readonly (readonly [string, string])[]): ReadonlyMap<string, string> =>
  new Map(levels.map(([folder, text]) => [`/sys/fs/cgroup${folder}/cpu.max`, text]));
const v1 = (quota: string, period?: string): ReadonlyMap<string, string> => {
  const base = "/sys/fs/cgroup/cpu,cpuacct/pod";
  const files = new Map([[`${base}/cpu.cfs_quota_us`, quota]]);
  return period === undefined ? files : files.set(`${base}/cpu.cfs_period_us`, period);
};

test.each([
  ["no file at all", new Map<string, string>(), 8, 8],
  ["v2 without a limit", v2(["/pod", "max 100000\n"]), 8, 8],
  ["v2 with two CPUs", v2(["/pod", "200000 100000\n"]), 8, 2],
  ["v2 with a part of a CPU", v2(["/pod", "50000 100000\n"]), 8, 1],
  ["v2 with one and a half, rounded up", v2(["/pod", "150000 100000\n"]), 8, 2],
  ["v2 without a period", v2(["/pod", "300000\n"]), 8, 3],
  ["v2 whose parent grants less", v2(["/a/b", "400000 100000"], ["/a", "200000 100000"], ["", "max 100000"]), 8, 2],
  ["v2 with more than there are", v2(["/pod", "1600000 100000\n"]), 4, 4],
  ["v2 with rubbish", v2(["/pod", "many\n"]), 4, 4],
  ["v2 with a zero period", v2(["/pod", "100000 0\n"]), 4, 4],
  ["v1 without a limit", v1("-1\n", "100000\n"), 8, 8],
  ["v1 with three CPUs", v1("150000\n", "50000\n"), 8, 3],
  ["v1 without its period file", v1("100000\n"), 8, 1],
  ["no CPU available, which cannot be", new Map<string, string>(), 0, 1],
])("%s", (_name, files, available, want) => expect(grantedCpus(files, available)).toBe(want));

test("v2: the process's own cgroup and all above it are read", () => {
  expect(cgroupCpuFiles("0::/kubepods/pod1\n")).toEqual([
    "/sys/fs/cgroup/kubepods/pod1/cpu.max",
    "/sys/fs/cgroup/kubepods/cpu.max",
    "/sys/fs/cgroup/cpu.max",
  ]);
});

test("v1: only the cpu controller counts", () => {
  const files = cgroupCpuFiles("4:cpu,cpuacct:/pod\n3:memory:/elsewhere\n1:name=systemd:/x\n");
  expect(files).toContain("/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us");
  expect(files).toContain("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  expect(files.filter((f) => /memory|elsewhere|systemd|cpu\.max/.test(f))).toEqual([]);
});

test("a cgroup outside our namespace leaves only the mount's root", () => {
  expect(cgroupCpuFiles("0::/../../pod\n")).toEqual(["/sys/fs/cgroup/cpu.max"]);
});
