import { describe, expect, test } from "vitest";
import type { ServicePlan } from "./cluster-ips.ts";
import { findService, findServicePort } from "./find-service.ts";

const service = (namespace: string, name: string, ports: ServicePlan["ports"] = []): ServicePlan => ({
  name,
  namespace,
  headless: false,
  clusterIps: ["10.96.0.1"],
  selector: { app: name },
  ports,
});
const dns = { protocol: "UDP", port: 53, targetPort: 53 };
const http = { protocol: "TCP", port: 80, targetPort: "http" };
const services = [
  service("shop", "catalog", [http, dns]),
  service("shop", "status"),
  service("legacy", "status", [dns]),
];

describe("Services by name", () => {
  test("with and without namespace", () => {
    expect(findService(services, "catalog").namespace).toBe("shop");
    expect(findService(services, "status.legacy").namespace).toBe("legacy");
  });
  test.each([
    ["catlog", 'Cannot find Service "catlog": did you mean "catalog"?'],
    ["status.old", 'Cannot find Service "status.old": there are catalog.shop, status.shop, status.legacy'],
    ["status", 'Cannot tell which Service "status" is: there is one in shop and legacy; say status.NAMESPACE'],
  ])("refuses %s", (text, why) => {
    expect(() => findService(services, text)).toThrow(why);
  });
  test("of none", () => expect(() => findService([], "a")).toThrow('Cannot find Service "a": there is none'));
});

describe("their TCP ports", () => {
  test("by number", () => expect(findServicePort(services[0]!, 80).port).toEqual(http));
  test.each([
    [0, 53, 'Cannot reach Service "catalog.shop": it has no TCP port 53, but 80'],
    [2, 53, 'Cannot reach Service "status.legacy": it has no TCP port'],
  ])("or say which there are", (index, port, why) => {
    expect(() => findServicePort(services[index]!, port)).toThrow(why);
  });
});
