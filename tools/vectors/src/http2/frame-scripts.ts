import { Flag, NO_FLAGS, Setting, Type, ascii, frame, headerBlock, join, priority, settings, u32 } from "./frames.ts";
import type { Peer } from "./peer.ts";
import { type Run, type Script, type ScriptTable, both, fromTheStart, tunnel, tunnelData } from "./script.ts";

const TEST = ascii("test");
/** The suite's long header line, so that blocks need more than one frame elsewhere. */
const DUMMY = headerBlock([["x-dummy0", "x".repeat(4000)]]);
const CANCEL = 8;
const UNKNOWN_CODE = 0xff;
const MAX_WINDOW = 0x7fff_ffff;
const ZEROS = new Uint8Array(8);

type Id = (p: Peer) => number;
const REQUEST: Id = (p) => p.id;
/** A stream that nobody opened. */
const IDLE: Id = (p) => (p.endpoint === "server" ? p.id : 2);
const at =
  (id: number): Id =>
  () =>
    id;

const data =
  (how: "end" | "open" = "end", bytes: Uint8Array = TEST, id: Id = REQUEST): Run =>
  (p) =>
    p.send(frame(Type.Data, how === "end" ? Flag.EndStream : NO_FLAGS, id(p), bytes));
const reset =
  (id: Id = REQUEST, code = CANCEL): Run =>
  (p) =>
    p.send(frame(Type.RstStream, NO_FLAGS, id(p), u32(code)));
const pinging =
  (text: string, flags: number = NO_FLAGS): Run =>
  (p) =>
    p.send(frame(Type.Ping, flags, 0, join(ascii(text), ZEROS).subarray(0, 8)));
const ping: Run = pinging("");
const windowUpdate =
  (id: Id, by: number): Run =>
  (p) =>
    p.send(frame(Type.WindowUpdate, NO_FLAGS, id(p), u32(by)));
const prioritise =
  (id: Id, dependsOn = 0, weight = 255): Run =>
  (p) =>
    p.send(frame(Type.Priority, NO_FLAGS, id(p), priority(dependsOn, weight)));
const continuation =
  (flags: number = Flag.EndHeaders, id: Id = REQUEST): Run =>
  (p) =>
    p.send(frame(Type.Continuation, flags, id(p), DUMMY));
/** The message's headers, its end still to come. */
const open =
  (method = "GET"): Run =>
  (p) =>
    p.headers({ end: false, fields: p.asMethod(method) });
const whole: Run = (p) => p.headers({ end: true });
const wholeOn =
  (id: number): Run =>
  (p) =>
    p.headers({ end: true, id });
/** HEADERS without END_HEADERS. */
const begin =
  (how: "end" | "open" = "end"): Run =>
  (p) =>
    p.send(frame(Type.Headers, how === "end" ? Flag.EndStream : NO_FLAGS, p.id, headerBlock(p.fields)));
const goaway =
  (code: number, text: string): Run =>
  (p) =>
    p.send(frame(Type.Goaway, NO_FLAGS, 0, join(u32(0), u32(code), ascii(text))));
const announce =
  (...values: readonly (readonly [id: number, value: number])[]): Run =>
  (p) =>
    p.send(settings(...values));
const initialWindow = (...values: readonly number[]): Run =>
  announce(...values.map((v) => [Setting.InitialWindowSize, v] as const));
/** The bytes of the case, as they are. */
const given: Run = (p, raw) => p.send(...raw);
/** What the case gives: a frame with its head, or the payload of one. */
const givenAs =
  (type: number): Run =>
  (p, raw) => {
    const [first = ZEROS] = raw;
    p.send(first.length === 9 && raw.length > 1 ? join(...raw) : frame(type, NO_FLAGS, p.id, first));
  };
/** The answer's DATA waits for window while this happens. */
const answerAfter = (...steps: readonly Run[]): Script =>
  tunnel(initialWindow(0), whole, ...steps, windowUpdate(REQUEST, 1));
const priorityFirst = (id: number, dependsOn: number, weight: number): Script =>
  both(prioritise(at(id), dependsOn, weight), whole);

