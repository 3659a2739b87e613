import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Alert } from "./alerts.ts";
import { ContentType, MAX_CONTENT } from "./record-format.ts";
import { Opened } from "./record-opener.ts";
import { Forger, type Outcome, opened, pair, secretOf } from "./records.test.support.ts";
import { SUITES, suiteOf } from "./suites.ts";
import type { TlsRecords } from "./tls-records.ts";
import type { Block } from "./record-format.ts";

const DATA = ContentType.ApplicationData;
const text = (s: string): Buffer => Buffer.from(s);
const keyUpdate = (request: number): Buffer => Buffer.of(24, 0, 0, 1, request);
const ticket = (bytes = 40): Buffer =>
  Buffer.concat([Buffer.of(4, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff), Buffer.alloc(bytes, 7)]);
const alert = (description: number, level = 2): Buffer => Buffer.of(level, description);

/** The client, and a forger that has the server's secret (or the other way round). */
function facing(role: "client" | "server", suiteId = 0x1301): { records: TlsRecords<Block>; peer: Forger } {
  const suite = suiteOf(suiteId);
  return { records: pair(suiteId)[role], peer: new Forger(suite, secretOf(suite, role === "client" ? 0x50 : 0xc0)) };
}

function clientSees(send: (peer: Forger) => readonly Uint8Array[], role: "client" | "server" = "client"): Outcome {
  const { records, peer } = facing(role);
  return opened(records, [Buffer.concat(send(peer))]);
}

const repeated = (n: number, make: (i: number) => Uint8Array): Uint8Array[] =>
  Array.from({ length: n }, (_, i) => make(i));

type Sent = (peer: Forger) => readonly Uint8Array[];

describe("accepted", () => {
  const accepted: readonly [name: string, send: Sent, content: string][] = [
    ["content", (p) => [p.record(DATA, text("hello"))], "hello"],
    ["padding", (p) => [p.record(DATA, text("hello"), 1), p.record(DATA, text("!"), 9000)], "hello!"],
    ["content that ends in zeros", (p) => [p.record(DATA, text("a\0\0"), 3)], "a\0\0"],
    ["full content", (p) => [p.record(DATA, Buffer.alloc(MAX_CONTENT, "x"))], "x".repeat(MAX_CONTENT)],
    ["padding up to the limit", (p) => [p.record(DATA, text("x"), MAX_CONTENT - 1)], "x"],
    ["empty records, not too many", (p) => repeated(32, () => p.record(DATA, Buffer.alloc(0), 5)), ""],
    [
      "empty records again after content",
      (p) => [
        ...repeated(32, () => p.record(DATA, text(""))),
        p.record(DATA, text("a")),
        ...repeated(32, () => p.record(DATA, text(""))),
      ],
      "a",
    ],
    ["a ticket", (p) => [p.record(22, ticket()), p.record(DATA, text("a"))], "a"],
    [
      "two tickets in one record",
      (p) => [p.record(22, Buffer.concat([ticket(), ticket(9)])), p.record(DATA, text("a"))],
      "a",
    ],
    [
      "a ticket cut anywhere",
      (p) => [...repeated(9, (i) => p.record(22, ticket(5).subarray(i, i + 1))), p.record(DATA, text("a"))],
      "a",
    ],
    [
      "a ticket as long as tickets get",
      (p) => {
        const long = ticket(131_000);
        return [
          ...repeated(8, (i) => p.record(22, long.subarray(i * MAX_CONTENT, (i + 1) * MAX_CONTENT))),
          p.record(DATA, text("a")),
        ];
      },
      "a",
    ],
    [
      "a key update",
      (p) => {
        const update = p.record(22, keyUpdate(0));
        p.update();
        return [update, p.record(DATA, text("new"))];
      },
      "new",
    ],
    [
      "a key update cut in two",
      (p) => {
        const update = [p.record(22, keyUpdate(0).subarray(0, 3)), p.record(22, keyUpdate(0).subarray(3))];
        p.update();
        return [...update, p.record(DATA, text("new"))];
      },
      "new",
    ],
    [
      "a key update behind a ticket in its record",
      (p) => {
        const update = p.record(22, Buffer.concat([ticket(), keyUpdate(0)]));
        p.update();
        return [update, p.record(DATA, text("new"))];
      },
      "new",
    ],
    ["user_canceled", (p) => [p.record(21, alert(90, 1)), p.record(DATA, text("a"))], "a"],
  ];
  test.each(accepted)("%s", (_name, send, content) => {
    expect(clientSees(send)).toEqual({ kind: Opened.Need, content: text(content), alert: -1, why: "" });
  });

  test("close_notify ends the direction after the content before it; what follows is ignored", () => {
    const { records, peer } = facing("client");
    const bytes = [peer.record(DATA, text("bye")), peer.record(21, alert(0, 1)), text("no record at all")];
    expect(opened(records, [Buffer.concat(bytes)])).toMatchObject({ kind: Opened.End, content: text("bye") });
    expect(opened(records, [text("more")])).toMatchObject({ kind: Opened.End, content: text("") });
  });

  test("a requested key update is owed, and goes out under the old key", () => {
    const { records, peer } = facing("client");
    const request = peer.record(22, keyUpdate(1));
    expect(opened(records, [request]).kind).toBe(Opened.Need);
    expect(records.sealer.updateOwed).toBe(true);
  });
});

