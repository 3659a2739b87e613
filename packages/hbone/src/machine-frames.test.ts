import { describe, expect, test } from "vitest";
import { CONNECTION_WINDOW, ErrorCode, MAX_FRAME, Setting } from "./constants.ts";
import { frame, goawayFrame, settingsAckFrame, settingsFrame } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import {
  Bench,
  CONNECT,
  PREFACE,
  afterSettings,
  bytesOf,
  connect,
  data,
  headers,
  joinBytes,
  reset,
  u32,
  verdict,
  windowUpdate,
} from "./wire.suite.ts";

const NO_FLAGS = 0;
const E = ErrorCode;
const END_STREAM = 1;
const PRIORITY = (dependsOn: number): Uint8Array => joinBytes(u32(dependsOn), Uint8Array.of(16));
const raw = (type: number, streamId: number, bytes: number, flags = NO_FLAGS): Uint8Array =>
  frame(type, flags, streamId, new Uint8Array(bytes));

type Row = readonly [what: string, bytes: readonly Uint8Array[], want: string];
const closed1 = [data(1, 0, END_STREAM)] as const;
describe("what a server answers, stream 1 being an open CONNECT", () => {
  const rows: readonly Row[] = [
    ["DATA on stream 0", [data(0, 4)], `connection ${E.ProtocolError}`],
    ["DATA on an idle stream", [data(3, 4)], `connection ${E.ProtocolError}`],
    ["DATA after END_STREAM", [...closed1, data(1, 4)], `stream 1 ${E.StreamClosed}`],
    [
      "DATA after both ends",
      [
        headers(
          3,
          [
            [":method", "GET"],
            [":scheme", "http"],
            [":path", "/"],
          ],
          END_STREAM,
        ),
        data(3, 4),
      ],
      `connection ${E.StreamClosed}`,
    ],
    ["DATA after the peer's reset", [reset(1), data(1, 4)], `stream 1 ${E.StreamClosed}`],
    [
      "DATA with too long padding",
      [frame(0, 8, 1, Uint8Array.of(6, 84, 101, 115, 116))],
      `connection ${E.ProtocolError}`,
    ],
    ["a frame over the size limit", [raw(0, 1, MAX_FRAME + 1)], `connection ${E.FrameSizeError}`],
    ["HEADERS over the size limit", [raw(1, 3, MAX_FRAME + 1)], `connection ${E.FrameSizeError}`],
    ["HEADERS on stream 0", [headers(0, CONNECT)], `connection ${E.ProtocolError}`],
    ["HEADERS on an even stream", [connect(2)], `connection ${E.ProtocolError}`],
    ["HEADERS on a skipped stream", [connect(5), connect(3)], `connection ${E.ProtocolError}`],
    ["HEADERS on a closed stream", [reset(1), connect(1)], `connection ${E.StreamClosed}`],
    ["HEADERS with too long padding", [frame(1, 0xd, 3, Uint8Array.of(17, 0x82))], `connection ${E.ProtocolError}`],
    ["second HEADERS on a CONNECT", [headers(1, [["a", "b"]])], `stream 1 ${E.ProtocolError}`],
    ["trailers on a CONNECT", [headers(1, [["a", "b"]], END_STREAM)], `stream 1 ${E.ProtocolError}`],
    ["HEADERS after END_STREAM", [...closed1, headers(1, [["a", "b"]])], `stream 1 ${E.StreamClosed}`],
    [
      "HEADERS that depend on themselves",
      [frame(1, 0x24, 3, joinBytes(PRIORITY(3), encodeHeaders(CONNECT, "nothing")))],
      `stream 3 ${E.ProtocolError}`,
    ],
    ["bad HPACK", [frame(1, 4, 3, Uint8Array.of(0x80))], `connection ${E.CompressionError}`],
    ["CONTINUATION without HEADERS", [raw(9, 1, 3, 4)], `connection ${E.ProtocolError}`],
    ["CONTINUATION on stream 0", [raw(1, 3, 0), raw(9, 0, 3, 4)], `connection ${E.ProtocolError}`],
    ["CONTINUATION of another stream", [raw(1, 3, 0), raw(9, 5, 3, 4)], `connection ${E.ProtocolError}`],
    ["CONTINUATION after END_HEADERS", [connect(3), raw(9, 3, 3, 4)], `connection ${E.ProtocolError}`],
    ["DATA inside a header block", [raw(1, 3, 0), data(1, 1)], `connection ${E.ProtocolError}`],
    ["PRIORITY inside a header block", [raw(1, 3, 0), frame(2, 0, 1, PRIORITY(0))], `connection ${E.ProtocolError}`],
    ["HEADERS inside a header block", [raw(1, 3, 0), connect(5)], `connection ${E.ProtocolError}`],
    ["an unknown frame inside a header block", [raw(1, 3, 0), raw(0x77, 1, 3)], `connection ${E.ProtocolError}`],
    ["PRIORITY on stream 0", [frame(2, 0, 0, PRIORITY(1))], `connection ${E.ProtocolError}`],
    ["PRIORITY of wrong length", [raw(2, 1, 4)], `stream 1 ${E.FrameSizeError}`],
    ["PRIORITY of wrong length on no stream", [raw(2, 9, 4)], `connection ${E.FrameSizeError}`],
    ["PRIORITY on itself", [frame(2, 0, 1, PRIORITY(1))], `stream 1 ${E.ProtocolError}`],
    ["PRIORITY on an idle stream", [frame(2, 0, 9, PRIORITY(1))], "fine"],
    ["PRIORITY on a closed stream", [reset(1), frame(2, 0, 1, PRIORITY(3))], "fine"],
    ["RST_STREAM on stream 0", [reset(0)], `connection ${E.ProtocolError}`],
    ["RST_STREAM on an idle stream", [reset(3)], `connection ${E.ProtocolError}`],
    ["RST_STREAM of wrong length", [raw(3, 1, 3)], `connection ${E.FrameSizeError}`],
    ["RST_STREAM with an unknown code", [reset(1, 0xff)], "fine"],
    ["RST_STREAM on a closed stream", [reset(1), reset(1)], "fine"],
    ["SETTINGS on a stream", [frame(4, 0, 1, new Uint8Array(6))], `connection ${E.ProtocolError}`],
    ["SETTINGS of wrong length", [raw(4, 0, 3)], `connection ${E.FrameSizeError}`],
    ["SETTINGS ACK with a payload", [raw(4, 0, 6, 1)], `connection ${E.FrameSizeError}`],
    ["too many SETTINGS values", [raw(4, 0, 6 * 65)], `connection ${E.EnhanceYourCalm}`],
    ["ENABLE_PUSH of 2", [settingsFrame([[Setting.EnablePush, 2]])], `connection ${E.ProtocolError}`],
    [
      "INITIAL_WINDOW_SIZE of 2^31",
      [settingsFrame([[Setting.InitialWindowSize, 0x8000_0000]])],
      `connection ${E.FlowControlError}`,
    ],
    ["MAX_FRAME_SIZE too small", [settingsFrame([[Setting.MaxFrameSize, 16_383]])], `connection ${E.ProtocolError}`],
    [
      "MAX_FRAME_SIZE too large",
      [settingsFrame([[Setting.MaxFrameSize, 16_777_216]])],
      `connection ${E.ProtocolError}`,
    ],
    ["an unknown setting", [settingsFrame([[0xff, 1]])], "fine"],
    ["PUSH_PROMISE", [raw(5, 1, 8, 4)], `connection ${E.ProtocolError}`],
    ["PING on a stream", [raw(6, 3, 8)], `connection ${E.ProtocolError}`],
    ["PING of wrong length", [raw(6, 0, 6)], `connection ${E.FrameSizeError}`],
    ["GOAWAY on a stream", [raw(7, 1, 8)], `connection ${E.ProtocolError}`],
    ["GOAWAY of wrong length", [raw(7, 0, 7)], `connection ${E.FrameSizeError}`],
    ["GOAWAY with too much text", [raw(7, 0, 20_000)], `connection ${E.EnhanceYourCalm}`],
    ["GOAWAY with an unknown code, streams open", [goawayFrame(0, 0xff, "")], "fine"],
    ["WINDOW_UPDATE of 0 on the connection", [windowUpdate(0, 0)], `connection ${E.ProtocolError}`],
    ["WINDOW_UPDATE of 0 on a stream", [windowUpdate(1, 0)], `stream 1 ${E.ProtocolError}`],
    ["WINDOW_UPDATE of wrong length", [raw(8, 0, 3)], `connection ${E.FrameSizeError}`],
    ["WINDOW_UPDATE on an idle stream", [windowUpdate(3, 1)], `connection ${E.ProtocolError}`],
    ["WINDOW_UPDATE on a closed stream", [reset(1), windowUpdate(1, 1)], "fine"],
    ["a connection window above 2^31-1", [windowUpdate(0, 0x7fff_ffff)], `connection ${E.FlowControlError}`],
    ["a stream window above 2^31-1", [windowUpdate(1, 0x7fff_ffff)], `stream 1 ${E.FlowControlError}`],
    [
      "SETTINGS that lift a window above 2^31-1",
      [windowUpdate(1, 0x7fff_0000), settingsFrame([[Setting.InitialWindowSize, 0x7fff_ffff]])],
      `connection ${E.FlowControlError}`,
    ],
    ["an unknown frame", [raw(0x16, 0, 8), raw(0xff, 1, 0)], "fine"],
  ];
  for (const [what, bytes, want] of rows) {
    test(what, () => {
      const bench = afterSettings("server");
      bench.machine.receive(joinBytes(...bytes));
      expect(verdict(bench)).toBe(want);
    });
  }
});

