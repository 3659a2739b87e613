import { describe, expect, test } from "vitest";
import { type HeaderField } from "./api.ts";
import { ErrorCode, FrameType } from "./constants.ts";
import { frame, settingsAckFrame, settingsFrame } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { Bench, CONNECT, Owner, PREFACE, connect, data, headers, joinBytes, u32, verdict } from "./wire.suite.ts";

const E = ErrorCode;
const NO_FLAGS = 0;
const END_STREAM = 1;

describe("requests", () => {
  const ask = (
    fields: readonly HeaderField[],
    flags = NO_FLAGS,
  ): { bench: Bench; frames: ReturnType<Bench["take"]> } => {
    const bench = new Bench("server").settle();
    bench.machine.receive(headers(1, fields, flags));
    return { bench, frames: bench.take() };
  };
  const malformed: readonly (readonly [string, readonly HeaderField[]])[] = [
    ["no :method", [[":authority", "a:1"]]],
    ["no :authority", [[":method", "CONNECT"]]],
    [
      "an empty :authority",
      [
        [":method", "CONNECT"],
        [":authority", ""],
      ],
    ],
    [":path in CONNECT", [...CONNECT, [":path", "/"]]],
    [":protocol (extended CONNECT)", [...CONNECT, [":protocol", "websocket"]]],
    [":status in a request", [...CONNECT, [":status", "200"]]],
    ["an unknown pseudo-header", [...CONNECT, [":x", "1"]]],
    [":authority twice", [...CONNECT, [":authority", "b:1"]]],
    [
      "a pseudo-header after a header",
      [
        [":method", "CONNECT"],
        ["a", "b"],
        [":authority", "a:1"],
      ],
    ],
    ["an upper-case name", [...CONNECT, ["Baggage", "x"]]],
    ["a name with a space", [...CONNECT, ["a b", "x"]]],
    ["a value with a line feed", [...CONNECT, ["a", "x\ny: z"]]],
    ["a value with NUL", [...CONNECT, ["a", "x\0"]]],
    ["connection", [...CONNECT, ["connection", "upgrade"]]],
    ["upgrade", [...CONNECT, ["upgrade", "h2c"]]],
    ["transfer-encoding", [...CONNECT, ["transfer-encoding", "chunked"]]],
    ["te other than trailers", [...CONNECT, ["te", "gzip"]]],
    [
      "GET without :path",
      [
        [":method", "GET"],
        [":scheme", "http"],
      ],
    ],
    [
      "GET with an empty :path",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", ""],
      ],
    ],
    ["two content-lengths", [...CONNECT, ["content-length", "1"], ["content-length", "2"]]],
  ];
  for (const [what, fields] of malformed) {
    test(`malformed: ${what}`, () => {
      const { bench, frames } = ask(fields);
      expect(frames.map((f) => [f.type, f.payload[3]])).toEqual([[FrameType.RstStream, E.ProtocolError]]);
      expect(bench.requests).toEqual([]);
    });
  }

  test("unknown headers pass, host included", () => {
    const { bench } = ask([...CONNECT, ["host", "evil"], ["x-any", "1"], ["te", "trailers"]]);
    expect(bench.requests[0]?.authority).toBe("10.0.0.1:80");
    expect(bench.requests[0]?.headers).toHaveLength(3);
  });

  test("anything but CONNECT is answered 400 and its body is thrown away", () => {
    const get: readonly HeaderField[] = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/"],
      ["content-length", "5"],
    ];
    const { bench, frames } = ask(get);
    expect(frames.map((f) => [f.type, f.flags, f.payload[0]])).toEqual([[FrameType.Headers, 5, 0x8c]]);
    bench.machine.receive(joinBytes(data(1, 5), headers(1, [["trailer", "x"]], END_STREAM)));
    expect([bench.take(), bench.machine.active]).toEqual([[], 0]);
    bench.machine.receive(joinBytes(headers(3, get), data(3, 4, END_STREAM)));
    expect(verdict(bench)).toBe(`stream 3 ${E.ProtocolError}`);
  });

  test("CONNECT that ends at once is half-closed", () => {
    const { bench } = ask(CONNECT, END_STREAM);
    expect(bench.requests[0]?.s.remoteEnded).toBe(true);
    const s = bench.requests[0]!.s;
    bench.machine.end(s);
    expect(bench.owner(1).fate?.code).toBe(null);
  });

  test("data before the 200 is refused with 400, and never handed on", () => {
    const bench = new Bench("server").settle();
    bench.answer = "wait";
    bench.machine.receive(joinBytes(connect(1), data(1, 10)));
    const frames = bench.take();
    expect(frames.map((f) => [f.type, f.payload[f.type === FrameType.RstStream ? 3 : 0]])).toEqual([
      [FrameType.Headers, 0x8c], // :status 400
      [FrameType.RstStream, E.NoError],
    ]);
    expect(bench.owner(1)).toMatchObject({ bytes: 0, fate: { by: "peer", why: "data before CONNECT was accepted" } });
    bench.machine.accept(bench.requests[0]!.s, [], new Owner());
    expect(bench.take()).toEqual([]);
  });

  test("an empty end before the 200 is a half-close", () => {
    const bench = new Bench("server").settle();
    bench.answer = "wait";
    bench.machine.receive(joinBytes(connect(1), data(1, 0, END_STREAM)));
    expect(bench.take()).toEqual([]);
    expect(bench.owner(1)).toMatchObject({ ended: true, fate: null });
  });

  test("the 201st stream is refused, the others live", () => {
    const bench = new Bench("server").settle();
    for (let i = 0; i < 201; i++) bench.machine.receive(connect(2 * i + 1));
    expect(bench.take().filter((f) => f.type === FrameType.RstStream)).toMatchObject([
      { streamId: 401, payload: u32(E.RefusedStream) },
    ]);
    expect(bench.machine.active).toBe(200);
  });

  test("refusing sends the status with END_STREAM and no body", () => {
    const bench = new Bench("server").settle();
    bench.answer = "wait";
    bench.machine.receive(connect(1));
    bench.machine.refuse(bench.requests[0]!.s, 401, []);
    expect(bench.take().map((f) => [f.type, f.flags])).toEqual([
      [FrameType.Headers, 5],
      [FrameType.RstStream, 0],
    ]);
    expect(bench.machine.active).toBe(0);
  });
});

