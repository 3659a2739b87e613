import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reviewAdmission } from "./index.ts";

type Tree = Readonly<Record<string, unknown>>;

const object = (spec: Tree): Tree => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "a" },
  spec,
});
const review = (request: Tree): Tree => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "u-1",
    operation: "CREATE",
    namespace: "n",
    resource: { group: "security.istio.io", version: "v1", resource: "authorizationpolicies" },
    ...request,
  },
});
const answered = (request: Tree): unknown =>
  (reviewAdmission(review(request))?.reply as { response: unknown } | undefined)?.response;

describe("an admission review", () => {
  test("of a good object allows it", () => {
    expect(answered({ object: object({}) })).toEqual({ uid: "u-1", allowed: true });
  });

  test("of an object that its author should look at again warns", () => {
    expect(answered({ object: object({ selector: {} }) })).toEqual({
      uid: "u-1",
      allowed: true,
      warnings: ["spec.selector: selects every workload: it names no labels"],
    });
  });

  test("of a bad object refuses it, with every error at its field", () => {
    expect(answered({ object: object({ action: "deny" }) })).toEqual({
      uid: "u-1",
      allowed: false,
      status: {
        code: 400,
        message: "configuration is invalid: spec.action: must be one of ALLOW, DENY, AUDIT, CUSTOM; did you mean DENY?",
      },
    });
    expect(answered({ object: object({ action: "deny", x: 1 }) })).toMatchObject({
      status: {
        message: expect.stringMatching(
          /^configuration is invalid: 2 errors occurred:\n\t\* spec\.action.*\n\t\* spec\.x/,
        ) as string,
      },
    });
  });

  test("tells the namespace of the request to checks that need it", () => {
    const entry = { apiVersion: "networking.istio.io/v1", kind: "ServiceEntry", metadata: { name: "a" } };
    const spec = { hosts: ["a.example"], exportTo: [".", "n"] };
    expect(answered({ object: { ...entry, spec } })).toMatchObject({
      status: { message: 'configuration is invalid: spec.exportTo[1]: "n" stands twice' },
    });
  });

  test.each<Tree>([
    { operation: "DELETE", object: null },
    { operation: "CONNECT", object: object({ action: "x" }) },
    { operation: "UPDATE", subResource: "status", object: object({ action: "x" }) },
  ])("%j is not about what is checked", (request) => {
    expect(answered(request)).toEqual({ uid: "u-1", allowed: true });
  });

  test.each<[Tree, string]>([
    [{ object: object({}) }, ""],
    [{ object: object({ x: 1 }) }, "invalid_resource"],
    [{ object: { ...object({}), kind: "Other" } }, "unknown_type"],
    [{ object: null }, "unknown_type"],
    [{ object: "text" }, "unknown_type"],
  ])("%j is counted as %j", (request, reason) => {
    expect(reviewAdmission(review(request))).toMatchObject({
      reason,
      group: "security.istio.io",
      version: "v1",
      resource: "authorizationpolicies",
    });
  });

  test.each([
    null,
    [],
    {},
    { ...review({}), apiVersion: "admission.k8s.io/v1beta1" },
    review({ uid: "" }),
    review({ uid: 1 }),
  ])("%j is none", (body) => expect(reviewAdmission(body)).toBeNull());

  test("many and long warnings are cut", () => {
    const principals = Array.from({ length: 60 }, (_, i) => `a*${"x".repeat(1_000)}${i}*b`);
    const spec = { rules: [{ from: [{ source: { principals } }] }] };
    const { warnings } = answered({ object: object(spec) }) as { warnings: readonly string[] };
    expect(warnings.length).toBe(20);
    for (const warning of warnings) expect(warning.length).toBeLessThanOrEqual(250);
  });

  test("nothing makes it throw", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (body, of) => {
        reviewAdmission(body);
        expect(reviewAdmission(review({ object: of }))).toMatchObject({ reply: { response: { uid: "u-1" } } });
      }),
    );
  });
});
