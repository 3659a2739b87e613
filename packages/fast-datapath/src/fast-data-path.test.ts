import { dataPathStreamSuite, dataPathSuite, type DataPathRig, type Tunnel } from "@lateen/datapath/suite";
import { testCredentials } from "@lateen/certificates/test-credentials";
import type { Result } from "@lateen/errors";
import { type HboneStream, hboneClient, hboneServer } from "@lateen/hbone";
import { describe, expect, test } from "vitest";
import { FastDataPath } from "./fast-data-path.ts";

const credentials = await testCredentials(Date.now());

/** The suites await promises on the same thread, so here the runtime's loop turns ours. */
function open(restAfterMs = 10_000): DataPathRig {
  const faults: unknown[] = [];
  const path = new FastDataPath({ onFault: (fault) => faults.push(fault), restAfterMs });
  let open = true;
  const turn = (): void => {
    if (!open) return;
    path.turn(0);
    setImmediate(turn);
  };
  turn();
  return {
    path,
    credentials,
    close() {
      open = false;
      path[Symbol.dispose]();
      expect(faults).toEqual([]);
    },
  };
}

const tunnel: Tunnel = async (on, a, b) => {
  const options = { trust: "authenticated", nowMs: on.nowMs(), defer: (run: () => void) => on.defer(run) } as const;
  const accepted = Promise.withResolvers<HboneStream>();
  hboneServer(b, options, (request) => accepted.resolve(request.accept([])));
  const near = await new Promise<Result<HboneStream>>((resolve) => {
    hboneClient(a, options).connect({ authority: "10.0.0.1:80", headers: [] }, resolve);
  });
  if (!near.ok) throw near.error;
  return [near.value, await accepted.promise];
};

dataPathSuite({ describe, test }, "fast", () => open());
dataPathStreamSuite({ describe, test }, "fast", () => open(), tunnel);
dataPathStreamSuite({ describe, test }, "fast, ciphers let go whenever they can be", () => open(0), tunnel);
