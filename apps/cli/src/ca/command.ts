import { readFileSync } from "node:fs";
import path from "node:path";
import { Code, MeshError, httpStatus } from "@lateen/errors";
import { sleep, systemClock } from "@lateen/lifecycle";
import { z } from "zod";
import { type Command, EXIT, type Flag, type Given, type Terminal } from "../command.ts";
import { formatOf, outputFlag } from "../output-format.ts";
import { clientOf, meshFlag } from "../local/mesh-access.ts";
import { whyUnreadable } from "../local/manifest-input.ts";
import { renderTable } from "../table.ts";
import { renderValue } from "../ztunnel-config/render.ts";

const certificate = z.looseObject({ serial: z.string(), notBefore: z.string(), notAfter: z.string() });
const page = z.looseObject({
  trustDomain: z.string(),
  roots: z.array(certificate),
  signing: z.array(certificate),
  problems: z.array(z.string()),
  rotation: z.looseObject({
    kind: z.enum(["own", "given"]),
    phase: z.enum(["none", "distribute", "switch", "retire"]),
    serial: z.number(),
    direction: z.enum(["forward", "back"]),
    since: z.string(),
    last: z.looseObject({ outcome: z.string(), ended: z.string() }).nullable(),
    waitingFor: z.array(z.string()),
  }),
});
/** What the control plane says of its authority. */
export type AuthorityPage = z.output<typeof page>;

const accessFlags: Readonly<Record<string, Flag>> = {
  mesh: meshFlag,
  url: { type: "string", value: "URL", help: "debug port of a control plane, such as http://127.0.0.1:15014" },
  "token-file": { type: "string", value: "FILE", help: "token that proves who asks, where it is not on the loopback" },
};
const waitFlag: Flag = { type: "boolean", help: "wait for the end, and say what is waited for" };

const ABOUT =
  "A rotation has three phases. distribute: every proxy is told to trust the new root beside the old one, which signs on.\n" +
  "switch: the new one signs, both are trusted. retire: the new one alone is trusted. The control plane goes on by itself\n" +
  "when every proxy is there; until the last phase it can be rolled back.\n" +
  "On a cluster, --url is where `kubectl -n istio-system port-forward deploy/lateen-controlplane 15014` brings its debug port.";

export const ca: Command = {
  name: "ca",
  summary: "show and rotate the root of a mesh",
  about: ABOUT,
  examples: ["lateenctl ca status", "lateenctl ca rotate --wait", "lateenctl ca status --url http://127.0.0.1:15014"],
  commands: [
    {
      name: "status",
      summary: "show roots, what signs, and what a rotation waits for",
      positionals: [0, 0],
      flags: { ...accessFlags, output: outputFlag },
      run: runStatus,
    },
    {
      name: "rotate",
      summary: "replace the root by a new one, without cutting a connection",
      about: ABOUT,
      positionals: [0, 0],
      flags: { ...accessFlags, wait: waitFlag },
      run: (given, terminal) => runStep("rotate", given, terminal),
    },
    {
      name: "rollback",
      summary: "go back to the root that signed before the rotation that is under way",
      positionals: [0, 0],
      flags: { ...accessFlags, wait: waitFlag },
      run: (given, terminal) => runStep("rollback", given, terminal),
    },
  ],
};

type Ask = (method: "GET" | "POST", path: string) => Promise<string>;

async function runStatus(given: Given, terminal: Terminal): Promise<number> {
  const format = formatOf(given);
  const value = await read(await accessOf(given, terminal));
  terminal.stdout.write(format === "short" ? renderAuthority(value) : renderValue(value, format));
  return EXIT.ok;
}

async function runStep(what: "rotate" | "rollback", given: Given, terminal: Terminal): Promise<number> {
  const ask = await accessOf(given, terminal);
  const page_ = parse(await ask("POST", `/debug/ca/${what}`));
  terminal.stdout.write(`${PLAN}${renderRotation(page_)}`);
  if (!given.on("wait")) return EXIT.ok;
  return waitForEnd(ask, page_, terminal);
}

const PLAN = `1 distribute: every proxy trusts the new root beside the old one
2 switch:     the new root signs, both are trusted
3 retire:     the new root alone is trusted\n`;
const POLL_MS = 500;

