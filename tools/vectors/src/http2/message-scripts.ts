import {
  type Field,
  Flag,
  NO_FLAGS,
  Setting,
  Type,
  ascii,
  frame,
  headerBlock,
  hpackInteger,
  join,
  priority,
} from "./frames.ts";
import type { Peer } from "./peer.ts";
import { type Run, type Script, type ScriptTable, both, bothFromTheStart, page } from "./script.ts";

const END = Flag.EndHeaders | Flag.EndStream;
const DEFAULT_TABLE_BYTES = 4096;
const TABLE_SIZE_UPDATE = 0x20;

const sendBlock = (p: Peer, block: Uint8Array, flags: number = END): void =>
  p.send(frame(Type.Headers, flags, p.id, block));
const data =
  (flags: number): Run =>
  (p) =>
    p.send(frame(Type.Data, flags, p.id, ascii("test")));
/** HEADERS that end the message, with its fields changed. */
const fields =
  (change: (fields: readonly Field[]) => readonly Field[]): Run =>
  (p) =>
    p.headers({ end: true, fields: change(p.fields) });
const withField = (...more: readonly Field[]): Run => fields((f) => [...f, ...more]);
const without = (name: string): Run => fields((f) => f.filter(([n]) => n !== name));
const twice = (name: string): Run => fields((f) => [...f, ...f.filter(([n]) => n === name)]);
/** HEADERS that leave the message open, as the named method. */
const open =
  (method: string, ...more: readonly Field[]): Run =>
  (p) =>
    p.headers({ end: false, fields: [...p.asMethod(method), ...more] });
const second =
  (flags: number, ...trailers: readonly Field[]): Run =>
  (p) =>
    sendBlock(p, headerBlock(trailers), flags);
/** The case's own representation behind the message's fields. */
const behindFields: Run = (p, [representation = new Uint8Array(0)]) =>
  sendBlock(p, join(headerBlock(p.fields), representation));
const beforeFields = (p: Peer, representation: Uint8Array): void =>
  sendBlock(p, join(representation, headerBlock(p.fields)));
/**
 * A peer that uses a table does so while the default size still holds for it: before it acknowledges our SETTINGS, which allow
 * none. After that the same update would be an error.
 */
const beforeItAcknowledges = (run: Run): Script => bothFromTheStart((p) => p.begin(), run);

const REQUESTS: readonly (readonly [string, Script])[] = [
  ["Sends a GET request", page(fields((f) => f))],
  ["Sends a HEAD request", page((p) => p.headers({ end: true, fields: p.asMethod("HEAD") }))],
  ["Sends a POST request", page(open("POST"), data(Flag.EndStream))],
  [
    "Sends a POST request with trailers",
    page(open("POST", ["trailer", "x-test"]), data(NO_FLAGS), second(END, ["x-test", "ok"])),
  ],
];

const FRAMES: readonly (readonly [string, Script])[] = [
  ["Sends a HEADERS frame", both(fields((f) => f))],
  [
    "Sends a HEADERS frame with padding",
    both((p) => sendBlock(p, join(Uint8Array.of(8), headerBlock(p.fields), new Uint8Array(8)), END | Flag.Padded)),
  ],
  [
    "Sends a HEADERS frame with priority",
    both((p) => sendBlock(p, join(priority(0), headerBlock(p.fields)), END | Flag.Priority)),
  ],
  [
    "Sends HEADERS frame that depends on itself",
    both((p) => sendBlock(p, join(priority(p.id), headerBlock(p.fields)), END | Flag.Priority)),
  ],
  ["Sends a HEADERS frame with 0x0 stream identifier", both((p) => p.headers({ end: true, id: 0 }))],
  [
    "Sends a HEADERS frame with invalid pad length",
    both((p) => {
      const block = headerBlock(p.fields);
      sendBlock(p, join(Uint8Array.of(block.length + 2), block), END | Flag.Padded);
    }),
  ],
  [
    "Sends a CONTINUATION frame",
    both((p) => {
      const block = headerBlock(p.fields);
      sendBlock(p, block.subarray(0, 5), Flag.EndStream);
      p.send(frame(Type.Continuation, Flag.EndHeaders, p.id, block.subarray(5)));
    }),
  ],
  [
    "Sends multiple CONTINUATION frames",
    both((p) => {
      const block = headerBlock(p.fields);
      sendBlock(p, block.subarray(0, 5), Flag.EndStream);
      p.send(frame(Type.Continuation, NO_FLAGS, p.id, block.subarray(5, 10)));
      p.send(frame(Type.Continuation, Flag.EndHeaders, p.id, block.subarray(10)));
    }),
  ],
  [
    "Sends a PUSH_PROMISE frame",
    both((p) =>
      p.send(frame(Type.PushPromise, Flag.EndHeaders, p.id, join(Uint8Array.of(0, 0, 0, 3), headerBlock(p.fields)))),
    ),
  ],
];

