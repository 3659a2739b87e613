import process from "node:process";
import { expect, test } from "vitest";
import { kernelProbes, missingPrivilege } from "./privileges.ts";

const fine = (): void => {};
const refused = (): never => {
  throw new Error("EPERM");
};

test.each([
  ["nothing", fine, fine, null],
  ["namespaces", refused, fine, "Cannot enter network namespaces (CAP_SYS_ADMIN is needed): Error: EPERM"],
  ["marks", fine, refused, "Cannot mark sockets (CAP_NET_ADMIN is needed): Error: EPERM"],
])("says that %s is missing", (_, enter, mark, want) => expect(missingPrivilege({ enter, mark })).toBe(want));

test("asks the kernel, which lets root do both and others neither", () => {
  const missing = missingPrivilege(kernelProbes(1337));
  if (process.getuid?.() === 0) expect(missing).toBe(null);
  else expect(missing).toMatch(/^Cannot enter network namespaces/);
});
