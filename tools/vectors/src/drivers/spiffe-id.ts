import { webcrypto } from "node:crypto";
import { createVerifier, parseX509Bundle, parseX509Svid, verifyX509Svid } from "@lateen/certificates";
import { formatSpiffeId, parseSpiffeId, parseTrustDomain } from "@lateen/identity";
import { text } from "../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type Verdict,
  type VectorCase,
  compare,
  unsupported,
} from "../suite-driver.ts";
import { object } from "../read-json.ts";
import { makeScenario } from "./spiffe-scenario.ts";

const OPS: Readonly<Record<string, (input: JsonObject) => JsonObject | Promise<JsonObject | string>>> = {
  parseId: (i) => {
    const id = parseSpiffeId(text(i["id"]));
    return id.ok ? { valid: true, trustDomain: id.value.trustDomain, path: id.value.path } : refused(id.error);
  },
  parseTrustDomain: (i) => {
    const name = parseTrustDomain(text(i["trustDomain"]));
    return name.ok ? { valid: true, name: name.value } : refused(name.error);
  },
  parseX509Svid: (i) => {
    const svid = parseX509Svid(text(i["pem"]));
    if (!svid.ok) return refused(svid.error);
    return { valid: true, id: formatSpiffeId(svid.value.id), certificates: svid.value.certificates.length };
  },
  parseX509Bundle: (i) => {
    const bundle = parseX509Bundle(text(i["pem"]));
    return bundle.ok ? { valid: true, authorities: bundle.value.length } : refused(bundle.error);
  },
  verifyX509Svid: async (i) => {
    const scenario = await makeScenario(text(i["describe"]), text(i["make"]));
    if (typeof scenario === "string") return scenario;
    const id = await verifyX509Svid({ ...scenario, verify: createVerifier(webcrypto) });
    return id.ok ? { valid: true, id: formatSpiffeId(id.value) } : refused(id.error);
  },
};

export const driver: SuiteDriver = {
  suite: "spiffe-id",
  async judge(c): Promise<Verdict> {
    const op = text(c.input["op"]);
    const run = Object.hasOwn(OPS, op) ? OPS[op] : undefined;
    if (run === undefined) return unsupported(`no operation ${op}`);
    const got = await run(c.input);
    if (typeof got === "string") return unsupported(got);
    return compare(asCompared(got, c), withoutError(object(c.expected)));
  },
};

function refused(error: Error): JsonObject {
  return { valid: false, why: error.message };
}

/** The wording of an error is the peer's own; of an answer only what the case names is compared. */
function asCompared(got: JsonObject, c: VectorCase): JsonObject {
  const expected = object(c.expected);
  return Object.fromEntries(Object.entries(got).filter(([k]) => k === "valid" || k in expected));
}

function withoutError(expected: JsonObject): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(expected).filter(([k]) => k !== "error"));
}
