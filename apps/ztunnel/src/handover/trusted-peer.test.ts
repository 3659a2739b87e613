import { expect, test } from "vitest";
import { peerJudge } from "./trusted-peer.ts";

const programs: Readonly<Record<number, string>> = { 10: "/usr/bin/node", 11: "/usr/bin/python3" };
const judge = peerJudge({ uid: 0, programOf: (pid) => programs[pid] ?? null, ownProgram: "/usr/bin/node" });
const peer = (pid: number, uid = 0) => ({ pid, uid, gid: 0 });

test.each([
  ["the same user and program", peer(10), null],
  ["another user", peer(10, 1000), "it runs as user 1000, this as 0"],
  ["another program", peer(11), 'it runs "/usr/bin/python3", this "/usr/bin/node"'],
  ["a process that cannot be seen", peer(0), null],
  ["a process that has ended", peer(12), null],
])("%s: %j", (_, who, why) => {
  expect(judge(who)).toBe(why);
});

test("where the own program is not known, the user decides", () => {
  const blind = peerJudge({ uid: 5, programOf: () => "/bin/other", ownProgram: null });
  expect([blind(peer(11, 5)), blind(peer(11, 6))]).toEqual([null, "it runs as user 6, this as 5"]);
});
