import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { splitBundle } from "@lateen/ca";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Rig } from "./control-plane.test.support.ts";
import { makeRoot } from "./signing-material.test.support.ts";

const WAIT = { deadlineMs: 30_000 };

describe("an authority in a folder that changes while the control plane runs", () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = new Rig();
    await rig.start();
  });
  afterEach(() => rig[Symbol.asyncDispose]());
  const key = (name: string): string => join(rig.dir, "state/ca", name);
  const published = (): string => readFileSync(join(rig.dir, "state/root-cert.pem"), "utf8");

  /** The certificate that the server shows now. */
  const shown = (): Promise<X509Certificate> =>
    new Promise((resolve, reject) => {
      const options = { port: rig.plane!.port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false };
      const socket = connect(options, () => {
        const { raw } = socket.getPeerCertificate();
        socket.destroy();
        resolve(new X509Certificate(raw));
      });
      socket.on("error", reject);
    });
  const isBy = async (rootPem: string): Promise<boolean> =>
    (await shown()).verify(new X509Certificate(rootPem).publicKey);

  test("is followed step by step: roots for clients, certificates, the server's own", async () => {
    const old = published();
    const next = await makeRoot();
    const both = next.certPem + old;
    writeFileSync(key("root-cert.pem"), both);
    await eventually(() => published() === both, WAIT);
    const identity = "spiffe://cluster.local/ns/shop/sa/web";
    using ca = rig.ca();
    const first = await ca.fetch(identity, AbortSignal.timeout(10_000));
    expect(first.ok && first.value.rootsPem.join("")).toBe(both);
    expect(await isBy(old)).toBe(true);
    writeFileSync(key("ca-cert.pem"), next.certPem);
    writeFileSync(key("ca-key.pem"), next.keyPem);
    await eventually(() => isBy(next.certPem), WAIT);
    const second = await ca.fetch(identity, AbortSignal.timeout(10_000));
    const [leaf = ""] = splitBundle(second.ok ? second.value.chainPem : "");
    expect(new X509Certificate(leaf).verify(new X509Certificate(next.certPem).publicKey)).toBe(true);
    const { roots, problems } = (await rig.debug("ca")) as { roots: { serial: string }[]; problems: string[] };
    expect(roots.map(({ serial }) => serial.toUpperCase())).toEqual(
      [next.certPem, old].map((pem) => new X509Certificate(pem).serialNumber),
    );
    expect(problems).toEqual([]);
  });

  test("is not followed where that would cut proxies off, which the log says once and a page as long as it stands", async () => {
    const old = published();
    const stranger = await makeRoot();
    writeFileSync(key("ca-key.pem"), stranger.keyPem);
    writeFileSync(key("ca-cert.pem"), stranger.certPem);
    const why = /Cannot take the new keys in .*\/ca, the old ones stay: its roots lack the root of what signs now/;
    const problems = async (): Promise<string> => JSON.stringify(await rig.debug("problems"));
    await eventually(async () => why.test(await problems()), WAIT);
    writeFileSync(key("ca-cert.pem"), stranger.certPem); // looked at once more
    const page = async (): Promise<unknown> => ((await rig.debug("ca")) as { problems: unknown }).problems;
    expect(await page()).toEqual([expect.stringMatching(why)]);
    expect(rig.lines.filter((line) => why.test(line))).toHaveLength(1);
    expect(published()).toBe(old);
    expect(await isBy(old)).toBe(true);
  });
});
