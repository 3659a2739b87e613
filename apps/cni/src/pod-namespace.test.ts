import type { Netns } from "@lateen/linux";
import { type InPodOptions, defaultInPodOptions } from "@lateen/redirection";
import { expect, test } from "vitest";
import { PodNamespace } from "./pod-namespace.ts";

const applied: InPodOptions = { ...defaultInPodOptions, dns: false };
const planned: InPodOptions = { ...defaultInPodOptions, dns: true };

/** A namespace over a kernel that writes down what is asked of it. */
function over() {
  const seen: string[] = [];
  const say = (what: string, o: InPodOptions): void => void seen.push(`${what} ${o.dns ? "planned" : "applied"}`);
  const netns = (id: string): Netns => ({ fd: 0, id, [Symbol.dispose]: () => void seen.push(`closed ${id}`) });
  const rules = ({ id }: Netns) => {
    if (id === "refused") throw new Error("no more sockets");
    seen.push(`rules of ${id}`);
    return {
      apply: (o: InPodOptions) => say("apply", o),
      drift: (o: InPodOptions) => (say("drift", o), []),
      remove: (o: InPodOptions) => say("remove", o),
      [Symbol.dispose]: () => void seen.push(`closed rules of ${id}`),
    };
  };
  return { seen, netns, namespace: new PodNamespace({ rules }) };
}

test("another namespace takes the place of the one held, and what was applied is forgotten", () => {
  const { seen, netns, namespace } = over();
  namespace.hold(netns("a"), applied);
  namespace.hold(netns("b"), null);
  expect([namespace.netns?.id, namespace.applied]).toEqual(["b", null]);
  expect(seen).toEqual(["rules of a", "rules of b", "closed rules of a", "closed a"]);
});

test("one that cannot be taken over is closed, and the one held stays", () => {
  const { seen, netns, namespace } = over();
  namespace.hold(netns("a"), applied);
  expect(() => namespace.hold(netns("refused"), null)).toThrow("no more sockets");
  expect([namespace.netns?.id, namespace.applied]).toEqual(["a", applied]);
  expect(seen).toEqual(["rules of a", "closed refused"]);
});

test("rules are compared with and removed by what was applied, else by the plan", () => {
  const { seen, netns, namespace } = over();
  namespace.hold(netns("a"), applied);
  namespace.drift(planned);
  namespace.remove(planned);
  namespace.drift(planned);
  namespace.remove(planned);
  expect(seen.slice(1)).toEqual(["drift applied", "remove applied", "drift planned", "remove planned"]);
});

test("what is about to be written is known before it is, and after the namespace was let go of", () => {
  const { seen, netns, namespace } = over();
  namespace.hold(netns("a"), null);
  namespace.plan(applied);
  expect([namespace.applied, seen.slice(1)]).toEqual([applied, []]);
  namespace.apply(applied);
  namespace.letGo();
  namespace.letGo();
  expect([namespace.netns, namespace.applied]).toEqual([null, applied]);
  expect(seen.slice(1)).toEqual(["apply applied", "closed rules of a", "closed a"]);
});

test("nothing is done in a namespace that is not held", () => {
  const { seen, namespace } = over();
  for (const use of [() => namespace.opened(), () => namespace.apply(applied), () => namespace.drift(planned)])
    expect(use).toThrow("the pod's namespace is not open");
  namespace.remove(planned);
  expect(seen).toEqual([]);
});
