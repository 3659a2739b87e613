import { golden } from "@lateen/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import type { IdentityState } from "../messages.ts";
import {
  CLIENT,
  type MeshOptions,
  OUTSIDE,
  SERVER,
  TwoNodes,
  VIP,
  certificateFor,
  policy,
  uriOf,
  workload,
} from "./two-nodes.test.support.ts";

let certificates: { client: IdentityState; server: IdentityState };
let foreign: IdentityState;
beforeAll(async () => {
  certificates = { client: await certificateFor(uriOf("client")), server: await certificateFor(uriOf("server")) };
  foreign = await certificateFor(uriOf("client", "other.example"));
});
const mesh = (o: Partial<MeshOptions> = {}): TwoNodes => new TwoNodes({ certificates, ...o });
const exact = (name: string) => [{ t: "exact", value: `cluster.local/ns/demo/sa/${name}` }] as const;

describe("outbound", () => {
  test.each([
    ["pod address", SERVER.ip, 8080],
    ["Service address", VIP, 80],
  ])("through a tunnel by %s, with half-close both ways", async (_, ip, port) => {
    const m = mesh();
    const client = await m.open(ip, port);
    client.send("hello");
    client.stream.end();
    await m.network.settle();
    const [server] = m.accepted;
    expect([server?.text, server?.ended, server?.stream.remote.ip]).toEqual(["hello", true, CLIENT.ip]);
    server?.send("answer");
    await m.network.settle();
    expect([client.text, client.closed]).toEqual(["answer", null]);
    server?.stream.end();
    await m.network.settle();
    expect([client.ended, client.closed, server?.closed]).toEqual([true, { t: "ended" }, { t: "ended" }]);
    expect(m.network.dials.map(({ options: { to, mark } }) => [to.port, mark])).toEqual([
      [15_008, 1337],
      [8080, 1337],
    ]);
    expect(m.near.report().connections).toEqual([]);
    expect(m.far.report().connections).toEqual([]);
  });

  test.each(["client", "server"])("a reset by the %s reaches the other", async (who) => {
    const m = mesh();
    const client = await m.open();
    const [server] = m.accepted;
    (who === "client" ? client : server!).stream.abort();
    await m.network.settle();
    expect((who === "client" ? server! : client).closed?.t).toBe("reset");
    expect(m.far.report().connections).toEqual([]);
  });

  test("plain TCP to an unmeshed pod, with no tunnel", async () => {
    const m = mesh();
    const client = await m.open(OUTSIDE.ip);
    client.send("plain");
    await m.network.settle();
    expect(m.accepted[0]?.text).toBe("plain");
    expect(m.network.dials.map((dial) => dial.options.to.port)).toEqual([8080]);
  });

  test("a Service without a healthy endpoint refuses and says so", async () => {
    const m = mesh({ workloads: [workload(CLIENT)] });
    const client = await m.open(VIP, 80);
    expect(client.closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("no healthy upstream");
  });

  test.each([15_001, 15_006, 15_008])("port %i on loopback is ours and refused", async (port) => {
    const m = mesh();
    const client = await m.open("127.0.0.1", port);
    expect(client.closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("attempted recursive call to ourselves");
    expect(m.network.dials).toEqual([]);
  });

  test("connections of one pod share a tunnel", async () => {
    const m = mesh();
    for (let i = 0; i < 5; i++) await m.open();
    expect(m.accepted).toHaveLength(5);
    expect(m.network.dials.filter((dial) => dial.options.to.port === 15_008)).toHaveLength(1);
  });

  test("a slow reader stops the writer: what is on the way stays bounded", async () => {
    const m = mesh();
    const client = await m.open();
    m.accepted[0]!.stream.pause();
    const chunk = new Uint8Array(64 * 1024);
    let sent = 0;
    for (let blocked = 0; blocked < 3 && sent < 64 * 1024 * 1024;) {
      blocked = client.stream.write(chunk) ? 0 : blocked + 1;
      sent += chunk.length;
      await m.network.settle();
    }
    expect(sent).toBeLessThan(16 * 1024 * 1024);
    m.accepted[0]!.stream.resume();
    await m.network.settle();
    expect(m.accepted[0]!.received).toBe(sent);
  });
});

describe("inbound", () => {
  test.each([15_001, 15_006, 15_008])("CONNECT to our own port %i is refused with 503", async (port) => {
    const m = mesh();
    const client = await m.open(SERVER.ip, port);
    expect(client.closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("http status: 503");
    expect(m.far.log().join()).toContain("attempted recursive call to ourselves");
  });

  test.each([15_001, 15_006, 15_008])("plaintext to our own port %i is refused", async (port) => {
    const m = mesh();
    expect((await m.plaintext(OUTSIDE.ip, port)).closed?.t).toBe("reset");
    expect(m.network.dials).toEqual([]);
  });

  test("CONNECT to a pod that is not ours is refused with 400", async () => {
    const m = mesh();
    m.near.thread.receive({
      t: "addresses",
      update: { workloads: [workload(SERVER, { addresses: ["10.0.0.9"] })], services: [], removed: [] },
    });
    m.network.address("10.0.0.9", SERVER.netns); // a stale route: the address leads to another pod
    m.network.misroute("10.0.0.9", SERVER.ip);
    await m.open("10.0.0.9");
    expect(m.near.log().join()).toContain("http status: 400");
    expect(m.far.log().join()).toContain("ip mismatch: 10.0.0.2 != 10.0.0.9");
  });

  test("a server that is not who it should be is refused", async () => {
    const m = mesh({ certificates: { ...certificates, server: certificates.client } });
    const client = await m.open();
    expect(client.closed?.t).toBe("reset");
    expect(m.near.log().join()).toMatch(/identity verification error: peer did not present the expected SAN/);
    expect(m.accepted).toEqual([]);
  });

  test("a client of a foreign trust domain is refused", async () => {
    const m = mesh({ certificates: { ...certificates, client: foreign } });
    expect((await m.open()).closed?.t).toBe("reset");
    expect(m.far.log().join()).toMatch(/connection failed.*trust domain/);
  });

  test.each([
    ["no SPIFFE URI", "https://cluster.local/ns/demo/sa/client"],
    ["another spelling of the scheme", "SPIFFE://cluster.local/ns/demo/sa/client"],
    ["a sixth part", "spiffe://cluster.local/ns/demo/sa/client/x"],
    ["no service account", "spiffe://cluster.local/ns/demo/sa/"],
    ["a trust domain that only begins the same", "spiffe://cluster.local.evil/ns/demo/sa/client"],
  ])("a client with %s is nobody, and its handshake fails", async (_, uri) => {
    const m = mesh({ certificates: { ...certificates, client: await certificateFor(uri) } });
    expect((await m.open()).closed?.t).toBe("reset");
    expect(m.far.log().join()).toMatch(/connection failed.*identity verification error/);
    expect([m.accepted, counted(m.near, "istio_tcp_connections_failed")]).toEqual([[], [["TLS_FAILURE", 1]]]);
  });

  test.each(["client", "Server", "server "])("a server that is called %j is not the one expected", async (name) => {
    const m = mesh({ certificates: { ...certificates, server: await certificateFor(uriOf(name)) } });
    expect((await m.open()).closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("peer did not present the expected SAN");
    expect(m.accepted).toEqual([]);
  });

  test("an application that refuses is 503 and CONNECT", async () => {
    const m = mesh();
    await m.open(SERVER.ip, 9);
    expect(m.near.log().join()).toContain("http status: 503");
    expect(m.far.log().join()).toContain("connection failed: ECONNREFUSED");
    expect(counted(m.far, "istio_tcp_connections_failed")).toEqual([["CONNECT", 1]]);
  });

  test("a client that gives up before the answer takes the dial with it", async () => {
    const m = mesh();
    m.network.silent.add(`${SERVER.ip}:8080`);
    const client = await m.open();
    expect(m.far.report().connections).toHaveLength(1);
    m.near.stopPod();
    await m.network.settle();
    expect(client.closed?.t).toBe("reset");
    expect(m.network.dials.at(-1)?.cancelled).toBe(true);
    expect(m.far.report().connections).toEqual([]);
    expect(m.far.log().join()).toContain("the client gave up");
  });
});

test("a source address that the kernel does not give costs its preservation, not the connection", async () => {
  const m = mesh();
  m.network.refusedSources.add(CLIENT.ip);
  const client = await m.open();
  client.send("hello");
  await m.network.settle();
  expect(m.accepted[0]?.text).toBe("hello");
  expect(m.network.dials.map((dial) => dial.options.from)).toEqual([null, CLIENT.ip, null]);
  expect(m.far.log().join()).toContain("cannot keep the source address");
});

describe("policy", () => {
  test("a refusal is 401 and names policy and rule", async () => {
    const m = mesh({ policies: [policy("no-client", "Deny", { principals: exact("client") })] });
    expect((await m.open()).closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("http status: 401 Unauthorized");
    expect(m.far.log().join()).toMatch(
      /explicitly denied by: demo\/no-client".* policy="demo\/no-client" policy.rule=0/,
    );
    expect(m.accepted).toEqual([]);
    expect(counted(m.far, "istio_tcp_connections_failed")).toEqual([["DENY", 1]]);
  });

  test("an edit closes exactly the connections that it now forbids", async () => {
    const m = mesh();
    const [tunnelled, plain] = [await m.open(), await m.plaintext()];
    m.policies([policy("no-client", "Deny", { principals: exact("client") })]);
    await m.network.settle();
    expect([tunnelled.closed?.t, plain.closed]).toEqual(["reset", null]);
    expect(m.far.log().join()).toContain("connection closed due to policy change");
    m.policies([policy("strict", "Deny", { notPrincipals: [{ t: "presence" }] })], ["demo/no-client"]);
    await m.network.settle();
    expect(plain.closed?.t).toBe("reset");
    const again = await m.open();
    again.send("ok");
    await m.network.settle();
    expect(m.accepted.at(-1)?.text).toBe("ok");
  });

  test("a policy that the workload newly names reaches open connections", async () => {
    const m = mesh({ policies: [policy("only", "Deny", { principals: exact("client") }, "WorkloadSelector")] });
    const client = await m.open();
    expect(client.closed).toBe(null);
    m.addresses([workload(SERVER, { authorizationPolicies: ["demo/only"] })]);
    await m.network.settle();
    expect(client.closed?.t).toBe("reset");
  });

  test("an edit while the application is dialled cancels the dial", async () => {
    const m = mesh();
    m.network.silent.add(`${SERVER.ip}:8080`);
    const client = await m.open();
    m.policies([policy("no-client", "Deny", { principals: exact("client") })]);
    await m.network.settle();
    expect([client.closed?.t, m.network.dials.at(-1)?.cancelled]).toEqual(["reset", true]);
    expect(m.near.log().join()).toContain("http status: 401");
  });

  test("STRICT refuses plaintext, PERMISSIVE takes it", async () => {
    const strict = { ...policy("istio_converted_static_strict", "Deny", { notPrincipals: [{ t: "presence" }] }) };
    const m = mesh({ policies: [strict] });
    expect((await m.plaintext()).closed?.t).toBe("reset");
    m.policies([], ["demo/istio_converted_static_strict"]);
    const client = await m.plaintext();
    client.send("hi");
    await m.network.settle();
    expect([m.accepted[0]?.text, m.network.dials.at(-1)?.options.from]).toEqual(["hi", OUTSIDE.ip]);
  });
});

describe("what is not known yet", () => {
  test("a connection waits 5 s for its own workload, then is refused", async () => {
    const m = mesh({ workloads: [workload(SERVER)] });
    const client = await m.open();
    await m.network.advance(4_999);
    expect(client.closed).toBe(null);
    await m.network.advance(1);
    expect(client.closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("failed to fetch information about local workload");
  });

  test("a workload that arrives in time is served", async () => {
    const m = mesh({ workloads: [workload(SERVER)] });
    await m.open();
    await m.network.advance(3_000);
    m.addresses([workload(CLIENT)]);
    await m.network.settle();
    expect(m.accepted).toHaveLength(1);
  });

  test("a pod that stopped meanwhile opens nothing by its old namespace", async () => {
    const m = mesh({ workloads: [workload(SERVER)] });
    const client = await m.open();
    m.near.stopPod();
    m.addresses([workload(CLIENT)]);
    await m.network.settle();
    expect([client.closed?.t, m.network.dials]).toEqual(["reset", []]);
  });

  test("a stop that is about a former namespace leaves the pod's new proxy alone", async () => {
    const m = mesh();
    const client = await m.open();
    m.far.thread.receive({ t: "stop-pod", uid: "uid-server", netns: 99, id: 7 });
    client.send("still here");
    await m.network.settle();
    expect(m.accepted[0]?.text).toBe("still here");
    expect(m.far.posted).toContainEqual({ t: "pod-stopped", id: 7 });
  });

  test("an identity that the CA refuses is IDENTITY_ERROR", async () => {
    const m = mesh({ certificates: { ...certificates, client: { t: "unavailable", why: "CA is away" } } });
    expect((await m.open()).closed?.t).toBe("reset");
    expect(m.near.log().join()).toContain("identity error: CA is away");
    expect(counted(m.near, "istio_tcp_connections_failed")).toEqual([["IDENTITY_ERROR", 1]]);
  });

  test("handshakes that never finish are bounded per peer, and end with the pod", async () => {
    const m = mesh();
    const ends = [];
    const to = { ip: SERVER.ip, port: 15_008 };
    for (let i = 0; i < 130; i++) ends.push(m.network.captured(SERVER.netns, 15_008, { from: OUTSIDE.ip, to }));
    await m.network.settle();
    expect(m.far.log().filter((line) => line.includes("128 handshakes with 10.0.0.3"))).toHaveLength(2);
    await m.open();
    expect(m.accepted).toHaveLength(1);
    m.far.stopPod();
    await m.network.settle();
  });
});

describe("drain", () => {
  test("closes listeners, lets live connections finish, then reports", async () => {
    const m = mesh();
    const client = await m.open();
    m.far.thread.receive({ t: "drain", graceMs: 5_000 });
    await m.network.settle();
    expect(m.network.listening.filter((key) => key.startsWith("2|"))).toEqual(["2|8080"]);
    client.send("still here");
    await m.network.settle();
    expect(m.accepted[0]?.text).toBe("still here");
    expect(m.far.posted.some((message) => message.t === "drained")).toBe(false);
    client.stream.end();
    m.accepted[0]?.stream.end();
    await m.network.settle();
    await m.network.advance(100);
    expect(m.far.posted.filter((message) => message.t === "drained")).toHaveLength(1);
  });

  test("ends what is left at the deadline", async () => {
    const m = mesh();
    const client = await m.open();
    m.far.thread.receive({ t: "drain", graceMs: 5_000 });
    await m.network.advance(5_050);
    expect(client.closed?.t).toBe("reset");
    expect(m.far.posted.filter((message) => message.t === "drained")).toHaveLength(1);
    expect(m.far.log().join()).toContain("connection closed due to connection drain");
    expect(counted(m.far, "istio_tcp_connections_failed")).toEqual([["CONNECT", 1]]);
  });
});

test("one HBONE connection in both access logs and counters", async () => {
  const m = mesh();
  const client = await m.open(VIP, 80);
  client.send("12345");
  await m.network.settle();
  m.accepted[0]?.send("123");
  client.stream.end();
  m.accepted[0]?.stream.end();
  await m.network.advance(3);
  const counters = [m.near, m.far].flatMap((node) =>
    ["opened", "closed", "failed"].map((name) => JSON.stringify(counted(node, `istio_tcp_connections_${name}`))),
  );
  golden("hbone-connection", [...m.near.log(), ...m.far.log(), ...counters, ""].join("\n"));
});

test("a client that only its proxy knows is labelled by what that says", async () => {
  const m = mesh();
  m.far.thread.receive({
    t: "addresses",
    update: { workloads: [], services: [], removed: [workload(CLIENT).uid] },
  });
  await m.open();
  const labels = (name: string): string | undefined => {
    const family = m.far.report().traffic.find((f) => f.name === "istio_tcp_connections_opened");
    return family?.series[0]?.labels[family.labelNames.indexOf(name)];
  };
  const names = ["source_workload", "source_workload_namespace", "source_app", "source_cluster", "source_region"];
  expect(names.map(labels)).toEqual(["client", "demo", "client", "Kubernetes", "unknown"]);
  expect(labels("source_principal")).toBe(uriOf("client"));
});

test("an exception for one connection ends that one only", async () => {
  const m = mesh();
  const broken = m.network.captured(CLIENT.netns, 15_001, { from: CLIENT.ip, to: { ip: "not an address", port: -1 } });
  await m.network.settle();
  expect(broken).toBeDefined();
  await m.open();
  expect(m.accepted).toHaveLength(1);
});

test("an application tunnel starts with a PROXY header", async () => {
  const m = mesh({
    workloads: [workload(CLIENT), workload(SERVER, { applicationTunnel: { protocol: "PROXY", port: 8080 } })],
  });
  await m.open(SERVER.ip, 8080);
  expect(m.accepted.at(0)?.text).toContain("\r\n\r\n\0\r\nQUIT\n");
});

/** Values of one metric by response flag. */
function counted(node: TwoNodes["near"], name: string): readonly (readonly [string, number])[] {
  const family = node.report().traffic.find((f) => f.name === name);
  const flag = family?.labelNames.indexOf("response_flags") ?? -1;
  return (family?.series ?? []).map((one) => [String(one.labels[flag]), one.value] as const);
}

test("a port that a redirected client may have is not taken for its connection to the application", async () => {
  const m = mesh();
  await m.plaintext();
  await m.open();
  const [plaintext, tunnelled] = m.network.dials
    .filter(({ options }) => options.to.port === 8080)
    .map(({ options }) => options);
  expect(plaintext).toMatchObject({ from: OUTSIDE.ip });
  expect(plaintext?.fromPorts?.length).toBeGreaterThan(0);
  for (const port of plaintext?.fromPorts ?? []) expect([port >= 16_384, port < 32_768]).toEqual([true, true]);
  expect(tunnelled).toMatchObject({ from: CLIENT.ip, fromPorts: [] }); // its packets come to another port
});
