import { isDeepStrictEqual } from "node:util";
import type { DeltaDiscoveryResponse } from "@lateen/xds-types";
import { object, texts } from "../read-json.ts";
import { type Step, judgeSteps } from "../scenario-steps.ts";
import type { Json, JsonObject, SuiteDriver, VectorCase, Verdict } from "../suite-driver.ts";
import type { DeltaStream } from "./xds/delta-client.ts";
import { XdsWorld } from "./xds/xds-world.ts";

const sorted = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort();

function streamOf(world: XdsWorld): DeltaStream {
  if (world.stream === null) throw new Error("no client is connected");
  return world.stream;
}

const STEPS: Readonly<Record<string, Step<XdsWorld>>> = {
  section: () => null,
  connect: (world, s) => (world.connect(s), null),
  disconnect: (world) => (world.disconnect(), null),
  request: (world, s) => (streamOf(world).request(s, world.saved), null),
  apply: (world, s) => (world.apply(object(s["object"])), null),
  delete: (world, s) => (world.remove(s), null),
  touch: (world, s) => (world.touch(s), null),
  expectResponse,
  expectNoResponse: (world) => {
    const response = streamOf(world).next();
    return response === null ? null : { sent: namesOf(response), removed: response.removedResources };
  },
};

const namesOf = (response: DeltaDiscoveryResponse): readonly string[] => response.resources.map((r) => r.name);

function expectResponse(world: XdsWorld, step: JsonObject): unknown {
  const had = new Map(streamOf(world).held);
  const response = streamOf(world).next();
  const resources = response?.resources ?? [];
  const wanted = texts(step["resources"] ?? []);
  const told = repeated(
    world,
    resources.map((r) => r.name),
    { wanted, had },
  );
  if (response === null && told.length === 0) return "no response";
  const got = {
    resources: sorted([...resources.map((r) => r.name), ...told]),
    removed: sorted(response?.removedResources ?? []),
  };
  const want = { resources: sorted(wanted), removed: sorted(texts(step["removedResources"] ?? [])) };
  if (!isDeepStrictEqual(got, want)) return { got, want };
  if (step["saveVersions"] === true) for (const { name, version } of resources) world.saved.set(name, version);
  const bare = step["everyResourceHasVersion"] === true ? resources.filter((r) => r.version === "") : [];
  return bare.length === 0 ? null : { withoutVersion: bare.map((r) => r.name) };
}

/**
 * The source sends the workloads of a changed service again, and a policy of which only the selector changed, even if they are as
 * they were. The product does not send what its client has; here that counts as told.
 */
function repeated(
  world: XdsWorld,
  names: readonly string[],
  o: { readonly wanted: readonly string[]; readonly had: ReadonlyMap<string, string> },
): readonly string[] {
  return [...world.membersOf(names), ...(world.rewritten === null ? [] : [world.rewritten])].filter(
    (name) => o.wanted.includes(name) && !names.includes(name) && o.had.get(name) === world.versionOf(name),
  );
}

function run(c: VectorCase): Verdict {
  const world = new XdsWorld();
  for (const initial of (c.input["initialObjects"] ?? []) as readonly Json[]) world.apply(object(initial));
  return judgeSteps(c, { steps: STEPS, world: () => world });
}

export const driver: SuiteDriver = {
  suite: "xds-workload-scenarios",
  kindOf: () => "scenario",
  judge: run,
};
