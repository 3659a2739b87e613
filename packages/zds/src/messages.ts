import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { type Field, bytesOf, concat, decodeFields, messageField, stringField, stringOf, varintOf } from "./wire.ts";

/** Both sides read into buffers of this size; a longer message is lost. */
export const MAX_MESSAGE_BYTES = 1024;
/** `Version.V1` of the hello. */
export const VERSION_1 = 1;

/** Who a pod is, as `WorkloadInfo` carries it. */
export interface WorkloadInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** `WorkloadRequest`: agent to proxy. `add` comes with exactly one descriptor, the others with none. */
export type WorkloadRequest =
  | { readonly t: "add"; readonly uid: string; readonly info: WorkloadInfo | null }
  | { readonly t: "keep"; readonly uid: string }
  | { readonly t: "del"; readonly uid: string }
  | { readonly t: "snapshotSent" };

/** `WorkloadResponse`: proxy to agent. An empty error is success. */
export interface WorkloadResponse {
  readonly t: "ack";
  readonly error: string;
}

/** `ZdsHello`: the proxy's first message. */
export interface ZdsHello {
  readonly version: number;
}

const FIELD = { add: 1, del: 2, snapshotSent: 3, keep: 5 } as const;
const ADD_UID = 1;
const ADD_INFO = 2;
const KEEP_UID = 1;
/** Not 1: the contract has it so. */
const DEL_UID = 2;

function sized(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= MAX_MESSAGE_BYTES) return bytes;
  throw new MeshError(
    Code.BadInput,
    `Cannot encode ZDS message: ${bytes.length} bytes, at most ${MAX_MESSAGE_BYTES} are allowed`,
  );
}

export function encodeHello(hello: ZdsHello): Uint8Array {
  return sized(varintOf(1, hello.version));
}

export function decodeHello(bytes: Uint8Array): Result<ZdsHello> {
  const fields = checked(bytes);
  if (!fields.ok) return fields;
  let version = 0;
  for (const f of fields.value) {
    if (f.number !== 1) continue;
    if (f.wireType !== 0) return bad(`version has wire type ${f.wireType}`);
    version = f.varint >>> 0;
  }
  return ok({ version });
}

/** @throws MeshError BAD_INPUT when it is longer than the peer reads */
export function encodeWorkloadRequest(request: WorkloadRequest): Uint8Array {
  switch (request.t) {
    case "add": {
      const { uid, info } = request;
      const infoField = info === null ? [] : [bytesOf(ADD_INFO, encodeInfo(info))];
      return sized(bytesOf(FIELD.add, concat([stringOf(ADD_UID, uid), ...infoField])));
    }
    case "keep":
      return sized(bytesOf(FIELD.keep, stringOf(KEEP_UID, request.uid)));
    case "del":
      return sized(bytesOf(FIELD.del, stringOf(DEL_UID, request.uid)));
    case "snapshotSent":
      return bytesOf(FIELD.snapshotSent, new Uint8Array(0));
  }
}

function encodeInfo(i: WorkloadInfo): Uint8Array {
  return concat([stringOf(1, i.name), stringOf(2, i.namespace), stringOf(3, i.serviceAccount)]);
}

const bad = (why: string): { readonly ok: false; readonly error: MeshError } =>
  fail(new MeshError(Code.BadInput, `Cannot decode ZDS message: ${why}`));

function checked(bytes: Uint8Array): Result<readonly Field[]> {
  if (bytes.length > MAX_MESSAGE_BYTES) return bad(`${bytes.length} bytes, at most ${MAX_MESSAGE_BYTES} are allowed`);
  return decodeFields(bytes);
}

const PAYLOADS: ReadonlySet<number> = new Set(Object.values(FIELD));

/**
 * Unknown fields are skipped, of several payloads the last counts. Never throws.
 * @see the data-plane contract, section 3.2
 */
export function decodeWorkloadRequest(bytes: Uint8Array): Result<WorkloadRequest> {
  const fields = checked(bytes);
  if (!fields.ok) return fields;
  const member = fields.value.findLast((f) => PAYLOADS.has(f.number))?.number;
  if (member === undefined) return bad("it has no payload");
  const payload = messageField(fields.value, member, "payload");
  if (!payload.ok) return payload;
  const inner = decodeFields(payload.value ?? new Uint8Array(0));
  if (!inner.ok) return inner;
  if (member === FIELD.snapshotSent) return ok({ t: "snapshotSent" });
  if (member === FIELD.add) return decodeAdd(inner.value);
  const isDel = member === FIELD.del;
  const uid = stringField(inner.value, isDel ? DEL_UID : KEEP_UID, "uid");
  if (!uid.ok) return uid;
  if (uid.value === "") return bad("uid is empty");
  return ok({ t: isDel ? "del" : "keep", uid: uid.value });
}

function decodeAdd(fields: readonly Field[]): Result<WorkloadRequest> {
  const uid = stringField(fields, ADD_UID, "uid");
  if (!uid.ok) return uid;
  if (uid.value === "") return bad("uid is empty");
  const bytes = messageField(fields, ADD_INFO, "workload_info");
  if (!bytes.ok) return bytes;
  if (bytes.value === null) return ok({ t: "add", uid: uid.value, info: null });
  const inner = decodeFields(bytes.value);
  if (!inner.ok) return inner;
  const name = stringField(inner.value, 1, "name");
  if (!name.ok) return name;
  const namespace = stringField(inner.value, 2, "namespace");
  if (!namespace.ok) return namespace;
  const account = stringField(inner.value, 3, "service_account");
  if (!account.ok) return account;
  const info = { name: name.value, namespace: namespace.value, serviceAccount: account.value };
  return ok({ t: "add", uid: uid.value, info });
}

/** Room for the text of a refusal: what is over is cut, so that an answer always fits. */
const MAX_ERROR_BYTES = 900;

/** An error text that is too long for the wire is cut. */
export function encodeWorkloadResponse(response: WorkloadResponse): Uint8Array {
  return sized(bytesOf(1, stringOf(1, cut(response.error))));
}

function cut(text: string): string {
  if (new TextEncoder().encode(text).length <= MAX_ERROR_BYTES) return text;
  // At most four bytes per code point, so this is short enough whatever it holds.
  return [...text].slice(0, MAX_ERROR_BYTES / 4).join("");
}

/** Unknown fields are skipped. Never throws. */
export function decodeWorkloadResponse(bytes: Uint8Array): Result<WorkloadResponse> {
  const fields = checked(bytes);
  if (!fields.ok) return fields;
  const ack = messageField(fields.value, 1, "ack");
  if (!ack.ok) return ack;
  if (ack.value === null) return bad("it has no payload");
  const inner = decodeFields(ack.value);
  if (!inner.ok) return inner;
  const error = stringField(inner.value, 1, "error");
  return error.ok ? ok({ t: "ack", error: error.value }) : error;
}
