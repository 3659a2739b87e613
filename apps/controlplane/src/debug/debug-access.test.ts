import type { Caller } from "@lateen/ca";
import { Code, MeshError, fail, ok } from "@lateen/errors";
import { formatIdentity } from "@lateen/identity";
import { describe, expect, test } from "vitest";
import { type DebugRules, admitToDebug } from "./debug-access.ts";

const rules: DebugRules = {
  authenticate: ({ authorization: [header = ""] }) => {
    const [, namespace] = /^Bearer of (.+)$/.exec(header) ?? [];
    if (namespace === undefined) return Promise.resolve(fail(new MeshError(Code.Denied, "no")));
    const identity = { trustDomain: "td", namespace, serviceAccount: "sa" };
    return Promise.resolve(ok({ name: formatIdentity(identity), identity, pod: null, by: "token" } satisfies Caller));
  },
  namespaces: ["istio-system", "monitoring"],
};
const ask = (peer: string, authorization = ""): ReturnType<typeof admitToDebug> =>
  admitToDebug({ peer, authorization }, rules);

describe("who asks for debug pages", () => {
  test.each(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])(
    "from the loopback (%s) sees everything",
    async (peer) => expect(await ask(peer)).toEqual({ t: "all" }),
  );

  test.each(["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "", "127.0.0.1.example", "128.0.0.1"])(
    "from elsewhere (%s) without a token sees nothing",
    async (peer) => expect(await ask(peer)).toMatchObject({ status: 401 }),
  );

  test("sees with a token everything if it is of the mesh, else what is of its namespace", async () => {
    expect(await ask("10.0.0.1", "Bearer of istio-system")).toEqual({ t: "all" });
    expect(await ask("10.0.0.1", "Bearer of monitoring")).toEqual({ t: "all" });
    expect(await ask("10.0.0.1", "Bearer of shop")).toEqual({ t: "namespace", namespace: "shop" });
    expect(await ask("10.0.0.1", "Bearer nonsense")).toMatchObject({ status: 401 });
  });
});