describe("what a client answers, stream 1 being an accepted CONNECT", () => {
  const rows: readonly Row[] = [
    ["DATA on an idle stream", [data(3, 4)], `connection ${E.ProtocolError}`],
    ["DATA on a server's stream", [data(2, 4)], `connection ${E.ProtocolError}`],
    ["HEADERS on an idle stream", [headers(3, [[":status", "200"]])], `connection ${E.ProtocolError}`],
    ["HEADERS on a closed stream", [reset(1), headers(1, [[":status", "200"]])], `connection ${E.StreamClosed}`],
    ["trailers", [headers(1, [["a", "b"]], END_STREAM)], `stream 1 ${E.ProtocolError}`],
    ["ENABLE_PUSH from a server", [settingsFrame([[Setting.EnablePush, 1]])], `connection ${E.ProtocolError}`],
    ["PUSH_PROMISE", [raw(5, 1, 8, 4)], `connection ${E.ProtocolError}`],
    ["WINDOW_UPDATE on an idle stream", [windowUpdate(3, 1)], `connection ${E.ProtocolError}`],
    ["RST_STREAM on an idle stream", [reset(3)], `connection ${E.ProtocolError}`],
    ["an upgrade by SETTINGS of unknown kind", [settingsFrame([[8, 1]])], "fine"],
  ];
  for (const [what, bytes, want] of rows) {
    test(what, () => {
      const bench = afterSettings("client");
      bench.machine.receive(joinBytes(...bytes));
      expect(verdict(bench)).toBe(want);
    });
  }
});

