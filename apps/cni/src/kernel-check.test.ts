import { defaultInPodOptions } from "@lateen/redirection";
import { requireRoot } from "@lateen/testkit";
import { expect, test } from "vitest";
import { checkKernel } from "./kernel-check.ts";

test.skipIf(requireRoot())("this kernel takes both forms, and what cannot be planned is said", () => {
  expect(checkKernel(defaultInPodOptions)).toBeNull();
  expect(checkKernel({ ...defaultInPodOptions, form: "tproxy" })).toBeNull();
  expect(checkKernel({ ...defaultInPodOptions, virtualInterfaces: ["no name"] })).toContain("is not an interface name");
});
