import { hash } from "node:crypto";
import { type Certificate, parseCertificate } from "@lateen/certificates";
import { type Result, ok } from "@lateen/errors";

/** Certificates remembered, the longest unused forgotten first. */
const MAX_SEEN = 1024;

/**
 * Parses the certificates of peers; one that was seen before costs a digest, or nothing when it is our own `der`. What is in them is
 * judged anew each time.
 */
export class SeenCertificates {
  /** By digest; the least recently seen first. */
  readonly #seen = new Map<string, Certificate>();
  /** The same by what was handed out of them. */
  readonly #own = new WeakMap<Uint8Array, Certificate>();

  /** @returns of equal bytes the same value, `der` included; BAD_INPUT for what does not parse, which is not remembered */
  parse(der: Uint8Array): Result<Certificate> {
    const own = this.#own.get(der);
    if (own !== undefined) return ok(own);
    const digest = hash("sha256", der, "base64");
    const seen = this.#seen.get(digest);
    const parsed = seen === undefined ? parseCertificate(der) : ok(seen);
    if (!parsed.ok) return parsed;
    this.#seen.delete(digest);
    this.#seen.set(digest, parsed.value);
    this.#own.set(parsed.value.der, parsed.value);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value ?? "");
    return parsed;
  }
}