const STARTING: readonly (readonly [string, Script])[] = [
  ["Sends a client connection preface", fromTheStart((p) => p.begin())],
  ["Sends client connection preface", fromTheStart((p) => p.begin())],
  ["Sends a server connection preface", fromTheStart((p) => p.begin())],
  ["Sends invalid connection preface", fromTheStart((p) => p.send(ascii("INVALID CONNECTION PREFACE\r\n\r\n")))],
];

const STATES: readonly (readonly [string, Script])[] = [
  ["Sends a PRIORITY frame on idle stream", both(prioritise(IDLE), ping)],
  ["Sends a WINDOW_UPDATE frame on half-closed (remote) stream", answerAfter()],
  ["Sends a PRIORITY frame on half-closed (remote) stream", answerAfter(prioritise(REQUEST))],
  ["Sends a RST_STREAM frame on half-closed (remote) stream", both(whole, reset(), ping)],
  ["Sends a PRIORITY frame on closed stream", both(whole, prioritise(REQUEST), ping)],
  ["idle: Sends a DATA frame", both(data("end", TEST, IDLE))],
  ["idle: Sends a RST_STREAM frame", both(reset(IDLE))],
  ["idle: Sends a WINDOW_UPDATE frame", both(windowUpdate(IDLE, 100))],
  ["idle: Sends a CONTINUATION frame", both(continuation(Flag.EndHeaders, IDLE))],
  ["half closed (remote): Sends a DATA frame", both(whole, data())],
  ["half closed (remote): Sends a HEADERS frame", both(whole, whole)],
  ["half closed (remote): Sends a CONTINUATION frame", both(whole, continuation())],
  ["closed: Sends a DATA frame after sending RST_STREAM frame", both(open(), reset(), data())],
  ["closed: Sends a HEADERS frame after sending RST_STREAM frame", both(open(), reset(), whole)],
  ["closed: Sends a CONTINUATION frame after sending RST_STREAM frame", both(open(), reset(), continuation())],
  ["closed: Sends a DATA frame", both(whole, data())],
  ["closed: Sends a HEADERS frame", both(whole, whole)],
  ["closed: Sends a CONTINUATION frame", both(whole, continuation())],
  ["Sends even-numbered stream identifier", both(wholeOn(2))],
  ["Sends stream identifier that is numerically smaller than previous", both(wholeOn(5), wholeOn(3))],
  ["Sends an unexpected stream identifier", both(wholeOn(101))],
  [
    "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
    tunnel(initialWindow(0), (p) => {
      // The window keeps the answers, and so the streams, from ending.
      const most = p.setting(Setting.MaxConcurrentStreams, 0);
      for (let i = 0; i <= most; i++) p.headers({ end: true, id: 2 * i + 1 });
    }),
  ],
];

const SIZES: readonly (readonly [string, Script])[] = [
  ["Sends a frame with unknown type", both(given, ping)],
  ["Sends an unknown extension frame", both(given, ping)],
  ["Sends a frame with undefined flag", both(given)],
  ["Sends a frame with reserved field bit", both(given)],
  ["Sends an unknown extension frame in the middle of a header block", both(begin(), given)],
  ["Sends a DATA frame with 2^14 octets in length", both(open("POST"), data("end", new Uint8Array(2 ** 14)), ping)],
  [
    "Sends a large size DATA frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
    both(open("POST"), (p) => data("end", new Uint8Array(p.maxFrame + 1))(p, [])),
  ],
  [
    "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
    both((p) => {
      const missing = p.maxFrame + 1 - headerBlock(p.fields).length;
      const block = join(headerBlock(p.fields), new Uint8Array(missing));
      p.send(frame(Type.Headers, Flag.EndHeaders | Flag.EndStream, p.id, block));
    }),
  ],
];

