import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { createNetns } from "@lateen/linux";
import { requireRoot } from "@lateen/testkit";
import { expect, test } from "vitest";
import { nodeKernel } from "./node-kernel.ts";

test.skipIf(requireRoot())("a namespace has one identity, whatever path leads to it", () => {
  using pod = createNetns();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cni-kernel-"));
  try {
    const fd = `/proc/${process.pid}/fd/${pod.fd}`;
    const link = path.join(folder, "link");
    fs.symlinkSync(fd, link);
    expect([fd, link].map(nodeKernel.idAt)).toEqual([pod.id, pod.id]);
    expect(nodeKernel.idAt("/proc/self/ns/net")).toBe(nodeKernel.ownId());
    using opened = nodeKernel.open(fd);
    expect(opened.id).toBe(pod.id);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test.skipIf(process.platform !== "linux")("what is no namespace, or nothing, is neither taken for one", () => {
  expect(nodeKernel.idAt("/proc/self/fd/99999")).toBeNull();
  expect(nodeKernel.idAt("/nowhere")).toBeNull();
  const { dev, ino } = fs.statSync("/proc/self/exe", { bigint: true });
  expect(nodeKernel.idAt("/proc/self/exe")).toBe(`${dev}:${ino}`);
});
