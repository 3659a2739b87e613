import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { customKinds } from "@lateen/resources";
import { type ApiServer, apiServerProblem, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { formatReview, validateObject } from "@lateen/validation";
import { parse } from "yaml";
import { object, text } from "../read-json.ts";
import { type JsonObject, type SuiteDriver, type Verdict, failed, passed } from "../suite-driver.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const FOLDER = fileURLToPath(new URL("../../../../charts/lateen/files/crds/", import.meta.url));
const ALWAYS_REJECT = "internal.istio.io/webhook-always-reject";

/** An API server that has the definitions of the chart; null where it was not built: then the webhook alone is asked. */
async function startServer(): Promise<ApiServer | null> {
  if (apiServerProblem() !== null) return null;
  const api = await startApiServer();
  for (const name of readdirSync(FOLDER).filter((n) => n.endsWith(".yaml")))
    await api.done("POST", CRDS, parse(readFileSync(FOLDER + name, "utf8")));
  for (const { group, versions, plural } of Object.values(customKinds))
    for (const version of versions)
      await eventually(async () => (await api.call("GET", `/apis/${group}/${version}/${plural}`)).status === 200, {
        deadlineMs: 30_000,
      });
  return api;
}

/** What a dry run says: null when the object is taken. */
async function dryRun(api: ApiServer, of: JsonObject): Promise<string | null> {
  const plural = Object.entries(customKinds).find(([kind]) => kind === of["kind"])?.[1].plural;
  const metadata = { namespace: "default", ...object(of["metadata"] ?? {}) };
  const path = `/apis/${text(of["apiVersion"] ?? "")}/namespaces/${metadata.namespace}/${plural ?? ""}`;
  const answer = await api.call("POST", `${path}?dryRun=All&fieldValidation=Strict`, { ...of, metadata });
  if (answer.status === 201) return null;
  return text(object(answer.body as JsonObject)["message"] ?? "");
}

/** Both the definitions and the webhook are asked, and must say what the case says. */
function createDriver(): SuiteDriver {
  let server: Promise<ApiServer | null> | null = null;
  return {
    suite: "validation-crds",
    kindOf: (c) => text(object(c.input["object"] ?? {})["kind"] ?? ""),
    async judge(c): Promise<Verdict> {
      const of = object(c.input["object"] ?? {});
      const { valid, errorContains } = object(c.expected);
      const { errors } = validateObject(of);
      if ((errors.length === 0) !== valid) return failed({ webhook: formatReview(errors) });
      if (c.name.startsWith("dataset/") && !refusedWhenAsked(of))
        return failed({ webhook: "does not refuse on request" });
      server ??= startServer();
      const api = await server;
      if (api === null) return passed;
      const refusal = await dryRun(api, of);
      // A real API server drops fields that are null before it looks at the rest, and then says what is missing.
      const contains = typeof errorContains === "string" && !errorContains.includes('"null"') ? errorContains : "";
      const agrees = valid === true ? refusal === null : refusal?.includes(contains) === true;
      return agrees ? passed : failed({ apiServer: refusal });
    },
    async close() {
      const api = await server?.catch(() => null);
      server = null;
      await api?.[Symbol.asyncDispose]();
    },
  };
}

export const driver = createDriver();

function refusedWhenAsked(of: JsonObject): boolean {
  const metadata = object(of["metadata"] ?? {});
  const annotations = { ...object(metadata["annotations"] ?? {}), [ALWAYS_REJECT]: "true" };
  return validateObject({ ...of, metadata: { ...metadata, annotations } }).errors.length > 0;
}