describe("the first bytes", () => {
  const hello = settingsFrame([]);
  const rows: readonly Row[] = [
    ["HTTP/1", [bytesOf("CONNECT a:1 HTTP/1.1\r\n\r\n")], `connection ${E.ProtocolError}`],
    ["a wrong preface", [PREFACE.map((b, i) => (i === 20 ? 0 : b))], `connection ${E.ProtocolError}`],
    ["DATA before SETTINGS", [PREFACE, data(1, 1)], `connection ${E.ProtocolError}`],
    ["a SETTINGS ACK before SETTINGS", [PREFACE, settingsAckFrame()], `connection ${E.ProtocolError}`],
    ["HEADERS before SETTINGS", [PREFACE, connect(1)], `connection ${E.ProtocolError}`],
    ["the preface and SETTINGS", [PREFACE, hello], "fine"],
  ];
  for (const [what, bytes, want] of rows) {
    test(what, () => {
      const bench = new Bench("server");
      bench.machine.receive(joinBytes(...bytes));
      expect(verdict(bench)).toBe(want);
    });
  }

  test("both roles announce the contract's values", () => {
    const [server, client] = [new Bench("server").take(), new Bench("client").take()];
    const values = (payload: Uint8Array | undefined): readonly number[] => [...(payload ?? [])];
    expect(values(server[0]?.payload)).toEqual([
      0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 200, 0, 4, 0, 64, 0, 0, 0, 5, 0, 16, 0, 0, 0, 6, 0, 1, 0, 0,
    ]);
    expect(values(client[0]?.payload)).toEqual([
      0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4, 0, 64, 0, 0, 0, 5, 0, 16, 0, 0, 0, 6, 0, 0, 64, 0,
    ]);
    for (const frames of [server, client]) expect(frames[1]?.payload).toEqual(u32(CONNECTION_WINDOW - 65_535));
  });
});
