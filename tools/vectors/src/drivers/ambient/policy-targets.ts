import { Graph } from "@lateen/collections";
import { type MeshModel, meshInputs, meshModel, modelOptions, putObject, keyInKind } from "@lateen/translation";
import { object } from "../../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteFile,
  type VectorCase,
  type Verdict,
  compare,
} from "../../suite-driver.ts";
import { readObject } from "./objects.ts";

/** What the source's cluster holds before its first case: a namespace that is behind a waypoint. */
const BEFORE: readonly JsonObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "ns1", labels: { "istio.io/use-waypoint": "waypoint" } } },
  {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name: "waypoint", namespace: "ns1" },
    spec: { gatewayClassName: "istio-waypoint", listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
    status: { addresses: [{ type: "Hostname", value: "waypoint.ns1.svc.cluster.local" }] },
  },
];

const list = (x: Json | undefined): readonly JsonObject[] => ((x ?? []) as readonly Json[]).map(object);

/** Objects of this case and of those before it in the file. */
function clusterOf(c: VectorCase, file: SuiteFile): readonly JsonObject[] {
  const all = list(file.raw["cases"]).filter((x) => object(x["input"])["clusterObjects"] !== undefined);
  const at = all.findIndex((x) => x["name"] === c.name);
  return all.slice(0, at + 1).flatMap((x) => list(object(x["input"])["clusterObjects"]));
}

function modelOf(objects: readonly JsonObject[]): MeshModel {
  const graph = new Graph();
  const inputs = meshInputs(graph);
  const model = meshModel(graph, inputs, modelOptions());
  graph.update(() => objects.forEach((o) => putObject(inputs, readObject(o))));
  return model;
}

/** What came of each target that a policy names; texts are the peer's own. */
export function policyTargets(c: VectorCase, file: SuiteFile): Verdict {
  const policy = object(c.input["policy"]);
  const model = modelOf([...BEFORE, ...clusterOf(c, file), policy]);
  const { metadata, kind } = readObject(policy);
  const report = model.policyReports.get(keyInKind({ kind, metadata }));
  const got = (report?.targets ?? []).map(({ target, reason, bound }) => ({ ancestor: target, reason, bound }));
  const wanted = list(object(c.expected)["conditions"]).map(({ ancestor, status, bound }) => ({
    ancestor,
    reason: object(status)["reason"],
    bound,
  }));
  return compare(got, wanted);
}
