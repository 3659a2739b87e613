import { frameScripts } from "../http2/frame-scripts.ts";
import { messageScript } from "../http2/message-scripts.ts";
import { Peer } from "../http2/peer.ts";
import { type Check, missing } from "../http2/verify.ts";
import { object, text, texts } from "../read-json.ts";
import { type Json, type SuiteDriver, failed, passed } from "../suite-driver.ts";

/** Bytes as the suite writes them: `\x00\x16` and characters. */
function bytesOf(written: string): Uint8Array {
  const units = written.match(/\\x[0-9a-fA-F]{2}|[^]/g) ?? [];
  return Uint8Array.from(units, (u) => (u.length === 4 ? Number.parseInt(u.slice(2), 16) : u.charCodeAt(0)));
}

function checkOf(x: Json): Check {
  const { check, codes } = object(x);
  return { check: text(check), codes: texts(codes) };
}

/**
 * Does to the product's HBONE server and client what h2spec does to a server and a client, and looks at what they do. The frames
 * are made here; the suite names them in words. See `RequestKind` for what stands for the page that h2spec asks for.
 */
export const driver: SuiteDriver = {
  suite: "http2-requirements",
  kindOf: (c) => text(c.input["group"]),
  judge(c) {
    const action = text(c.input["action"]).replaceAll("\\", "");
    const script = frameScripts.get(action) ?? messageScript(action);
    if (script === undefined) return failed(null, `nobody has said what this means: ${action}`);
    const expected = object(c.expected);
    const want = {
      requirement: text(expected["requirement"]),
      checks: ((expected["any"] ?? []) as readonly Json[]).map(checkOf),
      dataLengths: script.dataLengths ?? [],
    };
    const endpoint = text(c.input["group"]) === "client" ? "client" : "server";
    for (const kind of endpoint === "client" ? (["tunnel"] as const) : script.kinds) {
      const peer = new Peer(endpoint, kind);
      if (script.from === "begun") peer.shakeHands();
      script.run(peer, texts(c.input["rawBytes"]).map(bytesOf));
      const what = missing(peer, action, want);
      if (what !== null) return failed(`${kind}: ${what}`);
    }
    return passed;
  },
};
