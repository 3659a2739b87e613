import { webcrypto } from "node:crypto";
import {
  type Certificate,
  type Issuer,
  type KeyUsage,
  createSigner,
  generateKeyPair,
  issueCertificate,
  issueRoot,
} from "@lateen/certificates";

/** Certificates made for one described case. */
export interface Scenario {
  readonly chain: readonly Certificate[];
  readonly bundles: ReadonlyMap<string, readonly Certificate[]>;
  readonly nowMs: number;
}

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_SEC = 86_400;
const AUTHORITY = /CA (\d) of trust domain (\S+?)(?: with leaf (\S+?))?(?=[;,]|$)/g;

/** What a description changes of a good leaf verified now with the bundle of its own authority. */
interface Change {
  readonly issuer?: string;
  readonly names?: readonly string[];
  readonly keyUsages?: readonly KeyUsage[];
  readonly authority?: boolean;
  readonly empty?: boolean;
  readonly bundle?: "none" | "without roots" | { readonly of: string; readonly as?: string };
  readonly shiftMs?: (leaf: Certificate) => number;
}

const LEAF: readonly KeyUsage[] = ["digitalSignature", "keyEncipherment"];
const UNIT_MS: Readonly<Record<string, number>> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Each rule that finds its words in a description changes one thing; a description without any is not understood. */
const RULES: readonly (readonly [RegExp, (m: RegExpMatchArray, uri: string) => Change])[] = [
  [/empty (?:certificates? )?chain|chain (?:is )?empty|no certificates/i, () => ({ empty: true })],
  [/leaf of CA (\d)/, (m) => ({ issuer: m[1] ?? "" })],
  [
    /(?:bundle|roots?)\b[^,;]*? CA (\d)\b[^,;]*?(?:\b(?:as|for|in|of|under)\b[^,;]*?([a-z0-9-]+\.[a-z0-9.-]+))?(?=[,;)]|$)/,
    bundleOf,
  ],
  [/bundle (?:only )?(?:of|for) (?:trust domain )?([a-z0-9-]+\.[a-z0-9.-]+)/, (m) => ({ bundle: { of: m[1] ?? "" } })],
  [
    /bundle (?:only )?(?:of|for) (?:the |an)?other trust domain|bundle of trust domain 2/,
    () => ({ bundle: { of: "2" } }),
  ],
  [/\b(?:no|nil|missing|without an?y?) bundle\b/i, () => ({ bundle: "none" })],
  [
    /(?:without|no) (?:any )?(?:roots|authorities)|empty bundle|bundle (?:is )?empty/i,
    () => ({ bundle: "without roots" }),
  ],
  [/(?:SAN|SPIFFE ID|ID) (?:is|=) (\S+:\/\/[^\s,;)]+)/, (m) => ({ names: [m[1] ?? ""] })],
  [/(?:without|no|lacks|missing) (?:an? |any )?(?:URI SANs?|SPIFFE ID)/i, () => ({ names: [] })],
  [/(?:two|2|more than one|several|duplicated?|multiple|the same) URI SANs?/i, (_, uri) => ({ names: [uri, uri] })],
  [
    /(?:without|no|empty|root|lacks) (?:an? |any )?path/i,
    (_, uri) => ({ names: [uri.split("/").slice(0, 3).join("/")] }),
  ],
  [/keyCertSign/i, () => ({ keyUsages: [...LEAF, "keyCertSign"] })],
  [/cRLSign/i, () => ({ keyUsages: [...LEAF, "cRLSign"] })],
  [
    /CA flag|isCA|CA ?[:=]? ?true|leaf (?:is|marked as|that is) (?:an? )?(?:CA|authority)\b/i,
    () => ({ authority: true }),
  ],
  [/(one|\d+) (second|minute|hour|day)s? (after|before) not(After|Before)/, shifted],
];

function bundleOf(m: RegExpMatchArray): Change {
  return { bundle: { of: m[1] ?? "", ...(m[2] === undefined ? {} : { as: m[2] }) } };
}

