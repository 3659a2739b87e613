import type { FieldProblem } from "@lateen/resources";
import { formatReview } from "./format-review.ts";
import { isKnownKind, validateObject } from "./validate-object.ts";

/** What became of a review, for whoever counts. */
export interface ReviewedAdmission {
  /** The AdmissionReview that is the answer. */
  readonly reply: unknown;
  readonly allowed: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Why it was refused; empty when it was not. */
  readonly reason: "" | "unsupported_operation" | "unknown_type" | "invalid_resource";
}

const API_VERSION = "admission.k8s.io/v1";
/** kubectl shows each on a line of its own; the API server cuts what is longer. */
const MAX_WARNING_CHARS = 250;
const MAX_WARNINGS = 20;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Answers an AdmissionReview: objects that are made or changed are checked as `validateObject` has it, everything else is let
 * through. Pure.
 * @returns null when it is no AdmissionReview of v1 that holds a request
 * @see control-plane 7.2
 */
export function reviewAdmission(body: unknown): ReviewedAdmission | null {
  const review = fields(body);
  const request = fields(review["request"]);
  const uid = request["uid"];
  if (review["apiVersion"] !== API_VERSION || review["kind"] !== "AdmissionReview") return null;
  if (typeof uid !== "string" || uid === "" || uid.length > 256) return null;
  const of = fields(request["resource"]);
  const about = { group: text(of["group"]), version: text(of["version"]), resource: text(of["resource"]) };
  const operation = request["operation"];
  const changes = operation === "CREATE" || operation === "UPDATE";
  if (!changes || text(request["subResource"]) !== "")
    return { ...about, ...answer(uid, { allowed: true, warnings: [] }), reason: "" };
  const { errors, warnings } = validateObject(withNamespace(request));
  if (errors.length === 0) return { ...about, ...answer(uid, { allowed: true, warnings }), reason: "" };
  const reason = isKnownKind(request["object"]) ? "invalid_resource" : "unknown_type";
  return { ...about, ...answer(uid, { allowed: false, errors }), reason };
}

const fields = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const text = (value: unknown): string => (typeof value === "string" ? value.slice(0, 253) : "");

/** The object, which may leave its namespace to the request. */
function withNamespace(request: Fields): unknown {
  const object = request["object"];
  const metadata = fields(fields(object)["metadata"]);
  if (metadata["namespace"] !== undefined || text(request["namespace"]) === "") return object;
  return { ...fields(object), metadata: { ...metadata, namespace: text(request["namespace"]) } };
}

type Verdict =
  | { readonly allowed: true; readonly warnings: readonly FieldProblem[] }
  | { readonly allowed: false; readonly errors: readonly FieldProblem[] };

function answer(uid: string, verdict: Verdict): { readonly reply: unknown; readonly allowed: boolean } {
  const said = verdict.allowed
    ? warningsOf(verdict.warnings)
    : { status: { message: `configuration is invalid: ${listed(formatReview(verdict.errors))}`, code: 400 } };
  const response = { uid, allowed: verdict.allowed, ...said };
  return { allowed: verdict.allowed, reply: { apiVersion: API_VERSION, kind: "AdmissionReview", response } };
}

function warningsOf(problems: readonly FieldProblem[]): { readonly warnings?: readonly string[] } {
  const lines = formatReview(problems).slice(0, MAX_WARNINGS);
  const cut = lines.map((l) => (l.length > MAX_WARNING_CHARS ? `${l.slice(0, MAX_WARNING_CHARS - 1)}…` : l));
  return cut.length === 0 ? {} : { warnings: cut };
}

/** One as it is, several as a list, in the form that Istio's users know. */
function listed(lines: readonly string[]): string {
  if (lines.length === 1) return lines[0] ?? "";
  return `${lines.length} errors occurred:\n${lines.map((line) => `\t* ${line}\n`).join("")}`;
}
