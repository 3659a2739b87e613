import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ServiceEntry, parseResource } from "@lateen/resources";
import { AddressAllocator, type HostAddress } from "./address-allocation.ts";

interface Given {
  readonly name?: string;
  readonly hosts?: readonly string[];
  readonly spec?: object;
  readonly labels?: object;
  readonly age?: number;
  readonly addresses?: readonly HostAddress[];
}

function entry({ name = "a", hosts = ["a.example.com"], spec, labels = {}, age = 0, addresses }: Given): ServiceEntry {
  const parsed = parseResource({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace: "shop", labels, creationTimestamp: `2026-01-01T00:00:0${age}Z` },
    spec: { hosts, resolution: "DNS", ports: [{ number: 80, name: "http" }], ...spec },
    ...(addresses === undefined ? {} : { status: { addresses } }),
  });
  if (parsed.t !== "resource" || parsed.resource.kind !== "ServiceEntry") throw new Error(JSON.stringify(parsed));
  return parsed.resource;
}

const planned = (allocator: AddressAllocator, ...entries: readonly ServiceEntry[]): unknown =>
  Object.fromEntries(allocator.plan(entries).changes);

describe("address allocation", () => {
  test("gives each host one address of each pool, upward from the second", () => {
    expect(planned(new AddressAllocator(), entry({ hosts: ["a.example.com", "b.example.com"] }))).toEqual({
      "shop/a": [
        { value: "240.240.0.1", host: "a.example.com" },
        { value: "2001:2::1", host: "a.example.com" },
        { value: "240.240.0.2", host: "b.example.com" },
        { value: "2001:2::2", host: "b.example.com" },
      ],
    });
  });

  test.each<[string, Given]>([
    ["its own addresses", { spec: { addresses: ["10.0.0.1"] } }],
    ["no resolution", { spec: { resolution: "NONE" } }],
    ["the label that opts out", { labels: { "networking.istio.io/enable-autoallocate-ip": "false" } }],
    ["a wildcard host that DNS cannot find", { hosts: ["*.example.com"] }],
  ])("an entry with %s gets none, and loses what it had", (_, given) => {
    expect(planned(new AddressAllocator(), entry(given))).toEqual({});
    const addresses = [{ value: "240.240.0.1", host: "a.example.com" }];
    expect(planned(new AddressAllocator(), entry({ ...given, addresses }))).toEqual({ "shop/a": [] });
  });

  test("what a status says stays, also after a restart, and of two with one address the older keeps it", () => {
    const addresses = [
      { value: "240.240.0.7", host: "a.example.com" },
      { value: "2001:2::7", host: "a.example.com" },
    ];
    const old = entry({ addresses });
    expect(planned(new AddressAllocator(), old)).toEqual({});
    const young = entry({ name: "b", age: 1, addresses });
    expect(planned(new AddressAllocator(), young, old)).toEqual({
      "shop/b": [
        { value: "240.240.0.1", host: "a.example.com" },
        { value: "2001:2::1", host: "a.example.com" },
      ],
    });
  });

  test("an address that somebody wrote is given to nobody", () => {
    const addresses = [{ value: "240.240.0.1", host: "a.example.com" }];
    const allocator = new AddressAllocator(["240.240.0.0/16"]);
    const user = entry({ name: "user", age: 3, spec: { addresses: ["240.240.0.1", "240.240.0.2/31"] } });
    expect(planned(allocator, entry({ addresses }), user)).toEqual({
      "shop/a": [{ value: "240.240.0.4", host: "a.example.com" }],
    });
  });

  test("a plan that was not written yet is planned again alike", () => {
    const allocator = new AddressAllocator();
    expect(planned(allocator, entry({}))).toEqual(planned(allocator, entry({})));
  });

  test("addresses of deleted objects are not given again", () => {
    const allocator = new AddressAllocator(["240.240.0.0/16"]);
    allocator.plan([entry({})]);
    expect(planned(allocator, entry({ name: "b" }))).toEqual({
      "shop/b": [{ value: "240.240.0.2", host: "a.example.com" }],
    });
  });

  test("a pool that is full serves whom it can and names the others", () => {
    const plan = new AddressAllocator(["10.0.0.0/30"]).plan(
      ["a", "b", "c", "d", "e"].map((name, age) => entry({ name, age })),
    );
    expect([plan.changes.size, plan.unserved]).toEqual([3, ["shop/d a.example.com", "shop/e a.example.com"]]);
  });

  test("no two hosts ever have one address, and what was planned is stable", () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c", "d"), age: fc.nat(9), n: fc.nat(4) }), {
          selector: (e) => e.name,
        }),
        (given) => {
          const claims = (n: number): HostAddress[] =>
            n === 0 ? [] : [{ value: `240.240.0.${n}`, host: "a.example.com" }];
          const entries = given.map(({ name, age, n }) => entry({ name, age, addresses: claims(n) }));
          const allocator = new AddressAllocator();
          const { changes } = allocator.plan(entries);
          const after = entries.map((e) => ({
            ...e,
            status: {
              addresses: (changes.get(`shop/${e.metadata.name}`) ?? e.status?.addresses ?? []).map((a) => ({ ...a })),
            },
          }));
          const all = after.flatMap((e) => e.status.addresses.map((a) => a.value));
          expect(new Set(all).size).toBe(all.length);
          expect(allocator.plan(after).changes.size).toBe(0);
        },
      ),
    ));
});
