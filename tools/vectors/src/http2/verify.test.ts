import { expect, test } from "vitest";
import { Flag, Type, frame } from "./frames.ts";
import { Peer } from "./peer.ts";
import { missing } from "./verify.ts";

const none = { requirement: "", dataLengths: [] };
const check = (name: string, ...codes: readonly string[]) => ({ ...none, checks: [{ check: name, codes }] });

test("an error counts only with the code that is asked for", () => {
  const peer = new Peer("server", "page");
  peer.shakeHands();
  peer.send(frame(Type.Data, Flag.EndStream, 0, new Uint8Array(4)));
  expect(missing(peer, "", check("VerifyConnectionError", "Protocol"))).toBe(null);
  expect(missing(peer, "", check("VerifyConnectionError", "FrameSize"))).toMatch(/^VerifyConnectionError: .* Goaway/);
  expect(missing(peer, "", check("VerifyStreamError"))).toBe(null);
});

test("what did not come is missed, in order too", () => {
  const peer = new Peer("server", "tunnel");
  peer.shakeHands();
  expect(missing(peer, "", check("VerifyPingFrameWithAck"))).toBe("VerifyPingFrameWithAck: the endpoint did nothing");
  peer.headers({ end: true });
  const [headers, closed] = ["VerifyHeadersFrame", "VerifyStreamClose"].map((name) => ({ check: name, codes: [] }));
  expect(missing(peer, "", { ...none, checks: [headers!, closed!] })).toBe(null);
  expect(missing(peer, "", { ...none, checks: [closed!, headers!] })).toMatch(/^VerifyHeadersFrame/);
  expect(missing(peer, "", { ...none, checks: [], dataLengths: [5, 1] })).toMatch(/^DATA of 5,1 bytes/);
});

test("a requirement in words is read", () => {
  const peer = new Peer("client", "tunnel");
  peer.shakeHands();
  peer.send(frame(Type.WindowUpdate, 0, 0, Uint8Array.of(0x7f, 0xff, 0xff, 0xff)));
  const want = (requirement: string) => ({ ...none, checks: [], requirement });
  expect(missing(peer, "", want("sends a GOAWAY frame with a FLOW_CONTROL_ERROR code."))).toBe(null);
  expect(missing(peer, "", want("sends a GOAWAY frame with a PROTOCOL_ERROR code."))).not.toBe(null);
  expect(() => missing(peer, "", want("does something else"))).toThrow("cannot read the requirement");
});
