import { expect, test } from "vitest";
import { defaultInPodOptions } from "./in-pod-plan.ts";
import {
  BYPASS_INBOUND_ANNOTATION as BYPASS,
  DNS_CAPTURE_ANNOTATION as DNS,
  VIRTUAL_INTERFACES_ANNOTATION as VIRTUAL,
  podOptions,
} from "./pod-annotations.ts";

const node = defaultInPodOptions;

test.each([
  ["nothing changes nothing", {}, {}, 0],
  ["inbound bypass", { [BYPASS]: "true" }, { inbound: "bypass" }, 0],
  ["inbound bypass in Go's spelling", { [BYPASS]: "T" }, { inbound: "bypass" }, 0],
  ["a bypass that is false", { [BYPASS]: "0" }, { inbound: "capture" }, 0],
  ["a bypass that is no boolean is ignored", { [BYPASS]: "yes" }, {}, 1],
  ["an empty boolean is ignored", { [BYPASS]: "" }, {}, 1],
  ["DNS off", { [DNS]: "false" }, { dns: false }, 0],
  ["DNS that is no boolean is ignored", { [DNS]: "off" }, {}, 1],
  ["interfaces with blanks", { [VIRTUAL]: " vnet0, vnet1 ,," }, { virtualInterfaces: ["vnet0", "vnet1"] }, 0],
  ["an interface twice", { [VIRTUAL]: "a,a" }, { virtualInterfaces: ["a"] }, 0],
  ["no interfaces", { [VIRTUAL]: "" }, { virtualInterfaces: [] }, 0],
  ["an interface that is none", { [VIRTUAL]: "a b,vnet0" }, { virtualInterfaces: ["vnet0"] }, 1],
] as const)("%s", (_, annotations, change, warnings) => {
  const got = podOptions(annotations, node);
  expect(got.options).toEqual({ ...node, ...change });
  expect(got.warnings).toHaveLength(warnings);
});

test("an annotation overrides the node either way", () => {
  expect(podOptions({ [DNS]: "true" }, { ...node, dns: false }).options.dns).toBe(true);
  expect(podOptions({ [BYPASS]: "false" }, { ...node, inbound: "bypass" }).options.inbound).toBe("capture");
});

test("a thousand interfaces are cut off with a warning", () => {
  const many = Array.from({ length: 1000 }, (_, i) => `v${i}`).join(",");
  const got = podOptions({ [VIRTUAL]: many }, node);
  expect(got.options.virtualInterfaces).toHaveLength(64);
  expect(got.warnings).toHaveLength(1);
});
