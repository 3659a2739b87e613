import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { requireRoot } from "@lateen/testkit";
import * as k from "./constants.ts";
import * as libc from "./libc.ts";
import { createNetns, currentNetns, inNetns, netnsId, openNetns } from "./namespaces.ts";

describe.skipIf(requireRoot())("network namespaces", () => {
  const here = (): string => {
    using own = currentNetns();
    return own.id;
  };

  test("a new one is empty, and the thread stays where it was", () => {
    const before = here();
    using made = createNetns();
    expect(here()).toBe(before);
    expect(made.id).not.toBe(before);
    const interfaces = inNetns(made.fd, () =>
      fs
        .readFileSync("/proc/thread-self/net/dev", "utf8")
        .split("\n")
        .slice(2, -1)
        .map((l) => l.split(":")[0]!.trim()),
    );
    expect(interfaces.every((name) => name === "lo" || /tunl|sit|gre|ip6|erspan|vti/.test(name))).toBe(true);
  });

  test("work runs inside, its value comes out, nested too", () => {
    using a = createNetns();
    using b = createNetns();
    const seen = inNetns(a.fd, () => [here(), inNetns(b.fd, here), here()]);
    expect(seen).toEqual([a.id, b.id, a.id]);
  });

  test("an exception inside takes the thread home", () => {
    using a = createNetns();
    const before = here();
    expect(() => inNetns(a.fd, () => expect.fail("inside"))).toThrow("inside");
    expect(here()).toBe(before);
  });

  test("something that is no network namespace is refused, and the thread stays", () => {
    const before = here();
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    expect(() => inNetns(file, () => 1)).toThrow("setns failed with EINVAL");
    expect(here()).toBe(before);
    libc.close(file);
  });

  test("two descriptors of one namespace have one identity", () => {
    using a = createNetns();
    using again = openNetns(`/proc/self/fd/${a.fd}`);
    expect(again.fd).not.toBe(a.fd);
    expect(netnsId(again.fd)).toBe(a.id);
  });

  test("disposing twice closes once", () => {
    const a = createNetns();
    const file = libc.open("/dev/null", k.O_RDONLY | k.O_CLOEXEC);
    a[Symbol.dispose]();
    const other = libc.fcntl(file, k.F_DUPFD_CLOEXEC, a.fd);
    expect(other).toBe(a.fd); // the number is used again, so a second close would hit it
    a[Symbol.dispose]();
    libc.close(other);
    libc.close(file);
  });
});
