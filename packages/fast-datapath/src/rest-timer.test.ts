import { Memory } from "@lateen/linux";
import { recordPorts } from "@lateen/tls-handshake";
import { OutputBlock, type RecordPorts, TlsRecords, outputBytes } from "@lateen/tls-records";
import { expect, test } from "vitest";
import type { Loop } from "./loop.ts";
import { RestTimer } from "./rest-timer.ts";

/** A loop whose only timer goes off when the test says so, and records that count their ciphers. */
function rig() {
  let due: (() => void) | null = null;
  let ciphers = 0;
  const loop = {
    restAfterMs: 1,
    after(_ms: number, run: () => void) {
      due = run;
      return () => (due = null);
    },
  } as unknown as Loop;
  const ports: RecordPorts<Memory> = {
    hmac: recordPorts.hmac,
    cipher: (o) => {
      const made = recordPorts.cipher(o);
      ciphers += 1;
      return Object.assign(made, { free: () => void (ciphers -= 1) });
    },
  };
  const traffic = { secret: new Uint8Array(32), sequence: 0 };
  const records = TlsRecords.takeOver(ports, { role: "client", suite: 0x1301, read: traffic, write: traffic });
  const block = new OutputBlock(new Memory(outputBytes(1)));
  const timer = new RestTimer(loop, records);
  return {
    timer,
    ciphers: () => ciphers,
    armed: () => due !== null,
    pass() {
      records.sealer.write(block, Uint8Array.of(1), 0);
      records.sealer.flush(block);
      block.clear();
      timer.touch();
    },
    goOff() {
      const run = due;
      due = null;
      run?.();
    },
  };
}

test("ciphers stay while records pass, go when none did, and come back", () => {
  const r = rig();
  expect(r.armed()).toBe(false);
  for (let i = 0; i < 3; i++) {
    r.pass();
    r.goOff();
    expect([r.ciphers(), r.armed()]).toEqual([1, true]);
  }
  r.goOff();
  expect([r.ciphers(), r.armed()]).toEqual([0, false]);
  r.pass();
  expect([r.ciphers(), r.armed()]).toEqual([1, true]);
});

test("nothing is left behind by a connection that is over", () => {
  const r = rig();
  r.pass();
  r.timer.stop();
  expect(r.armed()).toBe(false);
  r.timer.touch();
  expect(r.armed()).toBe(false);
});
