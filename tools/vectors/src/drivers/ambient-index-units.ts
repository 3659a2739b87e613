import { parseCidr } from "@lateen/addresses";
import type { AuthorizationPolicy, Gateway, GatewayClass, Resource } from "@lateen/resources";
import { convertAuthorizationPolicy, keyInKind } from "@lateen/translation";
import {
  type AllowedNamespaces,
  allowedNamespaces,
  canaryRef,
  canaryWeight,
  decideHost,
  inboundBinding,
  ingressUse,
  networkAddress,
  serviceScope,
} from "@lateen/translation/internal";
import { object, text } from "../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type SuiteFile,
  type VectorCase,
  type Verdict,
  compare,
  failed,
} from "../suite-driver.ts";
import { readObject } from "./ambient/objects.ts";
import { policyTargets } from "./ambient/policy-targets.ts";
import { sentService, sentWorkload, wantedService, wantedWorkload } from "./ambient/proto-view.ts";
import { meshConfig, serviceInfo, stageWorld } from "./ambient/stage-world.ts";

type Labels = Readonly<Record<string, string>>;
const labels = (x: Json | undefined): Labels => object(x ?? {}) as Labels;
const objects = (x: Json | undefined): readonly JsonObject[] => ((x ?? []) as readonly Json[]).map(object);

/** One rule of the product for each form of case, told by a field that only this form has. */
const FORMS: readonly (readonly [field: string, judge: (c: VectorCase, file: SuiteFile) => Verdict])[] = [
  ["clusterObjects", (c, file) => policyTargets(c, file)],
  ["policy", (c) => policyStatus(c)],
  ["subject", (c, file) => subject(c, file)],
  ["services", (c) => winners(c)],
  ["serviceLabels", (c) => ingress(c)],
  ["gateway", (c) => allowedRoutes(c)],
  ["objectNamespace", (c) => canary(c)],
  ["annotations", (c) => weight(c)],
  ["vip", (c) => address(c)],
  ["text", (c) => prefix(c)],
];

export const driver: SuiteDriver = {
  suite: "ambient-index-units",
  kindOf: (c) => c.name.split("/", 1)[0] ?? c.name,
  judge(c, file): Verdict {
    const form = FORMS.find(([field]) => Object.hasOwn(c.input, field));
    return form === undefined ? failed(Object.keys(c.input), "the form of the case is unknown") : form[1](c, file);
  },
};

/** One object within others: what the stages make of it. */
function subject(c: VectorCase, file: SuiteFile): Verdict {
  const expected = object(c.expected);
  const world = stageWorld(object(file.raw["env"]));
  const raw = object(c.input["subject"]);
  const mesh = c.input["meshConfig"];
  world.put([...objects(c.input["collections"]), ...(mesh == null ? [] : [object(mesh)]), raw]);
  const [what = ""] = Object.keys(expected);
  const { made } = world;
  const workloads = made.workloads.values().filter(isOf(readObject(raw)));
  switch (what) {
    case "workload":
      return compareOne(workloads.map(sentWorkload), expected["workload"], wantedWorkload);
    case "workloads":
      return compareAll(workloads.map(sentWorkload), objects(expected["workloads"]).map(wantedWorkload));
    case "service":
      return compareOne(
        made.infos.values().map((i) => sentService(i.service)),
        expected["service"],
        wantedService,
      );
    case "services":
      return compareAll(
        made.infos.values().map((i) => sentService(i.service)),
        objects(expected["services"]).map(wantedService),
      );
    case "conditions":
      return conditions(
        made.conditions.get(`${text(raw["kind"])}/${keyInKind(readObject(raw))}`)?.conditions ?? [],
        object(expected["conditions"]),
      );
    case "scope":
      return scope(c, expected["scope"]);
    default:
      return failed(what, "the expectation is of an unknown form");
  }
}

/** Whether a workload stems from the object: others of the case and of its environment are no part of the answer. */
function isOf({ kind, metadata }: Resource): (w: { readonly uid: string }) => boolean {
  const place = `/${kind}/${metadata.namespace ?? "default"}/${metadata.name}/`;
  return (w) => `${w.uid}/`.includes(place);
}

function compareOne(
  got: readonly unknown[],
  expected: Json | undefined,
  wanted: (json: JsonObject) => unknown,
): Verdict {
  return compareAll(got, expected == null ? [] : [wanted(object(expected))]);
}

/** In any order. */
function compareAll(got: readonly unknown[], wanted: readonly unknown[]): Verdict {
  const show = (list: readonly unknown[]): unknown =>
    list.map((x) => JSON.stringify(x, (_, v: unknown) => (v instanceof Map ? [...v] : v))).sort();
  return compare(show(got), show(wanted));
}

