import { createStatus } from "@lateen/xds-types";
import { describe, expect, test } from "vitest";
import { DiscoveryRig, NODE, type RawClient, openSocket, passing, until } from "./discovery.test.support.ts";

/** More than the buffers on the way take. */
const LARGE = 4 << 20;
const large = (name: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`${name}-${i}`, `${i} ${"x".repeat(LARGE / 64)}`]));

describe("a client that never reads", () => {
  test("is ended with a reason and cut, and what it left unread is freed; others are served meanwhile", async () => {
    await using rig = await new DiscoveryRig({ sendMs: 5_000, unreadBytes: LARGE * 4 }).listen();
    rig.put(large("a"));
    await using network = await passing(rig.listener.port, { atMost: 64 << 10 });
    using _deaf = rig.client(network.port).read().send({ node: NODE });
    await until(() => rig.service.unread.bytes > LARGE, { what: "what is not read" });
    using good = rig.client().read().send({ node: NODE });
    const first = await good.response(1);
    good.send({ responseNonce: first.nonce });
    await until(() => rig.service.streams.length === 2);
    rig.clock.advance(6_000);
    expect(
      rig.lines.filter((l) => l.includes("ended a client") && l.includes("was not read for 5000 ms")),
    ).toHaveLength(1);
    expect(rig.metrics).toContain("pilot_xds_write_timeout_total 1");
    expect(rig.service.unread.bytes).toBe(0);
    rig.clock.advance(1_000);
    await until(() => rig.listener.connections === 1, { what: "its connection to be cut" });
    rig.put({ more: "1" });
    expect((await good.response(2)).resources.map((r) => r.name)).toEqual(["more"]);
  });

  test("costs one response, however much changes: thirty of them stay within the bound", async () => {
    await using rig = await new DiscoveryRig({ unreadBytes: LARGE * 2 }).listen();
    rig.put(large("a"));
    await using network = await passing(rig.listener.port, { atMost: 64 << 10 });
    const deaf = Array.from({ length: 30 }, () => rig.client(network.port).read().send({ node: NODE }));
    await until(() => rig.service.streams.length === deaf.length);
    await until(() => rig.service.unread.waiting > 0, { what: "responses that wait" });
    for (let i = 0; i < 50; i++) rig.put({ [`change-${i}`]: "1", [`a-${i % 64}`]: `${i} changed` });
    expect(rig.service.unread.bytes).toBeLessThanOrEqual(LARGE * 2.2);
    expect(rig.service.unread.waiting).toBeLessThan(deaf.length);
    for (const client of deaf) client[Symbol.dispose]();
    await until(() => rig.service.streams.length === 0);
    expect(rig.service.unread).toEqual({ bytes: 0, waiting: 0 });
  });
});

test("a client that reads and never answers gets one response, and is ended with a reason", async () => {
  await using rig = await new DiscoveryRig({ answerMs: 5_000 }).listen();
  rig.put({ a: "1" });
  using mute = rig.client().read().send({ node: NODE });
  await mute.response(1);
  for (let i = 0; i < 20; i++) rig.put({ a: String(i + 2) });
  rig.clock.advance(6_000);
  expect(await mute.ended()).toEqual([4, expect.stringContaining("was not answered for 5000 ms")]);
  expect(mute.responses).toHaveLength(1);
});

describe("a client that connects 1,000 times", () => {
  test("is turned away before a handshake, and does not keep others out for long", async () => {
    await using rig = await new DiscoveryRig().listen({ perSecond: 50, burst: 100 });
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => openSocket(rig.listener.port)));
    await until(() => rig.listener.refused === 900, { what: "900 to be turned away" });
    expect(rig.listener.connections).toBe(100);
    expect(rig.lines.filter((l) => l.includes("turned a connection away"))).toHaveLength(1);
    rig.clock.advance(1_000);
    using good = rig.client().read().send({ node: NODE });
    await good.response(1);
    for (const socket of sockets) socket.destroy();
    await until(() => rig.listener.connections === 1, { what: "the rest to be gone" });
  });

  test("on connections that stand finds its streams limited, and does not take the turns of others", async () => {
    await using rig = await new DiscoveryRig({ newStreamsPerSecond: 10 }).listen();
    const clients = Array.from({ length: 30 }, () => rig.client().read().send({ node: NODE }));
    // Ten of an address may come; the others hear it at once.
    await until(() => clients.filter((c) => c.status !== null).length === 20, { what: "20 refusals" });
    const [refused] = clients.filter((c) => c.status !== null);
    expect(await refused!.ended()).toEqual([8, "request rate limit exceeded"]);
    await using elsewhere = await passing(rig.listener.port, { from: "127.0.0.2" });
    using other = rig.client(elsewhere.port).read().send({ node: NODE });
    await until(() => rig.service.pendingStreams === 10, { what: "the other to wait for its turn" });
    await rig.clock.advanceAsync(1_000);
    await other.response(1);
    await until(() => rig.service.streams.length === 11, { what: "those that waited" });
    for (const client of clients) client[Symbol.dispose]();
    await until(() => rig.service.streams.length === 1);
  });
});

