import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { expandLabel, trafficKeys } from "./key-schedule.ts";
import { Opened } from "./record-opener.ts";
import { block, hmac, opened, ports, sealed } from "./records.test.support.ts";
import { suiteOf } from "./suites.ts";
import { TlsRecords } from "./tls-records.ts";

// RFC 8448 section 3, "Simple 1-RTT Handshake": what follows its two Finished messages.
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const SUITE = suiteOf(0x1301);
const CLIENT = hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
const SERVER = hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
const CONTENT = Buffer.from(Array.from({ length: 50 }, (_, i) => i));
const TICKET_RECORD = hex(`17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db
  289a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972a
  c46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c8651
  9d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b
  6c6779b37bf15985684f`);
const CLIENT_RECORD =
  hex(`1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e
  2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4`);
const SERVER_RECORD =
  hex(`17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59
  a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d`);
const CLIENT_CLOSE = hex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
const SERVER_CLOSE = hex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");

const start = (secret: Uint8Array, sequence = 0) => ({ secret, sequence });

describe("the traces of RFC 8448", () => {
  test.each([
    ["client", CLIENT, "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"],
    ["server", SERVER, "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"],
  ])("keys of the %s", (_who, secret, key, iv) => {
    const keys = trafficKeys(hmac, SUITE, secret);
    expect(Buffer.from(keys.key).toString("hex")).toBe(key);
    expect(Buffer.from(keys.iv).toString("hex")).toBe(iv);
  });

  test("any label: the keys of the Finished messages", () => {
    const finished = (secret: string): string => {
      const from = { suite: SUITE, secret: hex(secret) };
      return Buffer.from(expandLabel(hmac, from, "finished", 32)).toString("hex");
    };
    expect(finished("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")).toBe(
      "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8",
    );
  });

  test("the client opens ticket, content and close_notify", () => {
    const records = TlsRecords.takeOver(ports, {
      role: "client",
      suite: 0x1301,
      read: start(SERVER),
      write: start(CLIENT),
    });
    const outcome = opened(records, [Buffer.concat([TICKET_RECORD, SERVER_RECORD, SERVER_CLOSE])]);
    expect(outcome).toMatchObject({ kind: Opened.End, content: CONTENT });
  });

  test("the client seals the same bytes", () => {
    const records = TlsRecords.takeOver(ports, {
      role: "client",
      suite: 0x1301,
      read: start(SERVER),
      write: start(CLIENT),
    });
    expect(Buffer.from(sealed(records, [CONTENT]))).toEqual(CLIENT_RECORD);
    const out = block(1);
    records.sealer.end(out);
    expect(Buffer.from(out.memory.bytes.subarray(0, out.used))).toEqual(CLIENT_CLOSE);
  });

  test("the server opens content and close_notify, and seals the same bytes behind its ticket", () => {
    const records = TlsRecords.takeOver(ports, {
      role: "server",
      suite: 0x1301,
      read: start(CLIENT),
      write: start(SERVER, 1),
    });
    expect(opened(records, [CLIENT_RECORD, CLIENT_CLOSE])).toMatchObject({ kind: Opened.End, content: CONTENT });
    expect(Buffer.from(sealed(records, [CONTENT]))).toEqual(SERVER_RECORD);
    const out = block(1);
    records.sealer.end(out);
    expect(Buffer.from(out.memory.bytes.subarray(0, out.used))).toEqual(SERVER_CLOSE);
  });
});
