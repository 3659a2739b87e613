import { hex } from "./bytes.ts";
import { DerError, DerReader, Tag, primitive } from "./der-reader.ts";
import { KEY_USAGES, type KeyUsage, Oid } from "./oids.ts";
import { type SubjectAltName, readNames } from "./subject-alt-names.ts";

/** What the extensions of a certificate say; absent ones are null or empty. */
export interface Extensions {
  readonly sans: readonly SubjectAltName[];
  readonly isCa: boolean;
  /** How many intermediates may follow; null without a limit. */
  readonly pathLength: number | null;
  readonly keyUsages: readonly KeyUsage[] | null;
  /** Object identifiers. */
  readonly extKeyUsages: readonly string[] | null;
  /** Hex. */
  readonly subjectKeyId: string | null;
  readonly authorityKeyId: string | null;
  /** Critical extensions that nothing here understands: a chain through this certificate must be refused. */
  readonly unhandledCritical: readonly string[];
}

export const NO_EXTENSIONS: Extensions = Object.freeze({
  sans: [],
  isCa: false,
  pathLength: null,
  keyUsages: null,
  extKeyUsages: null,
  subjectKeyId: null,
  authorityKeyId: null,
  unhandledCritical: [],
});

const MAX_EXTENSIONS = 64;
const MAX_PURPOSES = 64;

type Part = Partial<Extensions>;

const READERS: Readonly<Record<string, (r: DerReader) => Part>> = {
  [Oid.SubjectAltName]: (r) => ({ sans: readNames(r.enter(Tag.Sequence)) }),
  [Oid.BasicConstraints]: readBasicConstraints,
  [Oid.KeyUsage]: readKeyUsage,
  [Oid.ExtKeyUsage]: readExtKeyUsage,
  [Oid.SubjectKeyId]: (r) => ({ subjectKeyId: hex(r.content(Tag.OctetString)) }),
  [Oid.AuthorityKeyId]: readAuthorityKeyId,
};

/** Reads a list of extensions. A known extension that is malformed, and one that stands twice, make the whole malformed. */
export function readExtensions(list: DerReader): Extensions {
  const seen = new Set<string>();
  const unhandled: string[] = [];
  let found: Part = {};
  while (!list.atEnd) {
    const item = list.enter(Tag.Sequence);
    const id = item.oid();
    const critical = item.peek() === Tag.Boolean && item.boolean();
    const value = item.content(Tag.OctetString);
    item.done("extension");
    if (seen.has(id)) throw new DerError(`extension ${id} stands twice`);
    if (seen.add(id).size > MAX_EXTENSIONS) throw new DerError(`there are more than ${MAX_EXTENSIONS} extensions`);
    const read = Object.hasOwn(READERS, id) ? READERS[id] : undefined;
    if (read === undefined) {
      if (critical) unhandled.push(id);
      continue;
    }
    const reader = new DerReader(value);
    found = { ...found, ...read(reader) };
    reader.done(`extension ${id}`);
  }
  return { ...NO_EXTENSIONS, ...found, unhandledCritical: unhandled };
}

function readBasicConstraints(r: DerReader): Part {
  const body = r.enter(Tag.Sequence);
  const isCa = body.peek() === Tag.Boolean && body.boolean();
  const pathLength = body.atEnd ? null : body.smallInteger();
  body.done("basic constraints");
  return { isCa, pathLength };
}

function readKeyUsage(r: DerReader): Part {
  const bytes = r.content(Tag.BitString);
  if (bytes.length < 1 || bytes.length > 3 || bytes[0]! > 7) throw new DerError("the key usage is malformed");
  const on = (i: number): boolean => (((bytes[1 + (i >> 3)] ?? 0) << (i & 7)) & 0x80) !== 0;
  return { keyUsages: KEY_USAGES.filter((_, i) => on(i)) };
}

function readExtKeyUsage(r: DerReader): Part {
  const body = r.enter(Tag.Sequence);
  const extKeyUsages: string[] = [];
  while (!body.atEnd) {
    if (extKeyUsages.length >= MAX_PURPOSES) throw new DerError(`there are more than ${MAX_PURPOSES} purposes`);
    extKeyUsages.push(body.oid());
  }
  return { extKeyUsages };
}

/** Only the key identifier is of use: issuer and serial say nothing that the name does not. */
function readAuthorityKeyId(r: DerReader): Part {
  const body = r.enter(Tag.Sequence);
  const authorityKeyId = body.peek() === primitive(0) ? hex(body.content(primitive(0))) : null;
  body.rest();
  return { authorityKeyId };
}