describe("a client that subscribes to everything by name", () => {
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `name-${i}`);

  test("is ended when it asks for more than one may", async () => {
    await using rig = await new DiscoveryRig({ namesPerClient: 100 }).listen();
    using client = rig
      .client()
      .read()
      .send({ node: NODE, resourceNamesSubscribe: names(100) });
    await client.response(1);
    client.send({ resourceNamesSubscribe: ["one-more"] });
    expect(await client.ended()).toEqual([8, "it asks for more than 100 names"]);
  });

  test("leaves room for others when it goes", async () => {
    await using rig = await new DiscoveryRig({ namesPerClient: 100, names: 150 }).listen();
    using first = rig
      .client()
      .read()
      .send({ node: NODE, resourceNamesSubscribe: names(100) });
    await first.response(1);
    using second = rig
      .client()
      .read()
      .send({ node: NODE, resourceNamesSubscribe: names(100) });
    expect(await second.ended()).toEqual([8, "all clients together ask for more than 150 names"]);
    first[Symbol.dispose]();
    await until(() => rig.service.streams.length === 0);
    using third = rig
      .client()
      .read()
      .send({ node: NODE, resourceNamesSubscribe: names(100) });
    await third.response(1);
  });
});

describe("a stream that says nothing", () => {
  test("is ended", async () => {
    await using rig = await new DiscoveryRig({ firstRequestMs: 5_000 }).listen();
    using silent = rig.client().read();
    await until(() => rig.service.pendingStreams === 1);
    rig.clock.advance(6_000);
    expect(await silent.ended()).toEqual([4, "no request for 5000 ms"]);
    await until(() => rig.service.pendingStreams === 0);
  });

  test.each([
    ["no node", null, [3, "missing node information"]],
    ["a node that is none", { ...NODE, id: "ztunnel~x" }, [2, expect.stringContaining("missing parts")]],
  ])("that matters, with %s, is ended with the code of the contract", async (_, node, end) => {
    await using rig = await new DiscoveryRig().listen();
    using client = rig.client().read().send({ node });
    expect(await client.ended()).toEqual(end);
  });
});

test("a refusal of one resource is told once, and stops neither the stream nor what follows", async () => {
  await using rig = await new DiscoveryRig().listen();
  rig.put({ good: "1", bad: "1" });
  using client = rig.client().read().send({ node: NODE });
  const refuse = (nonce: string): RawClient =>
    client.send({ responseNonce: nonce, errorDetail: createStatus({ message: "bad: no" }) });
  refuse((await client.response(1)).nonce);
  rig.put({ good: "2" });
  refuse((await client.response(2)).nonce);
  rig.put({ good: "3" });
  const third = await client.response(3);
  expect(third.resources.map((r) => r.name)).toEqual(["good"]);
  expect(rig.lines.filter((l) => l.includes("client rejected resources"))).toHaveLength(1);
  expect(rig.metrics).toContain('pilot_total_xds_rejects_total{type="wds"} 2');
  expect([...rig.service.streams[0]!.state().values()]).toMatchObject([{ lastError: "bad: no", awaiting: true }]);
  client.send({ responseNonce: "another" });
  await until(() => rig.metrics.includes('pilot_xds_expired_nonce_total{type="wds"} 1'));
});

test("an old stream is asked to come back, with nothing under way", async () => {
  await using rig = await new DiscoveryRig({ ageMs: 60_000 }).listen();
  using client = rig.client().read().send({ node: NODE });
  const first = await client.response(1);
  rig.clock.advance(61_000);
  expect(client.status).toBeNull();
  client.send({ responseNonce: first.nonce });
  await until(() => [...rig.service.streams[0]!.state().values()].every((s) => !s.awaiting));
  rig.clock.advance(1_000);
  expect(await client.ended()).toEqual([0, "OK"]);
});