describe("refused, and nothing of it handed on", () => {
  const refused: readonly [name: string, alert: number, send: Sent, role?: "server"][] = [
    ["too much content", Alert.RecordOverflow, (p) => [p.record(DATA, Buffer.alloc(MAX_CONTENT + 1))]],
    ["padding over the limit", Alert.RecordOverflow, (p) => [p.record(DATA, text("x"), MAX_CONTENT)]],
    [
      "a declared length over the limit, before its bytes are there",
      Alert.RecordOverflow,
      () => [Buffer.of(23, 3, 3, 0x41, 0x01)],
    ],
    ["no inner type", Alert.UnexpectedMessage, (p) => [p.record(0, Buffer.alloc(20))]],
    ["an inner type of other protocols", Alert.UnexpectedMessage, (p) => [p.record(24, text("heartbeat"))]],
    ["an inner change_cipher_spec", Alert.UnexpectedMessage, (p) => [p.record(20, Buffer.of(1))]],
    ["an outer change_cipher_spec", Alert.UnexpectedMessage, () => [Buffer.of(20, 3, 3, 0, 1, 1)]],
    ["an alert in the clear", Alert.UnexpectedMessage, () => [Buffer.of(21, 3, 3, 0, 2, 2, 40)]],
    ["a handshake message in the clear", Alert.UnexpectedMessage, () => [Buffer.of(22, 3, 3, 0, 5, 24, 0, 0, 1, 0)]],
    ["plain text", Alert.UnexpectedMessage, () => [text("GET / HTTP/1.1\r\n\r\n")]],
    ["a record without a tag", Alert.BadRecordMac, () => [Buffer.of(23, 3, 3, 0, 4, 1, 2, 3, 4)]],
    ["an empty record", Alert.BadRecordMac, () => [Buffer.of(23, 3, 3, 0, 0)]],
    ["a record of nothing but a tag", Alert.BadRecordMac, (p) => [p.record(0, Buffer.alloc(0))]],
    ["too many empty records", Alert.UnexpectedMessage, (p) => repeated(33, () => p.record(DATA, text("")))],
    ["too many tickets", Alert.UnexpectedMessage, (p) => repeated(33, () => p.record(22, ticket()))],
    [
      "too many key updates",
      Alert.UnexpectedMessage,
      (p) =>
        repeated(33, () => {
          const update = p.record(22, keyUpdate(1));
          p.update();
          return update;
        }),
    ],
    ["too many warnings", Alert.UnexpectedMessage, (p) => repeated(33, () => p.record(21, alert(90, 1)))],
    ["an empty alert", Alert.DecodeError, (p) => [p.record(21, text(""))]],
    ["half an alert", Alert.DecodeError, (p) => [p.record(21, Buffer.of(1))]],
    ["two alerts in one record", Alert.DecodeError, (p) => [p.record(21, Buffer.of(1, 0, 1, 0))]],
    ["an empty handshake record", Alert.UnexpectedMessage, (p) => [p.record(22, text(""))]],
    ["a request for a certificate", Alert.UnexpectedMessage, (p) => [p.record(22, Buffer.of(13, 0, 0, 3, 0, 0, 0))]],
    ["a second Finished", Alert.UnexpectedMessage, (p) => [p.record(22, Buffer.of(20, 0, 0, 1, 0))]],
    ["an empty ticket", Alert.DecodeError, (p) => [p.record(22, ticket(0))]],
    ["a ticket longer than tickets get", Alert.DecodeError, (p) => [p.record(22, Buffer.of(4, 0xff, 0xff, 0xff))]],
    ["a ticket from a client", Alert.UnexpectedMessage, (p) => [p.record(22, ticket())], "server"],
    [
      "content in the middle of a ticket",
      Alert.UnexpectedMessage,
      (p) => [p.record(22, ticket().subarray(0, 9)), p.record(DATA, text("a"))],
    ],
    ["a key update with a strange request", Alert.IllegalParameter, (p) => [p.record(22, keyUpdate(2))]],
    ["a key update that is too long", Alert.DecodeError, (p) => [p.record(22, Buffer.of(24, 0, 0, 2, 0, 0))]],
    [
      "a ticket behind a key update in its record",
      Alert.UnexpectedMessage,
      (p) => [p.record(22, Buffer.concat([keyUpdate(0), ticket()]))],
    ],
    [
      "the old key after a key update",
      Alert.BadRecordMac,
      (p) => [p.record(22, keyUpdate(0)), p.record(DATA, text("a"))],
    ],
    [
      "a record twice",
      Alert.BadRecordMac,
      (p) => {
        const first = p.record(22, ticket());
        return [first, first];
      },
    ],
    [
      "records in another order",
      Alert.BadRecordMac,
      (p) => [p.record(DATA, text("a")), p.record(DATA, text("b"))].reverse(),
    ],
    [
      "a record after a lost one",
      Alert.BadRecordMac,
      (p) => [p.record(DATA, text("a")), p.record(DATA, text("b"))].slice(1),
    ],
    [
      "the receiver's own record",
      Alert.BadRecordMac,
      () => [new Forger(SUITES[0]!, secretOf(SUITES[0]!, 0xc0)).record(DATA, text("a"))],
    ],
  ];
  test.each(refused)("%s", (_name, code, send, role = "client" as never) => {
    const outcome = clientSees(send, role);
    expect(outcome).toMatchObject({ kind: Opened.Failed, alert: code, content: text("") });
    expect(outcome.why).not.toBe("");
  });

  test.each([
    [40, "peer's alert: handshake failure"],
    [42, "peer's alert: bad certificate"],
    [255, "peer's alert: alert 255"],
  ])("the peer's alert %i, at any level, without an alert in return", (description, why) => {
    for (const level of [1, 2, 77])
      expect(clientSees((p) => [p.record(21, alert(description, level))])).toMatchObject({
        kind: Opened.Failed,
        alert: -1,
        why,
      });
  });

  test("for good: what comes after a failure is not looked at", () => {
    const { records, peer } = facing("client");
    const [good, bad] = [peer.record(DATA, text("good")), Buffer.of(23, 3, 3, 0, 17, ...Buffer.alloc(17))];
    expect(opened(records, [bad]).kind).toBe(Opened.Failed);
    expect(opened(records, [good])).toMatchObject({ kind: Opened.Failed, content: text("") });
  });
});

