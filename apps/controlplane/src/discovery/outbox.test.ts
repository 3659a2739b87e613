import { describe, expect, test } from "vitest";
import { Outbox } from "./outbox.ts";

class Rig {
  readonly outbox = new Outbox(10);
  readonly left: string[] = [];
  readonly done = new Map<string, () => void>();

  put(name: string, bytes: number): Disposable {
    const send = (done: () => void): void => {
      this.left.push(name);
      this.done.set(name, done);
    };
    return this.outbox.put({ bytes, send });
  }
}

describe("the outbox", () => {
  test("lets leave what fits, and the rest in turn", () => {
    const rig = new Rig();
    for (const [name, bytes] of [["a", 6], ["b", 4], ["c", 1], ["d", 9]] as const) rig.put(name, bytes); // prettier-ignore
    expect([rig.left, rig.outbox.bytes, rig.outbox.waiting]).toEqual([["a", "b"], 10, 2]);
    rig.done.get("a")!();
    expect(rig.left).toEqual(["a", "b", "c"]);
    rig.done.get("b")!();
    rig.done.get("b")!();
    expect([rig.left, rig.outbox.bytes]).toEqual([["a", "b", "c", "d"], 10]);
  });

  test("lets leave what is larger than everything when nothing else is leaving", () => {
    const rig = new Rig();
    rig.put("huge", 100);
    rig.put("small", 1);
    expect(rig.left).toEqual(["huge"]);
    rig.done.get("huge")!();
    expect(rig.left).toEqual(["huge", "small"]);
  });

  test("forgets what was given up, waiting or leaving", () => {
    const rig = new Rig();
    const [stuck, waiting] = [rig.put("stuck", 10), rig.put("waiting", 5)];
    rig.put("last", 10);
    waiting[Symbol.dispose]();
    stuck[Symbol.dispose]();
    expect([rig.left, rig.outbox.bytes, rig.outbox.waiting]).toEqual([["stuck", "last"], 10, 0]);
  });
});
