import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

export interface PemBlock {
  /** Such as CERTIFICATE or PRIVATE KEY. */
  readonly label: string;
  readonly der: Uint8Array;
}

const MAX_TEXT_CHARS = 1024 * 1024;
const MAX_BLOCKS = 512;
const BEGIN = "-----BEGIN ";
const DASHES = "-----";
const LINE = 64;

/**
 * The blocks of a PEM text in order, at most 512 in at most 1 MiB. Text around blocks is ignored, as RFC 7468 allows.
 * @returns BAD_INPUT when a block is cut off or is not base64
 */
export function decodePem(text: string): Result<readonly PemBlock[]> {
  if (text.length > MAX_TEXT_CHARS) return bad(`it is longer than ${MAX_TEXT_CHARS} characters`);
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(BEGIN); at >= 0;) {
    if (blocks.length >= MAX_BLOCKS) return bad(`it has more than ${MAX_BLOCKS} blocks`);
    const labelEnd = text.indexOf(DASHES, at + BEGIN.length);
    const label = labelEnd < 0 ? "" : text.slice(at + BEGIN.length, labelEnd);
    if (!/^[A-Z0-9 ]{1,64}$/.test(label)) return bad(`block ${blocks.length + 1} has no proper label`);
    const end = `-----END ${label}-----`;
    const bodyEnd = text.indexOf(end, labelEnd);
    if (bodyEnd < 0) return bad(`block ${blocks.length + 1} (${label}) has no end`);
    const der = decodeBase64(text.slice(labelEnd + DASHES.length, bodyEnd));
    if (der === null) return bad(`block ${blocks.length + 1} (${label}) is not base64`);
    blocks.push({ label, der });
    at = text.indexOf(BEGIN, bodyEnd + end.length);
  }
  return ok(blocks);
}

/** One block, lines of 64 characters, a newline at the end. */
export function encodePem(label: string, der: Uint8Array): string {
  let binary = "";
  for (const b of der) binary += String.fromCharCode(b);
  const base64 = btoa(binary);
  let body = "";
  for (let at = 0; at < base64.length; at += LINE) body += `${base64.slice(at, at + LINE)}\n`;
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}

function decodeBase64(body: string): Uint8Array | null {
  const packed = body.replaceAll(/[\r\n\t ]/g, "");
  if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) return null;
  const binary = atob(packed);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

function bad(why: string): Result<never> {
  return fail(new MeshError(Code.BadInput, `Cannot read PEM: ${why}`));
}
