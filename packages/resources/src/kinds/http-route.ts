import { z } from "zod";
import { keyword, oneof } from "../crd/rule.ts";
import { duration, flag, int32, maybe, uint32, word, wordMap, words } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";

export const stringMatch = oneof(z.strictObject({ exact: word, prefix: word, regex: word }), [
  "exact",
  "prefix",
  "regex",
]);
export type StringMatch = z.output<typeof stringMatch>;
const matches = z.record(text, stringMatch).optional();

const httpMatch = z.strictObject({
  name: word,
  uri: stringMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: matches,
  port: uint32.optional(),
  sourceLabels: wordMap,
  gateways: words,
  queryParams: matches,
  ignoreUriCase: flag,
  withoutHeaders: matches,
  sourceNamespace: word,
  statPrefix: word,
});
export type HttpMatch = z.output<typeof httpMatch>;

export const destination = z.strictObject({
  host: text,
  subset: word,
  port: z.strictObject({ number: uint32.optional() }).optional(),
});
export type Destination = z.output<typeof destination>;

const headerOperations = z.strictObject({ set: wordMap, add: wordMap, remove: words });
export type HeaderOperations = z.output<typeof headerOperations>;
const headers = z.strictObject({ request: headerOperations.optional(), response: headerOperations.optional() });
export type Headers = z.output<typeof headers>;

/** Parts of a hundred. */
const percentage = z.strictObject({ value: z.number().optional() });
export type Percentage = z.output<typeof percentage>;

export const httpRedirect = oneof(
  z.strictObject({
    uri: word,
    prefixRewrite: word,
    authority: word,
    port: uint32.optional(),
    derivePort: z.enum(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]).optional(),
    scheme: word,
    redirectCode: uint32.optional(),
  }),
  ["port", "derivePort"],
);
export type HttpRedirect = z.output<typeof httpRedirect>;

/** As large as the object itself may be. */
const wholeText = z.string().optional();
const base64 = keyword(z.string(), {
  schema: { format: "byte" },
  message: "is not base64",
  holds: (b) => /^[-A-Za-z0-9+/_]*={0,2}$/.test(b),
});
const directResponse = z.strictObject({
  status: uint32,
  body: oneof(z.strictObject({ string: wholeText, bytes: base64.optional() }), ["string", "bytes"]).optional(),
});
export type DirectResponse = z.output<typeof directResponse>;

const rewrite = z.strictObject({
  uri: word,
  authority: word,
  uriRegexRewrite: z.strictObject({ match: word, rewrite: word }).optional(),
});
export type HttpRewrite = z.output<typeof rewrite>;

const abort = oneof(
  z.strictObject({
    httpStatus: int32.optional(),
    grpcStatus: word,
    http2Error: word,
    percentage: percentage.optional(),
  }),
  ["httpStatus", "grpcStatus", "http2Error"],
);
const delay = oneof(
  z.strictObject({
    percent: int32.optional(),
    fixedDelay: duration.optional(),
    exponentialDelay: duration.optional(),
    percentage: percentage.optional(),
  }),
  ["fixedDelay", "exponentialDelay"],
);
const fault = z.strictObject({ abort: abort.optional(), delay: delay.optional() });
export type HttpFault = z.output<typeof fault>;

export const httpRetry = z.strictObject({
  attempts: int32.optional(),
  perTryTimeout: duration.optional(),
  retryOn: word,
  retryRemoteLocalities: maybe(z.boolean()),
  retryIgnorePreviousHosts: maybe(z.boolean()),
  backoff: duration.optional(),
});
export type HttpRetry = z.output<typeof httpRetry>;

const corsPolicy = z.strictObject({
  allowOrigin: words,
  allowOrigins: list(stringMatch).optional(),
  allowMethods: words,
  allowHeaders: words,
  exposeHeaders: words,
  maxAge: duration.optional(),
  allowCredentials: maybe(z.boolean()),
  unmatchedPreflights: z.enum(["UNSPECIFIED", "FORWARD", "IGNORE"]).optional(),
});
export type CorsPolicy = z.output<typeof corsPolicy>;

const httpDestination = z.strictObject({ destination, weight: int32.optional(), headers: headers.optional() });

export const httpRoute = z.strictObject({
  name: word,
  /** An entry that is null matches nothing and is passed over. */
  match: list(httpMatch.nullable()).optional(),
  route: list(httpDestination).optional(),
  redirect: httpRedirect.optional(),
  directResponse: directResponse.optional(),
  delegate: z.strictObject({ name: word, namespace: word }).optional(),
  rewrite: rewrite.optional(),
  timeout: duration.optional(),
  retries: httpRetry.optional(),
  fault: fault.optional(),
  mirror: destination.optional(),
  mirrors: list(z.strictObject({ destination, percentage: percentage.optional() })).optional(),
  mirrorPercent: maybe(uint32),
  mirror_percent: maybe(uint32),
  mirrorPercentage: percentage.optional(),
  corsPolicy: corsPolicy.optional(),
  headers: headers.optional(),
});
export type HttpRoute = z.output<typeof httpRoute>;