describe("answers to a client", () => {
  const asked = (): Bench => {
    const bench = new Bench("client").settle();
    const owner = bench.owner(1);
    bench.machine.open(CONNECT, owner);
    bench.take();
    return bench;
  };
  const rows: readonly (readonly [string, readonly Uint8Array[], readonly number[], string])[] = [
    ["200", [headers(1, [[":status", "200"]])], [200], "fine"],
    ["401 with END_STREAM", [headers(1, [[":status", "401"]], END_STREAM)], [401], "fine"],
    ["503 without END_STREAM", [headers(1, [[":status", "503"]])], [503], `stream 1 ${E.Cancel}`],
    ["100 and then 200", [headers(1, [[":status", "100"]]), headers(1, [[":status", "200"]])], [200], "fine"],
    ["100 with END_STREAM", [headers(1, [[":status", "100"]], END_STREAM)], [], `stream 1 ${E.ProtocolError}`],
    ["101", [headers(1, [[":status", "101"]])], [], `stream 1 ${E.ProtocolError}`],
    ["no :status", [headers(1, [["a", "b"]])], [], `stream 1 ${E.ProtocolError}`],
    [
      ":status twice",
      [
        headers(1, [
          [":status", "200"],
          [":status", "200"],
        ]),
      ],
      [],
      `stream 1 ${E.ProtocolError}`,
    ],
    ["a bad :status", [headers(1, [[":status", "2x0"]])], [], `stream 1 ${E.ProtocolError}`],
    ["DATA before the answer", [data(1, 3)], [], `stream 1 ${E.ProtocolError}`],
  ];
  for (const [what, bytes, statuses, want] of rows) {
    test(what, () => {
      const bench = asked();
      bench.machine.receive(joinBytes(...bytes));
      expect(verdict(bench)).toBe(want);
      expect(bench.responses.map((r) => r.status)).toEqual(statuses);
      expect(bench.owner(1).bytes).toBe(0);
    });
  }
});

describe("bounds of a header block", () => {
  const block = (bytes: number): Uint8Array => encodeHeaders([...CONNECT, ["a", "x".repeat(bytes)]], "nothing");
  const pieces = (whole: Uint8Array, count: number): Uint8Array[] => {
    const size = Math.ceil(whole.length / count);
    return Array.from({ length: count }, (_, i) =>
      frame(i === 0 ? 1 : 9, i === count - 1 ? 4 : 0, 1, whole.subarray(i * size, (i + 1) * size)),
    );
  };
  const rows: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    ["8 CONTINUATIONs", pieces(block(1000), 9), "fine"],
    ["9 CONTINUATIONs", pieces(block(1000), 10), `connection ${E.EnhanceYourCalm}`],
    ["16 KiB in one frame", [frame(1, 4, 1, block(16_300))], "fine"],
    ["more than 16 KiB in one frame", [frame(1, 4, 1, block(16_700))], `connection ${E.EnhanceYourCalm}`],
    ["more than 16 KiB in several frames", pieces(block(17_000), 4), `connection ${E.EnhanceYourCalm}`],
  ];
  for (const [what, bytes, want] of rows) {
    test(what, () => {
      const bench = new Bench("server").settle();
      bench.machine.receive(joinBytes(...bytes));
      expect(verdict(bench)).toBe(want);
    });
  }

  test("a list over 64 KiB decoded", () => {
    const bench = new Bench("server");
    const indexed = joinBytes(Uint8Array.of(0x40, 1, 97, 0x7f, 0x81, 0x1e), new Uint8Array(4000).fill(120)); // into the table, before our SETTINGS count
    const bomb = joinBytes(indexed.subarray(0, indexed.length - 32), new Uint8Array(12_000).fill(0xbe));
    bench.machine.receive(joinBytes(PREFACE, settingsFrame([])));
    bench.take();
    bench.machine.receive(frame(1, 4, 1, bomb));
    expect(verdict(bench)).toBe(`connection ${E.EnhanceYourCalm}`);
  });

  test("the peer's own table counts until it has acknowledged ours of size 0", () => {
    const insert = joinBytes(encodeHeaders(CONNECT, "nothing"), Uint8Array.of(0x40, 1, 97, 1, 98));
    const use = joinBytes(encodeHeaders(CONNECT, "nothing"), Uint8Array.of(0xbe));
    const bench = new Bench("server");
    bench.machine.receive(joinBytes(PREFACE, settingsFrame([]), frame(1, 4, 1, insert), frame(1, 4, 3, use)));
    expect(bench.requests[1]?.headers).toEqual([["a", "b"]]);
    bench.machine.receive(joinBytes(settingsAckFrame(), frame(1, 4, 5, use)));
    expect(verdict(bench)).toBe(`connection ${E.CompressionError}`);
  });
});
