import { expect, test } from "vitest";
import { undeclaredNames } from "./declared-names.ts";

const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "frontend", namespace: "shop" } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "odd" } },
  { apiVersion: "v1", kind: "Node", metadata: { name: "node-1" } },
];

test.each([
  ["shop", "frontend", []],
  ["shop", "default", []],
  ["default", "odd", []],
  ["shop", "frontnd", ['nothing declares ServiceAccount "frontnd" in namespace "shop": did you mean "frontend"?']],
  ["shop", "odd", ['nothing declares ServiceAccount "odd" in namespace "shop": there is only frontend']],
  ["shp", "frontend", ['nothing declares namespace "shp": did you mean "shop"?']],
])("as %s/%s", (namespace, serviceAccount, warnings) => {
  expect(undeclaredNames(objects, { namespace, serviceAccount })).toEqual(warnings);
});
