import { describe, expect, test } from "vitest";
import { chooseNode } from "./choose-node.ts";
import { loggingQuery } from "./log.ts";

type Status = Parameters<typeof chooseNode>[0];
const status = {
  nodes: [{ name: "node-1" }, { name: "node-2" }],
  pods: [
    { name: "web-1", namespace: "shop", deployment: "web", ready: true, node: "node-2" },
    { name: "ztunnel-odd", namespace: "shop", deployment: null, ready: true, node: "node-1" },
  ],
} as unknown as Status;
const choose = (
  pod: string | undefined,
  o: { node?: string; definite?: boolean } = {},
): ReturnType<typeof chooseNode> => chooseNode(status, { node: o.node ?? "", pod, definite: o.definite ?? false });

describe("which ztunnel", () => {
  test.each([
    ["the node's", undefined, { node: "node-2" }, { node: "node-2", workload: undefined }],
    ["by its own name", "ztunnel-node-2", {}, { node: "node-2", workload: undefined }],
    ["by its full name", "pod/ztunnel-node-1.istio-system", {}, { node: "node-1", workload: undefined }],
    ["of a pod's node", "web", {}, { node: "node-2", workload: { name: "web-1", namespace: "shop" } }],
    [
      "of a pod that is called like one",
      "ztunnel-odd",
      {},
      { node: "node-1", workload: { name: "ztunnel-odd", namespace: "shop" } },
    ],
    ["the first where any will do", undefined, {}, { node: "node-1", workload: undefined }],
  ])("%s", (_, pod, o, want) => {
    expect(choose(pod, o)).toEqual(want);
  });

  test.each([
    [undefined, { node: "node-3" }, 'Cannot find node "node-3": did you mean "node-1"?'],
    [undefined, { definite: true }, "which ztunnel is meant? Name a pod, --file, or --node (there are node-1, node-2)"],
    ["wbe", {}, 'Cannot find pod "wbe": did you mean "web.shop"?'],
  ])("%s %j is refused", (pod, o, message) => {
    expect(() => choose(pod, o)).toThrow(message);
  });
});

describe("what is asked of /logging", () => {
  test.each([
    ["", false, ""],
    ["", true, "?level=info&reset"],
    ["debug", false, "?level=debug"],
    ["warning", false, "?level=warn"],
    ["critical", false, "?level=error"],
    ["access:trace,info", false, "?level=access%3Atrace%2Cinfo"],
    ["a::b:off", false, "?level=a%3A%3Ab%3Aoff"],
  ])("for --level %j, reset %s", (level, reset, want) => {
    expect(loggingQuery(level, reset)).toBe(want);
  });
  test.each([
    ["loud", "need one of trace, debug, info, warning, error, critical, off"],
    ["access:debg", 'did you mean "debug"?'],
    ["debug,", 'invalid argument ""'],
  ])("%s is no level", (level, message) => {
    expect(() => loggingQuery(level, false)).toThrow(message);
  });
});
