import { z } from "zod";
import { keyedBy, keyword, oneof, onlyOneOf, rule } from "../crd/rule.ts";
import {
  ATTACHMENTS,
  anyObject,
  int32,
  maybe,
  onlyOneAttachment,
  targetRef,
  targetRefs,
  word,
  workloadSelector,
} from "../istio-fields.ts";
import { list } from "../metadata.ts";

// WasmPlugin, and TrafficExtension, which takes its place and knows Lua too.

const MAX_CODE = 65_536;
const SCHEMES = "['', 'http', 'https', 'file', 'oci']";
const url = rule(z.string().min(1).max(65_536), {
  cel: `isURL(self) ? url(self).getScheme() in ${SCHEMES} : isURL('http://' + self)`,
  message: "url must have schema one of [http, https, file, oci]",
  holds: isModuleUrl,
});

const CHARACTERS = /^[-A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%]+$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/** A URL of one of these schemes, or what is one with `http://` before it. */
function isModuleUrl(text: string): boolean {
  if (!CHARACTERS.test(text) || BAD_ESCAPE.test(text)) return false;
  const scheme = /^([A-Za-z][-+.A-Za-z0-9]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return ["http", "https", "file", "oci"].includes(scheme);
  return !/^[/?#]/.test(text) || text.startsWith("/");
}

const env = rule(
  z.strictObject({
    name: z.string().min(1).max(256),
    valueFrom: z.enum(["INLINE", "HOST"]).optional(),
    value: z.string().max(2_048).optional(),
  }),
  {
    cel: "!has(self.valueFrom) || self.valueFrom != 'HOST' || !has(self.value)",
    message: "value may only be set when valueFrom is INLINE",
    holds: (e) => e.valueFrom !== "HOST" || e.value === undefined,
  },
);
const wasm = {
  url,
  sha256: z
    .string()
    .regex(/(^$|^[a-f0-9]{64}$)/, "is not a SHA-256: 64 digits of 0-9 and a-f")
    .optional(),
  imagePullPolicy: z.enum(["UNSPECIFIED_POLICY", "IfNotPresent", "Always"]).optional(),
  imagePullSecret: z.string().min(1).max(253).optional(),
  verificationKey: word,
  pluginConfig: anyObject.optional(),
  pluginName: z.string().min(1).max(256).optional(),
  failStrategy: z.enum(["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]).optional(),
  vmConfig: z.strictObject({ env: keyedBy(z.array(env).max(256), "name").optional() }).optional(),
  type: z.enum(["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]).optional(),
};
const traffic = z.strictObject({
  mode: z.enum(["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"]).optional(),
  ports: keyedBy(list(z.strictObject({ number: z.number().int().min(1).max(65_535) })), "number").optional(),
});

export const wasmPluginSpec = onlyOneAttachment(
  z.strictObject({
    selector: workloadSelector.optional(),
    targetRef: targetRef.optional(),
    targetRefs: targetRefs.optional(),
    ...wasm,
    phase: z.enum(["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"]).optional(),
    priority: maybe(int32),
    match: list(traffic).optional(),
  }),
  ATTACHMENTS,
);
export type WasmPluginSpec = z.output<typeof wasmPluginSpec>;

const code = keyword(z.string().min(1), {
  schema: { maxLength: MAX_CODE },
  message: "is longer than 64 KiB",
  holds: (c) => c.length <= MAX_CODE,
});
const extension = oneof(
  z.strictObject({
    selector: workloadSelector.optional(),
    targetRefs: targetRefs.optional(),
    wasm: z.strictObject(wasm).optional(),
    lua: z.strictObject({ inlineCode: code }).optional(),
    phase: z.enum(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]).optional(),
    priority: maybe(int32),
    match: list(traffic).optional(),
  }),
  ["wasm", "lua"],
);
export const trafficExtensionSpec = rule(
  onlyOneOf(extension, ["selector", "targetRefs"], "only one of targetRefs or selector can be set"),
  {
    cel: "has(self.wasm) != has(self.lua)",
    message: "exactly one of wasm or lua must be set",
    holds: (s) => (s.wasm === undefined) !== (s.lua === undefined),
  },
);
export type TrafficExtensionSpec = z.output<typeof trafficExtensionSpec>;
