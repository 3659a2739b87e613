import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { parseDesiredPods } from "./desired-pods.ts";
import { judgeAnswer, judgeDump } from "./identity-probe.ts";

test("defaults are those of the contract", () => {
  expect(parseConfig({})).toMatchObject({
    ok: true,
    value: {
      agentSocket: "/var/run/istio-cni/agent.sock",
      ztunnelSocket: "/var/run/ztunnel/ztunnel.sock",
      ztunnelAdmin: "http://127.0.0.1:15000",
      recordFile: "/var/run/istio-cni/enrolled-pods.json",
      redirection: {
        form: "redirect",
        ipv6: true,
        dns: false,
        probeSource: { ipv4: "169.254.7.127", ipv6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" },
      },
    },
  });
});

test("every wrong variable is named at once", () => {
  const r = parseConfig({
    AMBIENT_IPV6: "yes",
    HOST_PROBE_SNAT_IP: "::1",
    CNI_AGENT_RUN_DIR: "run",
    ZTUNNEL_ADMIN_ADDRESS: "x",
  });
  expect(r.ok ? "" : r.error.message).toMatch(
    /CNI_AGENT_RUN_DIR: .*ZTUNNEL_ADMIN_ADDRESS: .*AMBIENT_IPV6: .*HOST_PROBE_SNAT_IP: /,
  );
});

const pod = { uid: "u1", name: "a", namespace: "ns", serviceAccount: "sa", ips: ["10.0.0.1"], netns: "/proc/1/ns/net" };
const parse = (value: unknown): string => {
  const r = parseDesiredPods(typeof value === "string" ? value : JSON.stringify(value));
  return r.ok ? "ok" : r.error.message;
};
test.each([
  ["a pod", { pods: [pod] }, "ok"],
  ["none", { pods: [] }, "ok"],
  ["no JSON", "{", "Cannot parse pods: the body is not JSON"],
  ["no list", {}, "Cannot parse pods: pods: Invalid input: expected array, received undefined"],
  ["a list", [], "Cannot parse pods: body: Invalid input: expected object, received array"],
  ["one twice", { pods: [pod, { ...pod }] }, "Cannot parse pods: pods[1].uid: occurs twice"],
  [
    "a relative path",
    { pods: [{ ...pod, netns: "proc" }] },
    "Cannot parse pods: pods[0].netns: is not an absolute path",
  ],
  [
    "a NUL in a path",
    { pods: [{ ...pod, netns: "/a\0b" }] },
    "Cannot parse pods: pods[0].netns: is not an absolute path",
  ],
  ["a wrong IP", { pods: [{ ...pod, ips: ["10.0.0"] }] }, "Cannot parse pods: pods[0].ips[0]: is not an IP address"],
  [
    "several faults",
    { pods: [{ ...pod, uid: "../x", name: "A" }] },
    "Cannot parse pods: pods[0].uid: is not a pod UID; pods[0].name: is not a Kubernetes name",
  ],
])("a desired set with %s", (_, value, want) => expect(parse(value)).toBe(want));

test.each([
  ["there", 200, '{"state":"Up","identity":"Available"}', null],
  ["starting", 200, '{"state":"Initializing","identity":"Available"}', 'ztunnel says that the pod is "Initializing"'],
  ["without certificate", 200, '{"state":"Up","identity":"Pending"}', 'ztunnel says that the identity is "Pending"'],
  ["unknown", 404, "no", "ztunnel answered 404"],
  ["not JSON", 200, "<html>", "ztunnel's answer is not JSON"],
  ["something else", 200, "[]", "ztunnel's answer names no state"],
])("an answer of ztunnel: %s", (_, status, body, want) => expect(judgeAnswer({ status, body })).toBe(want));

const probed = { uid: "u1", namespace: "shop", serviceAccount: "web" };
const dumpOf = (state: string, identity: string, held: string): string =>
  JSON.stringify({ workloadState: { u1: { state } }, certificates: [{ identity, state: held }] });
const WEB = "spiffe://cluster.local/ns/shop/sa/web";
test.each([
  ["there", dumpOf("Up", WEB, "Available"), null],
  ["starting", dumpOf("Pending", WEB, "Available"), 'ztunnel says that the pod is "Pending"'],
  ["without certificate", dumpOf("Up", WEB, "Initializing"), 'ztunnel says that the identity is "Initializing"'],
  ["whose certificate nobody asked for yet", dumpOf("Up", `${WEB}2`, "Initializing"), null],
  ["that it does not know", "{}", 'ztunnel says that the pod is "unknown"'],
  [
    "in a broken dump",
    '{"workloadState":{"u1":{"state":"Up"}},"certificates":7}',
    "ztunnel's dump names no certificates",
  ],
])("a pod %s, in the dump of a foreign ztunnel", (_, body, want) =>
  expect(judgeDump({ status: 200, body }, probed)).toBe(want),
);
