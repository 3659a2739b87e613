import { setFlagsFromString } from "node:v8";
import { beforeAll, expect, test } from "vitest";
import { block, opened, pair, sealed } from "./records.test.support.ts";

// Objects of the hot path keep one hidden class for life: a late or missing property would make every access slower.

let sameShape: (a: object, b: object) => boolean;
beforeAll(() => {
  setFlagsFromString("--allow-natives-syntax");
  sameShape = new Function("a", "b", "return %HaveSameMap(a, b)") as typeof sameShape;
});

test("sealers, openers and blocks keep their shape through everything that happens to them", () => {
  const { client, server } = pair(0x1302, { updateAfter: 2 });
  const used = block();
  for (let i = 0; i < 5; i++) opened(server, [sealed(client, [new Uint8Array(20_000)], used)]);
  client.sealer.updateOwed = true;
  opened(server, [sealed(client, [], used)]);
  client.rest();
  client.sealer.end(used);
  opened(server, [used.memory.bytes.slice(0, used.used)]);
  opened(client, [new Uint8Array(40)]);
  expect([server.opener.ended, client.opener.why === ""]).toEqual([true, false]);
  const fresh = pair(0x1301);
  expect(sameShape(client.sealer, fresh.server.sealer)).toBe(true);
  expect(sameShape(client.opener, fresh.server.opener)).toBe(true);
  expect(sameShape(server.opener, fresh.client.opener)).toBe(true);
  expect(sameShape(client.sealer.traffic, fresh.client.opener.traffic)).toBe(true);
  expect(sameShape(used, block(1))).toBe(true);
});