/** Prints what changes. @returns failure when it ended another way than it was going */
async function waitForEnd(ask: Ask, from: AuthorityPage, terminal: Terminal): Promise<number> {
  let said = renderRotation(from);
  for (let seen = from; ; seen = await read(ask)) {
    const text = renderRotation(seen);
    if (text !== said) terminal.stdout.write(text);
    said = text;
    const { phase, last } = seen.rotation;
    if (phase === "none") return last?.outcome === wantedEnd(from) ? EXIT.ok : EXIT.failed;
    await sleep(POLL_MS, { clock: systemClock, signal: terminal.interrupted });
  }
}

const wantedEnd = ({ rotation }: AuthorityPage): string =>
  rotation.phase === "none"
    ? (rotation.last?.outcome ?? "")
    : rotation.direction === "back"
      ? "rolled back"
      : "rotated";

/** The whole page for people. */
export function renderAuthority(value: AuthorityPage): string {
  const rows = [
    ...value.signing.map((c, i) => [i === 0 ? "signs" : "above it", c.serial, c.notBefore, c.notAfter]),
    ...value.roots.map((c) => ["trusted root", c.serial, c.notBefore, c.notAfter]),
  ];
  const problems = value.problems.length === 0 ? "" : `problems\n${value.problems.map((p) => `  ${p}\n`).join("")}`;
  return `${renderTable(["CERTIFICATE", "SERIAL NUMBER", "NOT BEFORE", "NOT AFTER"], rows, 3)}${renderRotation(value)}${problems}`;
}

/** Where a rotation stands, and what it waits for. */
export function renderRotation({ rotation: r }: AuthorityPage): string {
  const waits = r.waitingFor.map((w) => `  ${w}\n`).join("");
  if (r.phase === "none") {
    const last = r.last === null ? "" : `; the last one: ${r.last.outcome}, ${r.last.ended}`;
    const head = `rotation: none${last}\n`;
    if (r.kind === "own") return head;
    const safe =
      waits === "" ? "the next change of them is safe\n" : `the next change of them is not safe yet:\n${waits}`;
    return `the keys were plugged in: who made them changes them; ${safe}`;
  }
  const back = r.direction === "back" ? ", rolling back" : "";
  return `rotation: phase ${r.phase}${back}, since ${r.since}${waits === "" ? "\n" : `, waits for\n${waits}`}`;
}

const read = async (ask: Ask): Promise<AuthorityPage> => parse(await ask("GET", "/debug/ca"));

function parse(text: string): AuthorityPage {
  const parsed = page.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new MeshError(
    Code.Unavailable,
    "Cannot read what the control plane says of its authority: it is another release",
  );
}

async function accessOf(given: Given, terminal: Terminal): Promise<Ask> {
  const url = given.text("url");
  if (url !== "")
    return (method, where) => fetchFrom(url, { method, where, token: tokenOf(given, terminal) }, terminal);
  const client = await clientOf(given, terminal);
  return (method, where) => client.controlPlane(method, where);
}

async function fetchFrom(
  base: string,
  o: { readonly method: string; readonly where: string; readonly token: string | null },
  terminal: Terminal,
): Promise<string> {
  const headers = o.token === null ? {} : { authorization: `Bearer ${o.token}` };
  const cannot = (why: string, code: Code, cause?: unknown): MeshError =>
    new MeshError(code, `Cannot ask the control plane at ${base}: ${why}`, {}, cause);
  let answer: Response;
  try {
    answer = await fetch(new URL(o.where, base), { method: o.method, headers, signal: terminal.interrupted });
  } catch (e) {
    throw cannot(e instanceof Error ? `${e.message}${causeOf(e)}` : String(e), Code.Unavailable, e);
  }
  const text = await answer.text();
  if (answer.ok) return text;
  const code = Object.values(Code).find((c) => httpStatus[c] === answer.status) ?? Code.Unavailable;
  throw cannot(text.trim() || `it answered ${answer.status}`, code);
}

const causeOf = ({ cause }: Error): string =>
  cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : "";

function tokenOf(given: Given, terminal: Terminal): string | null {
  const file = given.text("token-file");
  if (file === "") return null;
  try {
    return readFileSync(path.resolve(terminal.cwd, file), "utf8").trim();
  } catch (e) {
    throw new MeshError(Code.BadInput, `Cannot read "${file}": ${whyUnreadable(e)}`, {}, e);
  }
}