const MALFORMED: readonly (readonly [string, Script])[] = [
  ["Sends a HEADERS frame that contains the header field name in uppercase letters", both(withField(["X-TEST", "ok"]))],
  ["Sends a HEADERS frame that contains a unknown pseudo-header field", both(withField([":test", "ok"]))],
  [
    "Sends a HEADERS frame that contains the pseudo-header field defined for response",
    both(withField([":status", "200"])),
  ],
  [
    "Sends a HEADERS frame that contains a pseudo-header field as trailers",
    both(open("POST"), data(NO_FLAGS), second(Flag.EndHeaders, [":method", "POST"])),
  ],
  [
    "Sends a HEADERS frame that contains a pseudo-header field that appears in a header block after a regular header field",
    both(fields((f) => [["x-test", "ok"], ...f])),
  ],
  [
    "Sends a HEADERS frame that contains the connection-specific header field",
    both(withField(["connection", "keep-alive"])),
  ],
  [
    'Sends a HEADERS frame that contains the TE header field with any value other than "trailers"',
    both(withField(["trailers", "test"], ["te", "trailers, deflate"])),
  ],
  [
    'Sends a HEADERS frame with empty ":path" pseudo-header field',
    page(fields((f) => f.map((field) => (field[0] === ":path" ? [":path", ""] : field)))),
  ],
  ['Sends a HEADERS frame that omits ":method" pseudo-header field', both(without(":method"))],
  ['Sends a HEADERS frame that omits ":scheme" pseudo-header field', page(without(":scheme"))],
  ['Sends a HEADERS frame that omits ":path" pseudo-header field', page(without(":path"))],
  ['Sends a HEADERS frame with duplicated ":method" pseudo-header field', both(twice(":method"))],
  ['Sends a HEADERS frame with duplicated ":scheme" pseudo-header field', page(twice(":scheme"))],
  ['Sends a HEADERS frame with duplicated ":path" pseudo-header field', page(twice(":path"))],
  [
    'Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length',
    page(open("POST", ["content-length", "1"]), data(Flag.EndStream)),
  ],
  [
    'Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length',
    page(open("POST", ["content-length", "1"]), data(NO_FLAGS), data(Flag.EndStream)),
  ],
  [
    "Sends a second HEADERS frame without the END_STREAM flag",
    both(open("POST"), data(NO_FLAGS), second(Flag.EndHeaders, ["x-test", "ok"])),
  ],
];

const COMPRESSION: readonly (readonly [string, Script])[] = [
  ["Sends invalid header block fragment", both((p) => sendBlock(p, Uint8Array.of(0x40)))],
  [
    "Sends a dynamic table size update",
    beforeItAcknowledges((p) => beforeFields(p, hpackInteger(128, 5, TABLE_SIZE_UPDATE))),
  ],
  [
    "Sends multiple dynamic table size update",
    beforeItAcknowledges((p, [updates = new Uint8Array(0)]) => beforeFields(p, updates)),
  ],
  [
    "Sends a dynamic table size update larger than the value of SETTINGS_HEADER_TABLE_SIZE",
    both((p) => {
      const size = p.setting(Setting.HeaderTableSize, DEFAULT_TABLE_BYTES) + 1;
      beforeFields(p, hpackInteger(size, 5, TABLE_SIZE_UPDATE));
    }),
  ],
];

/** Cases whose bytes are one representation of HPACK behind a well-formed message. */
const REPRESENTATION =
  /^Sends a (indexed header field|literal header field|Huffman-encoded string literal|dynamic table size update at the end)/;
const representation = both(behindFields);

const messageScripts: ScriptTable = new Map([...REQUESTS, ...FRAMES, ...MALFORMED, ...COMPRESSION]);

/** Cases about the content of HEADERS, by what the suite says that it does. */
export function messageScript(action: string): Script | undefined {
  return messageScripts.get(action) ?? (REPRESENTATION.test(action) ? representation : undefined);
}