function shifted([, count = "", unit = "", side, edge]: RegExpMatchArray): Change {
  const ms = (count === "one" ? 1 : Number(count)) * (UNIT_MS[unit] ?? 0) * (side === "after" ? 1 : -1);
  return { shiftMs: (leaf) => (edge === "After" ? leaf.notAfterMs : leaf.notBeforeMs) + ms };
}

/**
 * Makes the certificates that a case describes in words.
 * @returns the text of what it could not understand otherwise
 */
export async function makeScenario(describe: string, make: string): Promise<Scenario | string> {
  const authorities = [...make.matchAll(AUTHORITY)].map(([, id = "", trustDomain = "", uri]) => ({
    id,
    trustDomain,
    uri,
  }));
  const home = authorities.find((a) => a.uri !== undefined);
  if (home?.uri === undefined) return `cannot make ${JSON.stringify(make)}`;
  const change = readChange(describe, home.uri);
  if (change === null) return `cannot make what ${JSON.stringify(describe)} describes`;
  const made = new Map<string, { readonly trustDomain: string; readonly issuer: Issuer }>();
  for (const a of authorities)
    made.set(a.id, { trustDomain: a.trustDomain, issuer: await makeAuthority(a.trustDomain) });
  const issuer = made.get(change.issuer ?? home.id)?.issuer;
  if (issuer === undefined) return `there is no CA ${change.issuer ?? home.id}`;
  const leaf = await makeLeaf(issuer, change, home.uri);
  const bundles = makeBundles(change, home.id, made);
  if (typeof bundles === "string") return bundles;
  return { chain: change.empty === true ? [] : [leaf], bundles, nowMs: change.shiftMs?.(leaf) ?? NOW_MS };
}

function readChange(describe: string, uri: string): Change | null {
  const changes = RULES.flatMap(([pattern, apply]) => {
    const m = pattern.exec(describe);
    return m === null ? [] : [apply(m, uri)];
  });
  return changes.length === 0 ? null : changes.reduce((all, one) => ({ ...all, ...one }));
}

async function makeAuthority(trustDomain: string): Promise<Issuer> {
  const signer = await createSigner(webcrypto, await generateKeyPair(webcrypto));
  const options = { signer, organization: trustDomain, nowMs: NOW_MS, ttlSec: 10 * DAY_SEC };
  return { signer, certificate: await issueRoot(webcrypto, options) };
}

async function makeLeaf(issuer: Issuer, change: Change, uri: string): Promise<Certificate> {
  const { publicKey } = await createSigner(webcrypto, await generateKeyPair(webcrypto));
  return issueCertificate(webcrypto, {
    issuer,
    publicKey,
    sans: (change.names ?? [uri]).map((value) => ({ t: "uri", value })),
    notBeforeMs: NOW_MS - 60_000,
    notAfterMs: NOW_MS + DAY_SEC * 1000,
    keyUsages: change.keyUsages ?? LEAF,
    ...(change.authority === true ? { authority: { pathLength: null } } : {}),
  });
}

type Authorities = ReadonlyMap<string, { readonly trustDomain: string; readonly issuer: Issuer }>;

function makeBundles(change: Change, home: string, made: Authorities): Scenario["bundles"] | string {
  const rootsOf = (id: string): readonly Certificate[] => {
    const certificate = made.get(id)?.issuer.certificate;
    return certificate === undefined || certificate === "self" ? [] : [certificate];
  };
  const nameOf = (id: string): string | undefined => made.get(id)?.trustDomain;
  if (change.bundle === "none") return new Map();
  const bundle = change.bundle ?? { of: home };
  if (bundle === "without roots") return new Map([[nameOf(home) ?? "", []]]);
  const of = made.has(bundle.of) ? bundle.of : [...made].find(([, a]) => a.trustDomain === bundle.of)?.[0];
  if (of === undefined) return `there is no CA ${bundle.of}`;
  return new Map([[bundle.as ?? nameOf(of) ?? "", rootsOf(of)]]);
}
