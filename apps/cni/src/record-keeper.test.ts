import { eventually } from "@lateen/testkit";
import { expect, test } from "vitest";
import type { EnrolledRecord, RecordEntry } from "./enrolled-record.ts";
import { RecordKeeper } from "./record-keeper.ts";

/** A record whose writes end when the test says so. */
class SlowRecord implements EnrolledRecord {
  readonly written: string[] = [];
  #release: (() => void) | null = null;
  atOnce = 0;

  read(): readonly RecordEntry[] {
    return [];
  }
  async write(entries: readonly RecordEntry[]): Promise<void> {
    this.atOnce += 1;
    expect(this.atOnce).toBe(1);
    await new Promise<void>((resolve) => (this.#release = resolve));
    this.atOnce -= 1;
    this.written.push(entries.map((e) => e.uid).join(" "));
  }
  get busy(): boolean {
    return this.#release !== null;
  }
  finish(): void {
    const release = this.#release;
    this.#release = null;
    release?.();
  }
}

const entry = (uid: string): RecordEntry => ({
  uid,
  name: uid,
  namespace: "n",
  serviceAccount: "s",
  netns: "/n",
  netnsId: "1:2",
  options: {
    form: "redirect",
    ipv6: true,
    dns: true,
    inbound: "capture",
    virtualInterfaces: [],
    probeSource: { ipv4: "169.254.7.127", ipv6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" },
  },
});

function kept(): { record: SlowRecord; pods: string[]; keeper: RecordKeeper } {
  const record = new SlowRecord();
  const pods: string[] = [];
  return { record, pods, keeper: new RecordKeeper(record, () => pods.map(entry)) };
}

test("what changed during a write is written after it, and only the last state of it", async () => {
  const { record, pods, keeper } = kept();
  pods.push("a");
  keeper.changed();
  await eventually(() => record.busy, { what: "the first write" });
  for (const uid of ["b", "c"]) {
    pods.push(uid);
    keeper.changed();
  }
  record.finish();
  await eventually(() => record.busy, { what: "the second write" });
  record.finish();
  await eventually(() => record.written.length === 2, { what: "its end" });
  expect(record.written).toEqual(["a", "a b c"]);
});

test("a change that comes to nothing is not written", async () => {
  const { record, pods, keeper } = kept();
  pods.push("a");
  const closed = keeper.close();
  await eventually(() => record.busy, { what: "the write" });
  record.finish();
  await closed;
  await keeper.close();
  expect(record.written).toEqual(["a"]);
});

test("the end waits for the write under way and puts what there is then after it", async () => {
  const { record, pods, keeper } = kept();
  pods.push("old");
  keeper.changed();
  await eventually(() => record.busy, { what: "the first write" });
  pods[0] = "new";
  const closed = keeper.close();
  record.finish();
  await eventually(() => record.busy, { what: "the last write" });
  record.finish();
  await closed;
  keeper.changed();
  expect(record.written).toEqual(["old", "new"]);
});
