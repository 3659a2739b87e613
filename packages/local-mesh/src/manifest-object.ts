import { namespaceOf } from "@lateen/resources";

/** A Kubernetes object as its file has it, as far as every kind agrees. */
export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | null | undefined;
  readonly annotations?: Readonly<Record<string, string>> | null | undefined;
  readonly [key: string]: unknown;
}

/** Something wrong with an object, said so that its author finds the place. */
export interface PlanProblem {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** Path of the field, "" for the object as a whole. */
  readonly field: string;
  readonly message: string;
}

/** `Kind namespace/name`, as problems and listings show it. */
export function describeObject(object: ManifestObject): string {
  const namespace = namespaceOf(object);
  return `${object.kind} ${namespace === "" ? "" : `${namespace}/`}${object.metadata.name}`;
}

/** Without the fields that are null: to Kubernetes an empty `args:` says the same as none. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, v]) => v !== null);
  return Object.fromEntries(kept.map(([k, v]) => [k, withoutNulls(v)]));
}