const INTERLEAVED = both(begin("open"), prioritise(REQUEST), continuation());
const ANOTHER_STREAM = both(begin("open"), wholeOn(3), continuation());
const BLOCKS: readonly (readonly [string, Script])[] = [
  ["Sends a PRIORITY frame while sending the header blocks", INTERLEAVED],
  ["Sends a HEADERS frame without the END_HEADERS flag, and a PRIORITY frame", INTERLEAVED],
  ["Sends a HEADERS frame to another stream while sending the header blocks", ANOTHER_STREAM],
  ["Sends a HEADERS frame to another stream while sending a HEADERS frame", ANOTHER_STREAM],
  [
    "Sends multiple CONTINUATION frames preceded by a HEADERS frame",
    both(begin(), continuation(NO_FLAGS), continuation(), ping),
  ],
  [
    "Sends a CONTINUATION frame followed by any frame other than CONTINUATION",
    both(begin("open"), continuation(NO_FLAGS), data()),
  ],
  ["Sends a CONTINUATION frame with 0x0 stream identifier", both(begin(), continuation(Flag.EndHeaders, at(0)))],
  ["Sends a CONTINUATION frame preceded by a HEADERS frame with END_HEADERS flag", both(whole, continuation())],
  [
    "Sends a CONTINUATION frame preceded by a CONTINUATION frame with END_HEADERS flag",
    both(begin(), continuation(), continuation()),
  ],
  [
    "Sends a CONTINUATION frame preceded by a DATA frame",
    both(begin("open"), data(), continuation(NO_FLAGS), continuation(Flag.EndHeaders, at(0))),
  ],
];

const DATA: readonly (readonly [string, Script])[] = [
  ["Sends a DATA frame", both(open("POST"), data())],
  ["Sends multiple DATA frames", both(open("POST"), data("open"), data())],
  [
    "Sends a DATA frame with padding",
    both(open("POST"), (p, [bytes = TEST, padding = ZEROS]) => {
      const payload = join(Uint8Array.of(padding.length), bytes, padding);
      p.send(frame(Type.Data, Flag.EndStream | Flag.Padded, p.id, payload));
    }),
  ],
  ["Sends a DATA frame with 0x0 stream identifier", both(data("end", TEST, at(0)))],
  ['Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state', both(whole, data())],
  [
    "Sends a DATA frame with invalid pad length",
    both(open("POST"), (p) =>
      p.send(frame(Type.Data, Flag.EndStream | Flag.Padded, p.id, join(Uint8Array.of(6), TEST))),
    ),
  ],
];

const PRIORITY: readonly (readonly [string, Script])[] = [
  ["Sends a PRIORITY frame with priority 1", priorityFirst(1, 0, 0)],
  ["Sends a PRIORITY frame with priority 256", priorityFirst(1, 0, 255)],
  ["Sends a PRIORITY frame with stream dependency", priorityFirst(3, 1, 0)],
  ["Sends a PRIORITY frame with exclusive", priorityFirst(1, 2 ** 31, 0)],
  [
    "Sends a PRIORITY frame for an idle stream, then send a HEADER frame for a lower stream ID",
    priorityFirst(3, 0, 255),
  ],
  ["Sends a PRIORITY frame with 0x0 stream identifier", both(prioritise(at(0)))],
  ["Sends a PRIORITY frame with a length other than 5 octets", both(whole, givenAs(Type.Priority))],
  ["Sends PRIORITY frame that depend on itself", both(prioritise(REQUEST, 1))],
];

const RESETS: readonly (readonly [string, Script])[] = [
  ["Sends a RST_STREAM frame", both(open(), reset(), ping)],
  ["Sends a RST_STREAM frame with 0x0 stream identifier", both(reset(at(0)))],
  ["Sends a RST_STREAM frame on a idle stream", both(reset(IDLE))],
  ["Sends a RST_STREAM frame with a length other than 4 octets", both(whole, givenAs(Type.RstStream))],
  ["Sends a RST_STREAM frame with unknown error code", both(open("POST"), reset(REQUEST, UNKNOWN_CODE), ping)],
  ["Sends a GOAWAY frame", both(goaway(0, "h2spec"), ping)],
  ["Sends a GOAWAY frame with unknown error code", both(goaway(UNKNOWN_CODE, ""), ping)],
  ["Sends a GOAWAY frame with a stream identifier other than 0x0", both(given)],
  ["Sends a PING frame", both(pinging("h2spec"))],
  ["Sends a PING frame with ACK", both(pinging("invalid", Flag.Ack), pinging("h2spec"))],
  ["Sends a PING frame with a stream identifier field value other than 0x0", both(given)],
  ["Sends a PING frame with a length field value other than 8", both(given)],
  ["Sends an invalid PING frame for connection close", both(given)],
  ["Sends an invalid PING frame to receive GOAWAY frame", both(given)],
];

