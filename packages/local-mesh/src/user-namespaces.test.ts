import { describe, expect, test } from "vitest";
import { type NamespaceSettings, whyNoUserNamespace } from "./user-namespaces.ts";

describe("why an ordinary user cannot run a mesh", () => {
  const open: NamespaceSettings = { unprivilegedClone: "1", maxUserNamespaces: "1000", apparmorRestricts: "0" };
  const rows: readonly [string, Partial<NamespaceSettings>, RegExp][] = [
    [
      "Debian's switch",
      { unprivilegedClone: "0" },
      /^kernel\.unprivileged_userns_clone is 0; as root: sysctl -w kernel/,
    ],
    ["the count", { maxUserNamespaces: "0" }, /^user\.max_user_namespaces is 0/],
    ["Ubuntu's AppArmor", { apparmorRestricts: "1" }, /^kernel\.apparmor_restrict_unprivileged_userns is 1/],
    ["a sandbox", { unprivilegedClone: null, apparmorRestricts: null }, /^Operation not permitted; no setting/],
  ];
  for (const [name, change, want] of rows)
    test(name, () => expect(whyNoUserNamespace({ ...open, ...change }, "Operation not permitted")).toMatch(want));
});
