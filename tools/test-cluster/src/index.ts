import { existsSync } from "node:fs";
import { type Skip, requirement } from "@lateen/testkit";
import { programPath } from "../program.mjs";

export { type Answer, ApiServer, type ApiServerOptions, startApiServer } from "./api-server.ts";
export { FaultProxy, type Passing, type ProxyAnswer } from "./fault-proxy.ts";
export { type CustomKind, crdOf, defineKinds, serviceAccountToken } from "./objects.ts";

/** Why there is no API server to start here; null when there is one. */
export function apiServerProblem(): string | null {
  return existsSync(programPath()) ? null : "needs the test cluster: run node tools/test-cluster/build.mjs";
}

/** For tests against a real API server: runs them when it was built, else says how to build it. */
export function requireApiServer(): Skip {
  return requirement(apiServerProblem());
}