describe.each(SUITES.map((s) => [s.name, s.id] as const))("%s", (_name, suiteId) => {
  const record = (content: string): Buffer => Buffer.from(facing("client", suiteId).peer.record(DATA, text(content)));

  test("a record changed in any bit is never content, and its bytes are wiped", () => {
    const whole = record("content of a record");
    for (let at = 0; at < whole.length; at++) {
      for (let bit = 1; bit < 256; bit <<= 1) {
        const changed = Buffer.from(whole);
        changed[at]! ^= bit;
        const { records } = facing("client", suiteId);
        const memory = { bytes: changed };
        const kind = records.opener.open(memory, 0, changed.length);
        const isLonger = at === 3 || (at === 4 && changed.readUInt16BE(3) > whole.readUInt16BE(3));
        if (at === 0 || kind !== Opened.Need || !isLonger) expect(kind, `bit ${bit} of byte ${at}`).toBe(Opened.Failed);
        if (at >= 5) expect(changed.subarray(5).every((b) => b === 0)).toBe(true);
      }
    }
  });

  test("a record cut anywhere asks for the rest, and changes nothing", () => {
    const whole = record("content of a record");
    for (let cut = 0; cut < whole.length; cut++) {
      const { records } = facing("client", suiteId);
      const memory = { bytes: Buffer.from(whole) };
      expect(records.opener.open(memory, 0, cut)).toBe(Opened.Need);
      expect(records.opener.at).toBe(0);
      expect(memory.bytes.equals(whole)).toBe(true);
      expect(records.opener.open(memory, 0, whole.length)).toBe(Opened.Data);
    }
  });
});
