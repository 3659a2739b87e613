import { readFileSync, readdirSync } from "node:fs";
import { request } from "node:https";
import { fileURLToPath } from "node:url";
import { customKinds } from "@lateen/resources";
import { type Answer, type ApiServer, requireApiServer, startApiServer } from "@lateen/test-cluster";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  ClusterPlane,
  SYSTEM,
  collectionOf,
  pathOf,
  policyObject,
  put,
  remove,
  roots,
} from "./cluster.test.support.ts";

const CRDS = fileURLToPath(new URL("../../../../charts/lateen/files/crds/", import.meta.url));
const DEADLINE_MS = 300_000;
const WAIT_MS = 60_000;

/** A configuration as the chart will have it, but for the port: here no Service leads to the pod's. */
const configuration = (name: string, webhook: string, selector: object, port: number) => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  metadata: { name, labels: { "istio.io/rev": "default" } },
  webhooks: [
    {
      name: webhook,
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      failurePolicy: "Ignore",
      objectSelector: { matchExpressions: [{ key: "istio.io/rev", ...selector }] },
      clientConfig: { service: { name: "istiod", namespace: SYSTEM, path: "/validate", port } },
      rules: [
        {
          operations: ["CREATE", "UPDATE"],
          apiGroups: [...new Set(Object.values(customKinds).map(({ group }) => group))],
          apiVersions: ["*"],
          resources: ["*"],
        },
      ],
    },
  ],
});

async function install(api: ApiServer): Promise<void> {
  for (const file of readdirSync(CRDS))
    await api.done(
      "POST",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
      parse(readFileSync(CRDS + file, "utf8")),
    );
  for (const { group, versions, plural } of Object.values(customKinds))
    for (const version of versions)
      await eventually(async () => (await api.call("GET", `/apis/${group}/${version}/${plural}`)).status === 200, {
        deadlineMs: WAIT_MS,
        what: `${plural} of ${version} to be served`,
      });
  for (const name of [SYSTEM, "shop"]) await put(api, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  // A name that the API server resolves as its Service.
  const spec = { type: "ExternalName", externalName: "localhost" };
  await put(api, { apiVersion: "v1", kind: "Service", metadata: { name: "istiod", namespace: SYSTEM }, spec });
}

describe.skipIf(requireApiServer())("objects at a cluster", () => {
  let api: ApiServer;
  let plane: ClusterPlane;
  const create = (object: ReturnType<typeof policyObject>): Promise<Answer> =>
    api.call("POST", collectionOf(object), object);
  const message = (answer: Answer): string => (answer.body as { message?: string }).message ?? "";

  beforeAll(async () => {
    api = await startApiServer();
    await install(api);
    plane = await ClusterPlane.start(api);
    const port = plane.plane.webhookPort ?? 0;
    const ours = { operator: "In", values: ["default"] };
    const theirs = { operator: "DoesNotExist" };
    await put(api, configuration("istio-validator-istio-system", "rev.validation.istio.io", ours, port));
    await put(api, configuration("istiod-default-validator", "validation.istio.io", theirs, port));
    for (const name of ["istio-validator-istio-system", "istiod-default-validator"])
      await eventually(async () => (await policies(name)).join() === "Fail", {
        deadlineMs: WAIT_MS,
        what: `${name} to be closed`,
      });
  }, DEADLINE_MS);
  afterAll(async () => {
    await plane[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  async function policies(name: string): Promise<readonly string[]> {
    const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${name}`;
    const { webhooks } = await api.done<{ webhooks: { failurePolicy: string }[] }>("GET", path);
    return webhooks.map((w) => w.failurePolicy);
  }

  test("a bad policy is refused, and the refusal says where and why", async () => {
    const answer = await create(policyObject("bad", { action: "DENY" }));
    expect(answer.status).toBe(400);
    expect(message(answer)).toBe(
      'admission webhook "validation.istio.io" denied the request: configuration is invalid: spec.rules: ' +
        'DENY without rules never applies: write "rules: [{}]" to have it apply to everything',
    );
  });

  test("a good policy with something to think about is taken, with a warning", async () => {
    const spec = { action: "DENY", rules: [{ to: [{ operation: { methods: ["POST"] } }] }] };
    const answer = await create(policyObject("warned", spec));
    expect([answer.status, answer.warnings]).toEqual([
      201,
      ["spec.rules[0]: names only what HTTP has, so it denies every connection that is not HTTP: name ports too"],
    ]);
    expect(await create(policyObject("good", {}))).toMatchObject({ status: 201, warnings: [] });
  });

  test("changes are judged, removal is not", async () => {
    await put(api, policyObject("changed", {}));
    const change = { spec: { rules: [{ when: [{ key: "nothing", values: ["x"] }] }] } };
    const path = pathOf(policyObject("changed"));
    const answer = await api.call("PATCH", path, change, "application/merge-patch+json");
    expect(message(answer)).toMatch(/spec\.rules\[0\]\.when\[0\]\.key: "nothing" is not a known condition/);
    await remove(api, policyObject("changed"));
    expect((await api.call("GET", path)).status).toBe(404);
  });

  test("a policy that is too large is refused, and the control plane goes on", async () => {
    const principals = Array.from({ length: 9_000 }, (_, i) => `cluster.local/ns/shop/sa/${"x".repeat(100)}-${i}`);
    const answer = await create(policyObject("large", { rules: [{ from: [{ source: { principals } }] }] }));
    expect(message(answer)).toMatch(/the object is larger than 1048576 bytes/);
    expect((await create(policyObject("small", {}))).status).toBe(201);
  });

  test.each<[string, string, Readonly<Record<string, string>>, string, number]>([
    ["GET", "/validate", {}, "", 405],
    ["POST", "/inject", {}, "{}", 404],
    ["POST", "/validate", { "content-type": "text/plain" }, "{}", 415],
    ["POST", "/validate", {}, "{", 400],
    ["POST", "/validate", {}, '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', 400],
    ["POST", "/validate", { "content-length": String(5 << 20) }, "", 413],
    ["POST", "/validate/more", { "transfer-encoding": "chunked" }, " ".repeat(5 << 20), 413],
    ["GET", "/ready", {}, "", 200],
  ])("what is no review is refused: %s %s %j", async (method, path, headers, body, status) => {
    const ca = await roots(api);
    const answered = new Promise<number>((resolve, reject) => {
      const sent = request(
        {
          ...{ method, path, ca, host: "localhost", port: plane.plane.webhookPort ?? 0, agent: false },
          headers: { "content-type": "application/json", ...headers },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
          sent.destroy();
        },
      );
      sent.on("error", reject);
      // A body that is announced and does not come must not be waited for.
      if (headers["content-length"] === undefined) sent.end(body);
      else sent.flushHeaders();
    });
    expect(await answered).toBe(status);
  });

  test("what it did is counted", async () => {
    const text = await (await fetch(`http://127.0.0.1:${plane.plane.debugPort}/metrics`)).text();
    expect(text).toMatch(
      /galley_validation_failed\w*\{group="security.istio.io",version="v1",resource="authorizationpolicies",reason="invalid_resource"\} [1-9]/,
    );
    expect(text).toMatch(/galley_validation_passed\w*\{group="security.istio.io"/);
    expect(text).toMatch(/galley_validation_http_error\w*\{status="413"\} [1-9]/);
  });

  test("without a control plane nothing unchecked is taken", async () => {
    await plane[Symbol.asyncDispose]();
    const answer = await create(policyObject("unchecked", {}));
    expect([answer.status, message(answer)]).toEqual([500, expect.stringMatching(/failed calling webhook/)]);
    await remove(api, policyObject("good"));
  });
});