const setting = (id: number, value: number): Script => both(announce([id, value]));
const SETTINGS: readonly (readonly [string, Script])[] = [
  [
    "Sends a SETTINGS frame",
    both(
      announce(
        [Setting.HeaderTableSize, 4096],
        [Setting.EnablePush, 1],
        [Setting.MaxConcurrentStreams, 100],
        [Setting.InitialWindowSize, 65_535],
        [Setting.MaxFrameSize, 16_384],
        [Setting.MaxHeaderListSize, 100],
      ),
    ),
  ],
  ["Sends a SETTINGS frame without ACK flag", setting(Setting.EnablePush, 0)],
  ["Sends a SETTINGS frame with ACK flag and payload", both(given)],
  ["Sends a SETTINGS frame with a stream identifier other than 0x0", both(given)],
  ["Sends a SETTINGS frame with a length other than a multiple of 6 octets", both(given)],
  ["SETTINGS_ENABLE_PUSH (0x2): Sends the value other than 0 or 1", setting(Setting.EnablePush, 2)],
  [
    "SETTINGS_INITIAL_WINDOW_SIZE (0x4): Sends the value above the maximum flow control window size",
    setting(Setting.InitialWindowSize, 2 ** 31),
  ],
  ["SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value below the initial value", setting(Setting.MaxFrameSize, 16_383)],
  [
    "SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value above the maximum allowed frame size",
    setting(Setting.MaxFrameSize, 2 ** 24),
  ],
  ["Sends a SETTINGS frame with unknown identifier", both(announce([0xff, 1]), ping)],
  ["Sends a SETTINGS_INITIAL_WINDOW_SIZE settings with an exceeded maximum window size value", both(given)],
  ["Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE", tunnelData([1], initialWindow(100, 1), whole)],
];

const WINDOWS: readonly (readonly [string, Script])[] = [
  ["Sends a WINDOW_UPDATE frame with stream ID 0", both(windowUpdate(at(0), 1), ping)],
  ["Sends a WINDOW_UPDATE frame with stream ID 1", both(whole, windowUpdate(REQUEST, 1))],
  ["Sends a WINDOW_UPDATE frame with a flow control window increment of 0", both(windowUpdate(at(0), 0))],
  [
    "Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream",
    both(open(), windowUpdate(REQUEST, 0)),
  ],
  ["Sends a WINDOW_UPDATE frame with a length other than 4 octets", both(given)],
  [
    "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1",
    both(windowUpdate(at(0), MAX_WINDOW), windowUpdate(at(0), MAX_WINDOW)),
  ],
  [
    "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    both(open(), windowUpdate(REQUEST, MAX_WINDOW), windowUpdate(REQUEST, MAX_WINDOW)),
  ],
  [
    "Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame",
    tunnelData([1], initialWindow(1), whole),
  ],
  [
    "Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame",
    tunnelData([1], initialWindow(0), whole, initialWindow(1)),
  ],
  [
    "Sends a SETTINGS frame for window size to be negative",
    tunnelData([3, 1], initialWindow(3), whole, initialWindow(2), windowUpdate(REQUEST, 2)),
  ],
];

/** Cases about frames, streams, settings and windows, by what the suite says that it does. */
export const frameScripts: ScriptTable = new Map([
  ...STARTING,
  ...STATES,
  ...SIZES,
  ...BLOCKS,
  ...DATA,
  ...PRIORITY,
  ...RESETS,
  ...SETTINGS,
  ...WINDOWS,
]);
