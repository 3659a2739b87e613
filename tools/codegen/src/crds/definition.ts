import type { CustomKind } from "@lateen/resources";
import { type Schema, structuralSchema } from "./structural-schema.ts";

const text: Schema = { type: "string" };
const time: Schema = { type: "string", format: "date-time" };
const revision: Schema = { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] };

/** What controllers write. Conditions are entries of their own, so that several writers do not take away each other's. */
const condition: Schema = {
  type: "object",
  properties: {
    lastProbeTime: time,
    lastTransitionTime: time,
    message: text,
    observedGeneration: revision,
    reason: text,
    status: text,
    type: text,
  },
  required: ["type"],
};
const message: Schema = {
  type: "object",
  properties: {
    documentationUrl: text,
    level: { type: "string", enum: ["UNKNOWN", "ERROR", "WARNING", "INFO"] },
    type: { type: "object", properties: { code: text, name: text } },
  },
};
const status: Schema = {
  type: "object",
  "x-kubernetes-preserve-unknown-fields": true,
  properties: {
    conditions: {
      type: "array",
      items: condition,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
    },
    observedGeneration: revision,
    validationMessages: { type: "array", items: message },
  },
};

/**
 * The CustomResourceDefinition of a kind.
 * @see control-plane 7.1, cli-and-chart 5.12
 */
export function definitionOf(kind: string, custom: CustomKind): Schema {
  const { group, plural, versions, columns } = custom;
  const schema: Schema = {
    type: "object",
    description: `${custom.about}.`,
    properties: { spec: structuralSchema(custom.spec), status },
    ...(custom.needsSpec ? { required: ["spec"] } : {}),
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      labels: { app: "istio-pilot" },
      // Removing the chart must not remove everybody's objects.
      annotations: { "helm.sh/resource-policy": "keep" },
    },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(custom.shortName === undefined ? {} : { shortNames: [custom.shortName] }),
        categories: ["istio-io", `${group.split(".")[0] ?? ""}-istio-io`],
      },
      scope: "Namespaced",
      versions: versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        ...(columns.length === 0 ? {} : { additionalPrinterColumns: columns }),
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
      })),
    },
  };
}
