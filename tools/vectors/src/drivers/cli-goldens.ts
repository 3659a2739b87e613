import { Readable, Writable } from "node:stream";
import {
  type OutputFormat,
  type SectionName,
  type Terminal,
  parseConfigDump,
  renderSection,
  runCli,
  sectionAliases,
} from "@lateen/cli";
import { object, text } from "../read-json.ts";
import {
  type Json,
  type JsonObject,
  type SuiteDriver,
  type SuiteFile,
  type Verdict,
  compare,
  failed,
  passed,
  unsupported,
} from "../suite-driver.ts";

const NO_MESH = "/nonexistent";

/** What a command printed, or that it failed. */
type Printed = { readonly t: "printed"; readonly text: string } | { readonly t: "refused"; readonly why: string };

class Written extends Writable {
  text = "";

  override _write(chunk: Uint8Array | string, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs a command line of the product, with the config dump on its standard input. */
async function run(args: readonly string[], dump: string): Promise<Printed> {
  const [stdout, stderr] = [new Written(), new Written()];
  const terminal: Terminal = {
    env: { LATEEN_STATE_HOME: NO_MESH },
    uid: 0,
    cwd: NO_MESH,
    stdin: Readable.from([dump]),
    stdout,
    stderr,
    nowMs: () => Date.now(),
    interrupted: new AbortController().signal,
    onSignals: () => ({ [Symbol.dispose]: () => undefined }),
  };
  const code = await runCli([...args, "--file", "-"], terminal);
  return code === 0 ? { t: "printed", text: stdout.text } : { t: "refused", why: stderr.text };
}

/** One workload of the dump: on the command line it is named by its pod, which needs a running mesh. */
function ofWorkload(words: readonly string[], dump: string, workload: { name: string; namespace: string }): Printed {
  const parsed = parseConfigDump(dump);
  if (!parsed.ok) return { t: "refused", why: parsed.error.message };
  const [, name = "", flag, value] = words;
  const section = (Object.keys(sectionAliases) as SectionName[]).find((s) => sectionAliases[s].includes(name));
  if (section === undefined) throw new TypeError(`no section ${name}`);
  const format = flag === "-o" ? (value as OutputFormat) : "short";
  return {
    t: "printed",
    text: renderSection(parsed.value, { section, format, nowMs: Date.now(), filter: { workload } }),
  };
}

/** The dump of a case: as text, as an object, or by the name of a table of the file. */
function dumpOf(input: JsonObject, file: SuiteFile): string {
  if (input["configDumpText"] !== undefined) return text(input["configDumpText"]);
  if (input["configDumpInline"] !== undefined) return JSON.stringify(input["configDumpInline"]);
  const path = text(input["configDump"]).split(".");
  const fixtures = file.raw["fixtures"];
  const from = path.length === 1 && fixtures !== undefined ? object(fixtures) : file.raw;
  const found = path.reduce<Json | undefined>((at, key) => object(at)[key], from);
  if (found === undefined) throw new TypeError(`no table ${text(input["configDump"])}`);
  return typeof found === "string" ? found : JSON.stringify(found);
}

/** Whether every field that is stated is there; of lists, in the same order. */
function holds(got: unknown, stated: Json): boolean {
  if (Array.isArray(stated))
    return Array.isArray(got) && stated.length === got.length && stated.every((s, i) => holds(got[i], s as Json));
  if (typeof stated !== "object" || stated === null) return compare(got, stated).t === "passed";
  if (typeof got !== "object" || got === null) return false;
  return Object.entries(stated).every(([key, s]) => holds((got as Readonly<Record<string, unknown>>)[key], s));
}

/** Every expectation of a case that is stated; one that has no meaning here is unsupported. */
function judge(printed: Printed, expected: JsonObject): Verdict {
  if (isRefusal(expected)) return printed.t === "refused" ? passed : failed(printed.text);
  if (printed.t === "refused") return failed(printed.why);
  const json = (): Json => JSON.parse(printed.text) as Json;
  for (const [key, want] of Object.entries(expected)) {
    if (key === "stdout") {
      const lines = compare(printed.text.split("\n"), typeof want === "string" ? want.split("\n") : want);
      if (lines.t !== "passed") return lines;
    } else if (key === "json") {
      const same = compare(json(), want);
      if (same.t !== "passed") return same;
    } else if (key === "jsonContains") {
      if (!holds(json(), want)) return failed(json());
    } else if (/^[a-z]+Count$/.test(key)) {
      const list = json();
      if (!Array.isArray(list) || list.length !== want) return failed(Array.isArray(list) ? list.length : list);
    } else if (!/^error/.test(key)) return unsupported(`no expectation ${key}`);
  }
  return passed;
}

/** The wording of an error is the peer's own: that there is one counts. */
function isRefusal(expected: JsonObject): boolean {
  return Object.entries(expected).some(([key, value]) => /^error/.test(key) && value !== false && value !== "");
}

const commandOf = (input: JsonObject): readonly string[] => text(input["command"]).split(/\s+/).filter(Boolean);

/** Command lines and what they print; `ztunnel-config` of a config dump is the part that there is. */
export const driver: SuiteDriver = {
  suite: "cli-goldens",
  kindOf: (c) => commandOf(c.input)[0] ?? "",
  async judge({ input, expected }, file) {
    const words = commandOf(input);
    if (words[0] !== "ztunnel-config" && words[0] !== "zc") return unsupported(`no command ${words[0] ?? ""}`);
    const dump = dumpOf(input, file);
    const { workload, namespace } = input;
    const printed =
      workload === undefined || workload === ""
        ? await run([...words, ...flagsOf(words[1] ?? "", input)], dump)
        : ofWorkload(words, dump, { name: text(workload), namespace: text(namespace ?? "") });
    return judge(printed, object(expected));
  },
};

/** What narrows a listing may stand beside the command instead of in it. */
function flagsOf(section: string, input: JsonObject): readonly string[] {
  const kind = /^s/.test(section) ? "service" : /^p/.test(section) ? "policy" : "workload";
  const flags: Readonly<Record<string, string>> = {
    headers: "--with-headers",
    raw: "--raw",
    direction: "--direction",
    address: "--address",
    node: "--workload-node",
    namespace: `--${kind}-namespace`,
  };
  return Object.entries(flags).flatMap(([key, flag]) => {
    const value = input[key];
    if (value === undefined || value === "" || value === false) return [];
    return value === true ? [flag] : [flag, text(value)];
  });
}
