import fs from "node:fs";
import { expect, test } from "vitest";
import { growDescriptorTable } from "./descriptor-table.ts";

const places = (): number => Number(/^FDSize:\s+(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]);
const open = (): number => fs.readdirSync("/proc/self/fd").length;

test("there is room for so many descriptors, and none more is open", () => {
  const [before, openBefore] = [places(), open()];
  expect(growDescriptorTable(before + 1)).toBe(true);
  expect(places()).toBeGreaterThan(before);
  expect(open()).toBe(openBefore);
});

test("more than the limit is refused, and changes nothing", () => {
  const [before, openBefore] = [places(), open()];
  expect(growDescriptorTable(0x7fffffff)).toBe(false);
  expect([places(), open()]).toEqual([before, openBefore]);
});
