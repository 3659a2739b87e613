import { type Result, fail, ok } from "@lateen/errors";
import type { ApiClient } from "./api-client.ts";
import type { ApiFailure } from "./api-failure.ts";
import { malformed } from "./api-failure.ts";
import { type ApiResource, type ObjectRef, apiPath, apiVersionOf } from "./api-resource.ts";

/** An object to be written: exactly the fields that its writer owns. */
export interface WrittenObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** A write fails with 409 when the object is at another version. */
    readonly resourceVersion?: string;
    readonly ownerReferences?: readonly OwnerReference[];
  };
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** One kind at one server, for writers. */
export interface ObjectAccess {
  get(at: ObjectRef, o?: CallOptions): Promise<Result<unknown, ApiFailure>>;
  create(object: WrittenObject, o?: WriteOptions): Promise<Result<unknown, ApiFailure>>;
  /** Replaces the whole object. */
  replace(object: WrittenObject, o?: WriteOptions): Promise<Result<unknown, ApiFailure>>;
  remove(at: ObjectRef, o?: CallOptions): Promise<Result<unknown, ApiFailure>>;
  /**
   * Server-side apply: makes the object what `object` says of it, creating it if need be, and takes its fields over from other
   * owners. Fields that this owner applied before and that `object` lacks are removed.
   */
  apply(object: WrittenObject, o: ApplyOptions): Promise<Result<unknown, ApiFailure>>;
  /** JSON Patch (RFC 6902): all of it or, when a `test` fails (422), nothing. */
  patch(at: ObjectRef, operations: readonly PatchOperation[], o: ApplyOptions): Promise<Result<unknown, ApiFailure>>;
}

/** One step of a JSON Patch. */
export interface PatchOperation {
  readonly op: "test" | "add" | "replace" | "remove";
  /** JSON Pointer. */
  readonly path: string;
  readonly value?: unknown;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** 30 s by default. */
  readonly deadlineMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** Field manager. */
  readonly owner?: string;
}

export interface ApplyOptions extends CallOptions {
  /** Field manager. */
  readonly owner: string;
  readonly subresource?: "status";
}

/** What says where an object is: as it is written, or as it was read. */
type Placed = Pick<WrittenObject, "apiVersion"> & {
  readonly metadata: { readonly name: string; readonly namespace?: string };
};

/** The path of an object, in the version that it is written in. */
export function objectPath(
  resource: ApiResource,
  { apiVersion, metadata: { namespace = "", name } }: Placed,
  more: { readonly subresource?: string } = {},
): string {
  return apiPath(resource, versionIn(apiVersion), { namespace, name, ...more });
}

/** The path of the collection that an object is in, or is to be created in. */
export function collectionPath(resource: ApiResource, { apiVersion, metadata: { namespace = "" } }: Placed): string {
  return apiPath(resource, versionIn(apiVersion), { namespace });
}

/**
 * Reads and writes objects of one kind.
 * @see Kubernetes, "Server-Side Apply"
 */
export function objectAccess(client: ApiClient, resource: ApiResource): ObjectAccess {
  const version = resource.versions[0]!;
  return {
    get: (ref, o = {}) => client.json({ path: apiPath(resource, version, ref), ...o }),
    remove: (ref, o = {}) => client.json({ method: "DELETE", path: apiPath(resource, version, ref), ...o }),
    create(object, { owner, ...o } = {}) {
      const path = collectionPath(resource, object);
      return client.json({ ...o, method: "POST", path, body: object, query: { fieldManager: owner } });
    },
    replace: (object, { owner, ...o } = {}) =>
      client.json({
        ...o,
        method: "PUT",
        path: objectPath(resource, object),
        body: object,
        query: { fieldManager: owner },
      }),
    apply: (object, { owner, subresource, ...o }) =>
      client.json({
        ...o,
        method: "PATCH",
        path: objectPath(resource, object, subresource === undefined ? {} : { subresource }),
        query: { fieldManager: owner, force: "true" },
        body: object,
        contentType: "application/apply-patch+yaml",
      }),
    patch: (ref, operations, { owner, subresource, ...o }) =>
      client.json({
        ...o,
        method: "PATCH",
        path: apiPath(resource, version, subresource === undefined ? ref : { ...ref, subresource }),
        query: { fieldManager: owner },
        body: operations,
        contentType: "application/json-patch+json",
      }),
  };
}

const versionIn = (apiVersion: string): string => apiVersion.slice(apiVersion.indexOf("/") + 1);

/** The group and version of a kind that an object is written in. */
export const writtenAs = (resource: ApiResource): { readonly apiVersion: string; readonly kind: string } => ({
  apiVersion: apiVersionOf(resource, resource.versions[0]!),
  kind: resource.kind,
});

/** What an answer says its version is; every object has one. */
export function resourceVersionOf(object: unknown): Result<string, ApiFailure> {
  const { metadata } = object as { readonly metadata?: { readonly resourceVersion?: unknown } };
  const version = metadata?.resourceVersion;
  return typeof version === "string" ? ok(version) : fail(malformed("the object has no version"));
}

const core = (kind: string, plural: string): ApiResource => ({
  group: "",
  versions: ["v1"],
  plural,
  kind,
  scope: "namespaced",
});

/** Kinds that are written and not part of the mesh's model. */
export const CONFIG_MAPS = core("ConfigMap", "configmaps");
export const SECRETS = core("Secret", "secrets");
export const SERVICES = core("Service", "services");
export const LEASES: ApiResource = {
  group: "coordination.k8s.io",
  versions: ["v1"],
  plural: "leases",
  kind: "Lease",
  scope: "namespaced",
};
export const VALIDATING_WEBHOOKS: ApiResource = {
  group: "admissionregistration.k8s.io",
  versions: ["v1"],
  plural: "validatingwebhookconfigurations",
  kind: "ValidatingWebhookConfiguration",
  scope: "cluster",
};
export const MUTATING_WEBHOOKS: ApiResource = {
  ...VALIDATING_WEBHOOKS,
  plural: "mutatingwebhookconfigurations",
  kind: "MutatingWebhookConfiguration",
};
export const CUSTOM_RESOURCE_DEFINITIONS: ApiResource = {
  group: "apiextensions.k8s.io",
  versions: ["v1"],
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  scope: "cluster",
};
