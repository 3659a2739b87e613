import { type CertificateDumpItem, type WorkloadCertificate, startIdentityManager } from "@lateen/ca";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { FakeClock } from "@lateen/testkit";
import { object, text } from "./read-json.ts";
import { type Json, type JsonObject, type Verdict, compare, failed } from "./suite-driver.ts";

const REFUSED = "Unavailable: ";

const pems = (x: Json | undefined): readonly string[] =>
  ((x ?? []) as readonly Json[]).map((item) => atob(text(object(item)["pem"])));

/** A chain's entry with the certificate's bytes in place of its PEM, whose lines may have any length. */
function inDer(entry: Json): JsonObject {
  const [der] = pems([entry]).map((pem) => pem.replaceAll(/-----[^-]+-----|\s/g, ""));
  return { ...object(entry), pem: der ?? null };
}

/** What the authority answers for one identity, null for no answer yet. The certificates are the case's own. */
function answer(entry: JsonObject): Result<WorkloadCertificate> | null {
  const state = text(entry["state"]);
  if (state.startsWith(REFUSED)) return fail(new MeshError(Code.Unavailable, state.slice(REFUSED.length)));
  if (state !== "Available") return null;
  const chain = pems(entry["certChain"]);
  const [first] = (entry["certChain"] as readonly Json[]).map(object);
  return ok({
    identity: text(entry["identity"]),
    keyPem: "",
    chainPem: chain.join(""),
    rootsPem: chain.slice(0, 1), // any certificate: the suite says only what form roots have
    notBeforeMs: Date.parse(text(first?.["validFrom"])),
    notAfterMs: Date.parse(text(first?.["expirationTime"])),
  });
}

/**
 * Has the product's certificate manager fetch what the case names, from an authority that answers so, and compares its dump: keys,
 * states, order, chains; of the roots the form.
 */
export async function dumpOfCertificates(entries: readonly JsonObject[]): Promise<Verdict> {
  const answers = new Map(entries.map((entry) => [text(entry["identity"]), answer(entry)]));
  const from = [...answers.values()].flatMap((a) => (a?.ok === true ? [a.value.notBeforeMs] : []));
  const clock = new FakeClock(Math.max(...from, 0));
  using manager = startIdentityManager({
    clock,
    random: () => 0.5,
    onChange: () => undefined,
    fetch: (identity) => {
      const given = answers.get(identity);
      return given ? Promise.resolve(given) : new Promise(() => undefined);
    },
  });
  for (const identity of [...answers.keys()].reverse()) manager.want(identity, "realtime");
  await clock.advanceAsync(0);
  const got = manager.dump();
  const form = (item: CertificateDumpItem | undefined): string =>
    Object.keys(item ?? {})
      .sort()
      .join();
  const roots = got.filter((g) => g.rootCerts.some((root) => form(root) !== form(g.certChain[0])));
  if (roots.length > 0) return failed(roots, "roots have another form than chains");
  const shown = (entry: JsonObject | (typeof got)[number]): Json => {
    const { identity, state, certChain } = entry as JsonObject;
    return { identity: identity ?? null, state: state ?? null, certChain: (certChain as readonly Json[]).map(inDer) };
  };
  const count = (x: Json | undefined): number => (x as readonly Json[]).length;
  const counts = entries.map((e) => count(e["rootCerts"]));
  if (got.map((g) => g.rootCerts.length).join() !== counts.join()) return failed(got, `want ${counts.join()} roots`);
  return compare(got.map(shown), entries.map(shown));
}