function conditions(
  got: readonly { readonly type: string; readonly status: string; readonly reason: string }[],
  expected: JsonObject,
): Verdict {
  const wanted = Object.entries(expected).flatMap(([type, value]) => {
    if (value === null) return [];
    const { status, reason } = object(value);
    return [{ type, status: status === true ? "True" : "False", reason }];
  });
  return compareAll(
    got.map(({ type, status, reason }) => ({ type, status, reason })),
    wanted,
  );
}

function scope(c: VectorCase, expected: Json | undefined): Verdict {
  const mesh = meshConfig(object(object(object(c.input["meshConfig"])["meshConfig"])["value"] ?? {}));
  const { metadata } = readObject(object(c.input["subject"]));
  const namespace = objects(c.input["collections"]).find((o) => o["kind"] === "Namespace");
  const namespaceLabels = namespace === undefined ? {} : labels(object(namespace["metadata"])["labels"]);
  return compare(serviceScope(mesh, metadata.labels ?? {}, namespaceLabels), expected);
}

function policyStatus(c: VectorCase): Verdict {
  // Some of these are policies that admission would refuse: they are looked at as they stand.
  const raw = object(c.input["policy"]);
  const policy = { ...raw, metadata: raw["metadata"] ?? { name: "unnamed" } } as unknown as AuthorizationPolicy;
  const rootNamespace = text(c.input["rootNamespace"]);
  const { status } = convertAuthorizationPolicy(policy, { rootNamespace, dryRun: false, httpOnlyDeny: "enforce" });
  const expected = object(c.expected)["status"];
  // The source says nothing of what is accepted, and nothing of what is for waypoints.
  const reason = status === "UnsupportedValue" ? status : null;
  return compare(reason, expected == null ? null : object(expected)["reason"]);
}

function winners(c: VectorCase): Verdict {
  const rivals = objects(c.input["services"]).map((s) =>
    serviceInfo(object(object(object(s["value"])["serviceInfo"])["value"])),
  );
  const { winners: won } = decideHost(rivals);
  const canonical = won.find((i) => i.service.canonical)?.service.name ?? "";
  return compare(
    { winnerPerNamespace: Object.fromEntries(won.map((i) => [i.service.namespace, i.service.name])), canonical },
    c.expected,
  );
}

function ingress(c: VectorCase): Verdict {
  const { said, useWaypoint } = ingressUse(labels(c.input["serviceLabels"]), labels(c.input["namespaceLabels"]));
  return compare({ useWaypoint, labelPresent: said }, c.expected);
}

function allowedRoutes(c: VectorCase): Verdict {
  const gateway = readObject(object(c.input["gateway"])) as Gateway;
  const raw = c.input["gatewayClass"];
  const gatewayClass = raw == null ? undefined : (readObject(object(raw)) as GatewayClass);
  const got = allowedNamespaces(gateway, inboundBinding(gateway, gatewayClass));
  const { fromNamespaces, selector } = object(object(c.expected)["allowedRoutes"]);
  if (got.from !== fromNamespaces) return failed(got);
  return compare(selectorText(got), fromNamespaces === "Selector" ? JSON.stringify(selector) : "");
}

const selectorText = (a: AllowedNamespaces): string => {
  if (a.from !== "Selector" || a.selector === null) return "";
  const { matchLabels, matchExpressions } = a.selector;
  return JSON.stringify({ matchLabels, matchExpressions });
};

function canary(c: VectorCase): Verdict {
  const got = canaryRef(
    labels(c.input["labels"]),
    labels(c.input["namespaceLabels"]),
    text(c.input["objectNamespace"]),
  );
  return compare(got, object(c.expected)["canaryWaypoint"] ?? null);
}

function weight(c: VectorCase): Verdict {
  const got = canaryWeight(labels(c.input["annotations"]), labels(c.input["namespaceAnnotations"]));
  return compare({ weight: got ?? 0, valid: got !== null }, c.expected);
}

function address(c: VectorCase): Verdict {
  const got = networkAddress(text(c.input["vip"]), text(c.input["network"]));
  const wanted = object(c.expected)["networkAddress"];
  const shown = got && {
    network: got.network,
    address: got.ip,
    ...(got.length === null ? {} : { length: got.length }),
  };
  return compare(shown, wanted ?? null);
}

function prefix(c: VectorCase): Verdict {
  const got = parseCidr(text(c.input["text"]));
  const wanted = object(c.expected)["prefix"];
  if (typeof wanted !== "string") return compare(got.ok, false);
  const same = parseCidr(wanted);
  return compare(got.ok ? got.value : null, same.ok ? same.value : undefined);
}
