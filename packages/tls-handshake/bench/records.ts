import process from "node:process";
import { Memory } from "@lateen/linux";
import { Opened, OutputBlock, SUITES, TlsRecords, outputBytes } from "@lateen/tls-records";
import { recordPorts } from "../src/record-ports.ts";

/**
 * Sealing and opening as a driver does it: content written into a block, flushed, opened where it lies.
 * Run: node --conditions=lateen:source packages/tls-handshake/bench/records.ts
 */
const SIZES = [64, 1024, 16_384, 65_536];
const TOTAL_BYTES = 1024 * 1024 * 1024;
const MAX_ROUNDS = 400_000;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function pair(suite: number): { near: TlsRecords<Memory>; far: TlsRecords<Memory> } {
  const { hashBytes } = SUITES.find((s) => s.id === suite)!;
  const [c, s] = [1, 2].map((fill) => ({ secret: new Uint8Array(hashBytes).fill(fill), sequence: 0 })) as [
    never,
    never,
  ];
  return {
    near: TlsRecords.takeOver(recordPorts, { role: "client", suite, read: s, write: c }),
    far: TlsRecords.takeOver(recordPorts, { role: "server", suite, read: c, write: s }),
  };
}

function run(suite: number, size: number, rounds: number): { seal: number; open: number } {
  const { near, far } = pair(suite);
  const block = new OutputBlock(new Memory(outputBytes(5)));
  const content = new Uint8Array(size).fill(7);
  let [seal, open] = [0, 0];
  const batch = 64;
  for (let done = 0; done < rounds; done += batch) {
    // Both in batches, so that the clock costs nothing; a block is used again at once, as a driver does.
    for (let i = 0; i < batch; i++) {
      const t0 = performance.now();
      near.sealer.write(block, content, 0);
      near.sealer.flush(block);
      const t1 = performance.now();
      for (let at = 0; at < block.used; at = far.opener.at)
        if (far.opener.open(block.memory, at, block.used) !== Opened.Data) throw new Error(far.opener.why);
      seal += t1 - t0;
      open += performance.now() - t1;
      block.clear();
    }
  }
  near.free();
  far.free();
  return { seal, open };
}

for (const { id, name } of SUITES) {
  for (const size of SIZES) {
    const rounds = Math.min(MAX_ROUNDS, TOTAL_BYTES / size);
    run(id, size, 20_000);
    const before = cpuUs();
    const { seal, open } = run(id, size, rounds);
    const us = (ms: number): string => ((ms * 1000) / rounds).toFixed(2);
    const rate = (size * rounds) / (cpuUs() - before) / 1000;
    console.log(
      `${name} ${size} bytes: seal ${us(seal)} us, open ${us(open)} us, both ${rate.toFixed(2)} GB per CPU s`,
    );
  }
}
