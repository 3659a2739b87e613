import { MeshError } from "@lateen/errors";
import { golden } from "@lateen/testkit";
import { expect, test } from "vitest";
import { formatExpr } from "./format-expr.ts";
import { type ServicePort, serviceRuleset } from "./service-ruleset.ts";

const port = (vip: string, ...endpoints: string[]): ServicePort => ({
  protocol: "tcp",
  vip: { ip: vip, port: 80 },
  endpoints: endpoints.map((ip) => ({ ip, port: 8080 })),
});

test("each endpoint has one rule, the last without chance", () => {
  const chains = serviceRuleset([
    port("10.96.0.1", "10.1.0.1", "10.1.0.2", "10.1.0.3"),
    port("fd96::1", "fd01::1"),
    port("10.96.0.2"),
  ]).tables[0]!.chains;
  golden(
    "services",
    chains.flatMap((c) => c.rules.map((r) => `${c.name}\n${r.map((e) => `  ${formatExpr(e)}\n`).join("")}`)).join("\n"),
  );
});

test.each([
  ["an endpoint of another family", port("10.96.0.1", "fd01::1")],
  ["a port that is none", { ...port("10.96.0.1", "10.1.0.1"), vip: { ip: "10.96.0.1", port: 0 } }],
  ["too many endpoints", port("10.96.0.1", ...new Array<string>(10_001).fill("10.1.0.1"))],
])("refuses %s", (_, service) => {
  expect(() => serviceRuleset([service])).toThrow(MeshError);
});
