import { describe, expect, test } from "vitest";
import type { Credentials } from "@lateen/datapath";
import type { Result } from "@lateen/errors";
import { CredentialCache } from "./credential-cache.ts";

const ID = "spiffe://cluster.local/ns/a/sa/b";
const pem = { t: "available", keyPem: "k", chainPem: "c", rootsPem: ["r"] } as const;

function rig(): { cache: CredentialCache; wanted: string[]; answers: string[]; loaded: string[]; get: () => void } {
  const loaded: string[] = [];
  const wanted: string[] = [];
  const answers: string[] = [];
  const path = {
    credentials: (o: { keyPem: string }): Credentials => {
      loaded.push(o.keyPem);
      if (o.keyPem === "bad") throw new Error("not a key");
      return { opaque: o.keyPem };
    },
  };
  const cache = new CredentialCache(path, (id) => wanted.push(id));
  const show = (r: Result<Credentials>): number => answers.push(r.ok ? String(r.value.opaque) : r.error.message);
  return { cache, wanted, answers, loaded, get: () => cache.get(ID, show) };
}

describe("credential cache", () => {
  test("asks once for an identity, however many connections wait", () => {
    const { cache, wanted, answers, get } = rig();
    get();
    get();
    expect([wanted, answers]).toEqual([[ID], []]);
    cache.set(ID, pem);
    get();
    expect([wanted, answers]).toEqual([[ID], ["k", "k", "k"]]);
  });

  test("gives the last error at once until a certificate comes", () => {
    const { cache, wanted, answers, get } = rig();
    get();
    cache.set(ID, { t: "unavailable", why: "CA is away" });
    get();
    cache.set(ID, pem);
    get();
    expect(answers).toEqual(["identity error: CA is away", "identity error: CA is away", "k"]);
    expect(wanted).toEqual([ID]);
  });

  test("answers those who wait when the identity leaves, and asks anew afterwards", () => {
    const { cache, wanted, answers, get } = rig();
    get();
    cache.set(ID, null);
    get();
    expect(answers).toEqual([`identity error: ${ID} left this node`]);
    expect(wanted).toEqual([ID, ID]);
  });

  test("loads a certificate once, when the first connection needs it", () => {
    const { cache, answers, loaded, get } = rig();
    cache.set(ID, pem);
    expect(loaded).toEqual([]);
    get();
    get();
    expect(loaded).toEqual(["k"]);
    cache.set(ID, { ...pem, keyPem: "renewed" });
    cache.set(ID, { ...pem, keyPem: "renewed again" });
    get();
    expect(loaded).toEqual(["k", "renewed again"]);
    expect(answers).toEqual(["k", "k", "renewed again"]);
  });

  test("a key that cannot be used is an error, not a crash", () => {
    const { cache, answers, get } = rig();
    cache.set(ID, { ...pem, keyPem: "bad" });
    get();
    expect(answers).toEqual(["identity error: not a key"]);
  });
});
