import type { ApiServer } from "@lateen/test-cluster";
import { createLogging } from "@lateen/telemetry";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { kubeconfigAccess } from "./credentials.ts";

/** A client of `api`, as administrator unless a token is given. */
export async function clientOf(api: ApiServer, o: { url?: string; token?: string } = {}): Promise<ApiClient> {
  return createApiClient(await kubeconfigAccess(api.kubeconfig(o)), { userAgent: "lateen-test" });
}

export function logTo(lines: string[]): ReturnType<ReturnType<typeof createLogging>["logger"]> {
  return createLogging({ write: (line) => lines.push(line), nowMicros: () => 0 }).logger("kube");
}

export async function makeNamespace(api: ApiServer, name: string): Promise<void> {
  await api.done("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}
