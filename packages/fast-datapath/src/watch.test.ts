import { seqpacketChannel, seqpacketDescriptors } from "@lateen/linux";
import { expect, test } from "vitest";
import { FastDataPath } from "./fast-data-path.ts";

test("a watched descriptor is told of in each turn that finds something to read, and not any more once it is not watched", () => {
  using path = new FastDataPath({ onFault: (fault) => expect(fault).toBeNull() });
  const [near, far] = seqpacketDescriptors().map((fd) => ({ fd, channel: seqpacketChannel(fd, 64) }));
  if (near === undefined || far === undefined) throw new Error("Two ends were asked for");
  const heard: string[] = [];
  const unwatch = path.watch(near.fd, () => {
    const got = near.channel.receive(0);
    heard.push(got?.t === "message" ? String(got.bytes[0]) : (got?.t ?? "nothing"));
  });
  for (const byte of [1, 2]) far.channel.send(Uint8Array.of(byte), []);
  path.turn(0);
  expect(heard).toEqual(["1"]);
  path.turn(0);
  path.turn(0);
  expect(heard).toEqual(["1", "2"]);
  far.channel[Symbol.dispose]();
  path.turn(0);
  expect(heard).toEqual(["1", "2", "end"]);
  unwatch();
  path.turn(0);
  expect(heard).toHaveLength(3);
  near.channel[Symbol.dispose]();
});
