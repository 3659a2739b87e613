import { ipFromBytes, ipToBytes } from "@lateen/addresses";
import { DerError, type DerReader, constructed, primitive } from "./der-reader.ts";
import { element, sequence } from "./der-writer.ts";

/** One name of a certificate. `other` stands for the forms that nothing here compares: otherName, directoryName and so on. */
export type SubjectAltName =
  | { readonly t: "uri"; readonly value: string }
  | { readonly t: "dns"; readonly value: string }
  | { readonly t: "email"; readonly value: string }
  | { readonly t: "ip"; readonly value: string }
  | { readonly t: "other"; readonly tag: number };

/** Names a certificate is issued for. */
export type IssuedName = Extract<SubjectAltName, { t: "uri" | "dns" | "ip" }>;

const MAX_NAMES = 256;
const MAX_NAME_BYTES = 4096;
const TEXT_FORMS = { [primitive(1)]: "email", [primitive(2)]: "dns", [primitive(6)]: "uri" } as const;
const IP = primitive(7);
/** otherName, x400Address, directoryName, ediPartyName are constructed; registeredID is not. */
const OPAQUE: readonly number[] = [constructed(0), constructed(3), constructed(4), constructed(5), primitive(8)];

/** Reads the whole list. A text with a NUL, a control character or a byte above 0x7e makes the certificate unusable. */
export function readNames(list: DerReader): readonly SubjectAltName[] {
  const names: SubjectAltName[] = [];
  while (!list.atEnd) {
    if (names.length >= MAX_NAMES) throw new DerError(`there are more than ${MAX_NAMES} alternative names`);
    names.push(readName(list));
  }
  return names;
}

/** The contents of a subjectAltName extension. */
export function writeNames(names: readonly IssuedName[]): Uint8Array {
  return sequence(...names.map(writeName));
}

function writeName(name: IssuedName): Uint8Array {
  if (name.t === "ip") return element(IP, ipToBytes(name.value));
  return element(name.t === "uri" ? primitive(6) : primitive(2), new TextEncoder().encode(name.value));
}

function readName(list: DerReader): SubjectAltName {
  const tag = list.peek();
  const text = TEXT_FORMS[tag];
  if (text !== undefined) return { t: text, value: asciiText(list.content(tag)) };
  if (tag === IP) return { t: "ip", value: ipText(list.content(tag)) };
  if (!OPAQUE.includes(tag)) throw new DerError(`an alternative name has the unknown form 0x${tag.toString(16)}`);
  list.content(tag);
  return { t: "other", tag };
}

function asciiText(bytes: Uint8Array): string {
  if (bytes.length > MAX_NAME_BYTES) throw new DerError(`an alternative name is longer than ${MAX_NAME_BYTES} bytes`);
  for (const b of bytes)
    if (b < 0x20 || b > 0x7e) throw new DerError(`an alternative name holds the byte 0x${b.toString(16)}`);
  return String.fromCharCode(...bytes);
}

function ipText(bytes: Uint8Array): string {
  if (bytes.length !== 4 && bytes.length !== 16) throw new DerError("an IP address has neither 4 nor 16 bytes");
  return ipFromBytes(bytes);
}
