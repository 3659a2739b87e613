import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAuthority } from "./authority.ts";
import { buildBaggage, parseBaggage } from "./baggage.ts";
import { buildForwarded, isFromOtherNetwork, parseForwardedHost } from "./forwarded.ts";
import { workload } from "./mesh.test.support.ts";

const word = fc.stringMatching(/^[a-z0-9.-]{0,12}$/);

describe("baggage", () => {
  test("has its keys in order and leaves out what is empty", () => {
    const w = workload("web", {
      locality: { region: "r1", zone: "", subzone: "s" },
      workloadType: "CRONJOB",
      canonicalRevision: "",
    });
    expect(buildBaggage(w)).toBe(
      "k8s.cluster.name=Kubernetes,k8s.namespace.name=ns,k8s.cronjob.name=web,service.name=web,cloud.region=r1",
    );
  });

  test("reads back what was built", () =>
    fc.assert(
      fc.property(
        fc.record({ clusterId: word, workloadName: word, canonicalName: word, canonicalRevision: word }),
        (over) => {
          const read = parseBaggage([buildBaggage(workload("w", over))]);
          expect(read).toMatchObject({
            clusterId: over.clusterId || null,
            workloadName: over.workloadName || null,
            serviceName: over.canonicalName || null,
            revision: over.canonicalRevision || null,
          });
        },
      ),
    ));

  test("takes anything without complaint", () =>
    fc.assert(fc.property(fc.array(fc.string()), (lines) => Object.keys(parseBaggage(lines)).length === 8)));

  test("is read from several lines, with unknown keys and empty values", () =>
    expect(
      parseBaggage(["x=y,k8s.pod.name=p", "service.version=,cloud.availability_zone=z,k8s.cluster.name"]),
    ).toMatchObject({
      workloadType: "pod",
      workloadName: "p",
      revision: null,
      clusterId: null,
      zone: "z",
    }));
});

describe("forwarded", () => {
  const table: readonly (readonly [string, string | null, string | null])[] = [
    ["nothing", null, null],
    ["a client alone", 'for="10.0.0.1:80"', null],
    ["a client and a host", 'for="[::1]:80";host=s.ns.svc', "s.ns.svc"],
    ["a quoted host", 'for=x; Host="s.ns.svc"', "s.ns.svc"],
    ["a host outside ASCII", "host=s\u00e9", null],
    ["an empty host", "host=", null],
    ["an endless header", `host=${"a".repeat(2_000)}`, null],
  ];
  for (const [name, header, want] of table)
    test(`names the host in ${name}`, () => expect(parseForwardedHost(header)).toBe(want));

  test("reads back the host that was built", () =>
    expect(parseForwardedHost(buildForwarded({ ip: "2001:db8::1", port: 9 }, "s.ns.svc"))).toBe("s.ns.svc"));

  test("compares networks whatever their case", () => {
    expect(isFromOtherNetwork("Net-A", "net-a")).toBe(false);
    expect(isFromOtherNetwork("net-b", "net-a")).toBe(true);
    expect(isFromOtherNetwork(null, "net-a")).toBe(false);
  });
});

describe("an authority", () => {
  test("is an address in its canonical form", () =>
    expect(parseAuthority("[2001:DB8:0::1]:80")).toMatchObject({
      ok: true,
      value: { t: "address", ip: "2001:db8::1", port: 80 },
    }));

  test("is a hostname, lower case", () =>
    expect(parseAuthority("S.Ns.Svc:80")).toMatchObject({
      ok: true,
      value: { t: "hostname", hostname: "s.ns.svc", port: 80 },
    }));

  test("is never taken from junk", () =>
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseAuthority(text);
        if (parsed.ok) expect(parsed.value.port).toBeLessThan(65_536);
        else expect(parsed.error.code).toBe("BAD_INPUT");
      }),
    ));
});
