import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { splitBundle } from "@lateen/ca";
import { PROXY_CONFIG_TYPE, decodeTrustBundle } from "@lateen/xds-types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADDRESS_TYPE, Rig, type TestClient } from "./control-plane.test.support.ts";
import { makeRoot } from "./signing-material.test.support.ts";

describe("the trust bundle over xDS", () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = new Rig();
    await rig.start();
  });
  afterEach(() => rig[Symbol.asyncDispose]());
  const bundleOf = (client: TestClient): readonly string[] => {
    const body = client.bodies.get(`${PROXY_CONFIG_TYPE} default`) ?? "";
    const read = decodeTrustBundle(Buffer.from(body, "hex"));
    return read.ok ? read.value : [];
  };

  test("is told to who subscribes, and again when it changes; who does not is not told", async () => {
    const root = readFileSync(join(rig.dir, "state/root-cert.pem"), "utf8");
    using follower = rig.client();
    using other = rig.client();
    other.subscribe(ADDRESS_TYPE);
    expect(await other.next()).toMatchObject({ type: ADDRESS_TYPE });
    follower.subscribe(PROXY_CONFIG_TYPE);
    expect(await follower.next()).toMatchObject({ type: PROXY_CONFIG_TYPE, names: ["default"] });
    expect(bundleOf(follower)).toEqual([root]);
    const next = await makeRoot();
    writeFileSync(join(rig.dir, "state/ca/root-cert.pem"), root + next.certPem);
    expect(await follower.next()).toMatchObject({ type: PROXY_CONFIG_TYPE, names: ["default"] });
    expect(bundleOf(follower)).toEqual(splitBundle(root + next.certPem));
    rig.put("web.json", readFileSync(join(rig.dir, "config/web.json"), "utf8").replaceAll("10.0.0.2", "10.0.0.9"));
    expect(await other.next()).toMatchObject({ t: "response", type: ADDRESS_TYPE });
    expect([...other.bodies.keys()].filter((name) => name.startsWith(PROXY_CONFIG_TYPE))).toEqual([]);
  });
});
