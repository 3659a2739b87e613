import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, openAuthority } from "@lateen/ca";
import { createSigner, createSigningRequest, generateKeyPair } from "@lateen/certificates";
import { FakeClock, eventually } from "@lateen/testkit";
import type { ClientNode, TypeState } from "@lateen/xds";
import { PROXY_CONFIG_TYPE } from "@lateen/xds-types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ProxyReport, RotationKeeper, type RotationKeeperOptions, type RotationWorld } from "./rotation-keeper.ts";

const ANSWERED: TypeState = {
  ...{ wildcard: true, names: 0, resources: null, lastError: null },
  ...{ nonceSent: "n2", nonceAcked: "n2", awaiting: false },
};
type Stream = ReturnType<RotationKeeperOptions["streams"]>[number];
const stream = (pod: string, bundle: Partial<TypeState> | null, can: readonly string[] = ["trust-bundle"]): Stream => ({
  node: { type: "ztunnel", pod, capabilities: new Set(can) } as unknown as ClientNode,
  state: () => new Map(bundle === null ? [] : [[PROXY_CONFIG_TYPE, { ...ANSWERED, ...bundle }]]),
});

describe("a rotation, as a control plane goes on with it", () => {
  let dir: string;
  let authority: Authority;
  let keeper: RotationKeeper;
  let clock: FakeClock;
  let streams: Stream[];
  let others: ProxyReport[];
  let published: ProxyReport | null;
  let leads: boolean;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "rotation-"));
    clock = new FakeClock(Date.UTC(2026, 5, 1));
    authority = await openAuthority({ keys: join(dir, "ca"), trustDomain: "td", nowMs: clock.nowMs });
    [streams, others, published, leads] = [[], [], null, true];
    const world: RotationWorld = {
      ...{ leads: () => leads, settleMs: 0, others: () => others },
      publish: (report) => (published = report),
    };
    const proxies = (): readonly string[] => ["z1.sys", "z2.sys"];
    const log = { info: () => undefined, warn: () => undefined };
    keeper = new RotationKeeper({ authority, world, streams: () => streams, proxies, clock, log });
    await sign(authority);
    await authority.step("rotate");
  });
  afterEach(() => {
    keeper[Symbol.dispose]();
    rmSync(dir, { recursive: true, force: true });
  });
  /** One look, and whatever it does. */
  async function look(): Promise<string> {
    clock.advance(1_000);
    await eventually(() => clock.pending > 0);
    return authority.rotation.phase;
  }
  const waits = (): readonly string[] => keeper.status().waitingFor;

  test("waits for every proxy that there is, connected or not, and says for what", async () => {
    streams = [stream("z1.sys", { awaiting: true, nonceAcked: "n1" })];
    expect(await look()).toBe("distribute");
    expect(waits()).toEqual(["z1.sys: renews its certificates", "z2.sys: is not connected"]);
    streams = [stream("z1.sys", {}), stream("z2.sys", { lastError: "no certificate" })];
    expect(waits()).toEqual(["z2.sys: refused the roots: no certificate"]);
    streams = [stream("z1.sys", {}), stream("z2.sys", null)];
    expect(waits()).toEqual(["z2.sys: has not asked for the roots yet"]);
    expect(await look()).toBe("distribute");
    streams = [stream("z1.sys", {}), stream("z2.sys", {})];
    expect(waits()).toEqual([]);
    expect([await look(), await look(), await look()]).toEqual(["switch", "retire", "none"]);
  });

  test("waits for both streams of a proxy that is being replaced", () => {
    streams = [stream("z1.sys", {}), stream("z2.sys", {}), stream("z1.sys", { awaiting: true })];
    expect(waits()).toEqual(["z1.sys: renews its certificates"]);
  });

  test("counts proxies of other replicas by what these say of the same state, and not by what they said of another", async () => {
    streams = [stream("z1.sys", {})];
    others = [{ serial: authority.rotation.serial - 1, acknowledged: ["z2.sys"], mute: [] }];
    expect(await look()).toBe("distribute");
    expect(waits()).toEqual(["z2.sys: is not connected"]);
    others = [{ serial: authority.rotation.serial, acknowledged: ["z2.sys"], mute: [] }];
    expect(await look()).toBe("switch");
    expect(await look()).toBe("switch");
    expect(waits()).toEqual(["z2.sys: is not connected"]);
  });

  test("is left to the leader, who is told of the proxies here", async () => {
    leads = false;
    streams = [stream("z1.sys", {}), stream("z2.sys", {}, []), stream("z3.sys", { awaiting: true })];
    expect(await look()).toBe("distribute");
    expect(published).toEqual({ serial: 1, acknowledged: ["z1.sys"], mute: ["z2.sys"] });
    await authority.step("rollback");
    await look();
    expect(published).toBeNull();
  });

  test("waits for the lifetime of what proxies hold that cannot acknowledge", async () => {
    streams = [stream("z1.sys", {}), stream("z2.sys", {}, ["dry-run-policy"])];
    expect(await look()).toBe("distribute");
    expect(waits()).toEqual([expect.stringMatching(/^z2\.sys: cannot acknowledge; its certificates have expired by /)]);
    clock.advance(24 * 3_600_000);
    await eventually(() => clock.pending > 0);
    await eventually(() => authority.rotation.phase === "switch");
  });
});

async function sign(authority: Authority): Promise<void> {
  const csrPem = await createSigningRequest(await createSigner(crypto, await generateKeyPair(crypto)), []);
  const names = [{ t: "uri", value: "spiffe://td/ns/a/sa/b" }] as const;
  const made = await authority.sign({ csrPem, names, ttlSec: 0, holder: "proxy" });
  if (!made.ok) throw made.error;
}
