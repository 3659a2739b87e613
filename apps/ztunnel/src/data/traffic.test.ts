import { expect, test } from "vitest";
import type { ConnectionFacts } from "./connection-facts.ts";
import { Traffic } from "./traffic.ts";
import { CLIENT, SERVER, service, workload } from "./two-nodes.test.support.ts";

const client = workload(CLIENT);
const server = workload(SERVER);
const base: ConnectionFacts = {
  direction: "inbound",
  src: { ip: CLIENT.ip, port: 1 },
  srcWorkload: client,
  srcBaggage: null,
  srcIdentity: client.identity,
  dst: { ip: SERVER.ip, port: 80 },
  hboneAuthority: "10.0.0.2:80",
  dstService: service,
  dstWorkload: server,
  dstIdentity: server.identity,
};

const total = (traffic: Traffic, metric: string): readonly number[] =>
  traffic
    .families()
    .filter((f) => f.name === metric)
    .flatMap((f) => f.series.map((s) => ("value" in s ? Number(s.value) : Number.NaN)));

test("connections of the same two are counted together, whatever their ports", () => {
  const traffic = new Traffic();
  for (const port of [1, 2, 3])
    traffic.opened({ ...base, src: { ip: CLIENT.ip, port } }).closed("-", { received: 10, sent: 20 });
  traffic.opened(base).closed("DENY", { received: 1, sent: 2 });
  expect(total(traffic, "istio_tcp_connections_opened")).toEqual([4]);
  expect(total(traffic, "istio_tcp_connections_closed")).toEqual([3, 1]);
  expect(total(traffic, "istio_tcp_received_bytes")).toEqual([30, 1]);
  expect(total(traffic, "istio_tcp_connections_failed")).toEqual([1]);
});

test("labels are made once for all tunnels of a peer, whose identity each reads anew", () => {
  const traffic = new Traffic();
  let made = 0;
  const dstWorkload = Object.defineProperty({ ...server }, "canonicalName", { get: () => ((made += 1), "server") });
  for (let tunnel = 0; tunnel < 3; tunnel++)
    traffic.opened({ ...base, dstWorkload, srcIdentity: { ...client.identity } }).closed("-", { received: 1, sent: 1 });
  expect(made).toBe(1);
  expect(total(traffic, "istio_tcp_connections_opened")).toEqual([3]);
});

const changes: readonly (readonly [string, Partial<ConnectionFacts>])[] = [
  ["direction", { direction: "outbound" }],
  ["source workload", { srcWorkload: workload(CLIENT, { canonicalRevision: "v2" }) }],
  ["no source workload", { srcWorkload: null }],
  ["destination workload", { dstWorkload: workload(SERVER, { workloadName: "other" }) }],
  ["source identity", { srcIdentity: { ...client.identity, serviceAccount: "other" } }],
  ["Service", { dstService: { ...service, hostname: "other.demo.svc" } }],
  ["no Service", { dstService: null }],
  ["transport", { hboneAuthority: null }],
];
test("strangers are told apart by what they say of themselves", () => {
  const traffic = new Traffic();
  const told = { clusterId: "c", namespace: "n", workloadName: "w", workloadType: null, serviceName: null } as const;
  const stranger = { ...base, srcWorkload: null, srcBaggage: { ...told, revision: null, region: null, zone: null } };
  for (const workloadName of ["w", "other", "w"])
    traffic.opened({ ...stranger, srcBaggage: { ...stranger.srcBaggage, workloadName } });
  expect(total(traffic, "istio_tcp_connections_opened")).toEqual([2, 1]);
});

test.each(changes)("another %s is another series", (_what, change) => {
  const traffic = new Traffic();
  for (const facts of [base, { ...base, ...change }, base]) traffic.opened(facts);
  expect(total(traffic, "istio_tcp_connections_opened")).toEqual([2, 1]);
});
