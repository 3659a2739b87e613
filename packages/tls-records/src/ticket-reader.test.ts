import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { ContentType } from "./record-format.ts";
import type { TicketReader } from "./record-opener.ts";
import { Forger, opened, pair, secretOf } from "./records.test.support.ts";
import { suiteOf } from "./suites.ts";

const DATA = ContentType.ApplicationData;
const SUITE = 0x1301;
const ticket = (bytes = 40): Buffer =>
  Buffer.concat([Buffer.of(4, 0, bytes >> 8, bytes & 0xff), Buffer.alloc(bytes, 7)]);
const keyUpdate = Buffer.of(24, 0, 0, 1, 0);

/** A client whose tickets go to a reader that wants so many records, and a forger that is its server. */
function listening(wants = Infinity) {
  const { client } = pair(SUITE);
  const read: Buffer[] = [];
  let ended = 0;
  const reader: TicketReader = {
    read: (record) => {
      read.push(Buffer.from(record));
      return read.length < wants;
    },
    end: () => void ended++,
  };
  client.opener.wantTickets(reader);
  const server = new Forger(suiteOf(SUITE), secretOf(suiteOf(SUITE), 0x50));
  return { client, server, read, ended: () => ended };
}

describe("a reader of tickets", () => {
  test("is given each record of tickets as it came, and not again once it has enough", () => {
    const l = listening(2);
    const records = [ticket(), ticket(300), ticket()].map((t, i) => l.server.record(22, t, i));
    const wire = [...records, l.server.record(DATA, Buffer.from("content"))];
    const untouched = records.slice(0, 2).map((r) => Buffer.from(r));
    expect(opened(l.client, [Buffer.concat(wire)]).content.toString()).toBe("content");
    expect(l.read).toEqual(untouched);
    expect(l.ended()).toBe(1);
  });

  test("is given them whole, however they arrive, and both halves of a ticket that is cut", () => {
    const l = listening();
    const message = ticket(100);
    const records = [message.subarray(0, 30), message.subarray(30)].map((part) => l.server.record(22, part));
    const wire = Buffer.concat(records);
    const bytes = Array.from(wire, (byte) => Uint8Array.of(byte));
    expect(opened(l.client, bytes).why).toBe("");
    expect(Buffer.concat(l.read).equals(wire)).toBe(true);
    expect(l.ended()).toBe(0);
  });

  const ends: readonly [name: string, type: number, content: Buffer][] = [
    ["content", DATA, Buffer.from("a")],
    ["an empty record", DATA, Buffer.alloc(0)],
    ["an alert", 21, Buffer.of(1, 90)],
    ["the end", 21, Buffer.of(1, 0)],
    ["a key update", 22, keyUpdate],
    ["a ticket and a key update in one", 22, Buffer.concat([ticket(), keyUpdate])],
    ["another message", 22, Buffer.of(1, 0, 0, 1, 0)],
  ];
  test.each(ends)("is told of %s as the end, and given nothing of it or after it", (_name, type, content) => {
    const l = listening();
    opened(l.client, [l.server.record(type, content), l.server.record(22, ticket())]);
    expect(l.read).toEqual([]);
    expect(l.ended()).toBe(1);
    l.client.free();
    expect(l.ended()).toBe(1);
  });

  test("is told of a record that does not verify when the records are freed", () => {
    const l = listening();
    const record = l.server.record(22, ticket());
    record[20]! ^= 1;
    expect(opened(l.client, [record]).why).toBe("record does not verify");
    expect([l.read, l.ended()]).toEqual([[], 0]);
    l.client.free();
    expect(l.ended()).toBe(1);
  });

  test.each(["rest", "state", "free"] as const)(
    "is told when the connection stands still, moves or is over: %s",
    (how) => {
      const l = listening();
      l.client[how]();
      expect(l.ended()).toBe(1);
    },
  );

  test("changes nothing about a flood of tickets", () => {
    const l = listening();
    const flood = Array.from({ length: 40 }, () => l.server.record(22, ticket()));
    expect(opened(l.client, [Buffer.concat(flood)]).why).toBe("too many records without content");
    expect(l.ended()).toBe(1);
  });
});
