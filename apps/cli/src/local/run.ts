import type { MeshClient } from "@lateen/local-mesh";
import { type Command, type Flag, Interruption, type Terminal, UsageError } from "../command.ts";
import { clientOf, meshFlag, namespaceFlag, withNamespace } from "./mesh-access.ts";
import { pairs } from "./name-values.ts";

const envFlag: Flag = {
  type: "string",
  short: "e",
  value: "NAME=VALUE",
  multiple: true,
  help: "environment variable of the command (repeatable)",
};

/** Habits of `kubectl exec -it`: here the terminal is always the command's. */
const terminalFlags: Readonly<Record<string, Flag>> = {
  stdin: { type: "boolean", short: "i", help: "the command has this standard input (always so)" },
  tty: { type: "boolean", short: "t", help: "the command has this terminal, if there is one (always so)" },
};

export const run: Command = {
  name: "run",
  summary: "run a command of this machine as a pod of the mesh",
  usage: "--as NAMESPACE/SERVICEACCOUNT -- COMMAND [ARGUMENT...]",
  about:
    "The pod is captured before the command starts, and gone when it ends. The command has this terminal, folder and\n" +
    "environment; its exit code is this command's.",
  examples: [
    "lateenctl local run --as shop/frontend -- curl -s http://catalog/",
    "lateenctl local run --as shop/default --node node-2 -- bash",
  ],
  positionals: [0, 0],
  flags: {
    as: { type: "string", value: "NS/SA", help: "namespace and service account, which are its identity" },
    node: { type: "string", value: "NODE", help: "node to run on (default: the one with the fewest pods)" },
    unmeshed: { type: "boolean", help: "as a pod that the mesh leaves alone" },
    label: { type: "string", short: "l", value: "KEY=VALUE", multiple: true, help: "label of the pod (repeatable)" },
    env: envFlag,
    ...terminalFlags,
    mesh: meshFlag,
  },
  takesCommand: true,
  cleansUp: true,
  async run(given, terminal) {
    const [namespace = "", serviceAccount = "", ...more] = given.text("as").split("/");
    if (given.text("as") === "") throw new UsageError("required flag --as not set: need NAMESPACE/SERVICEACCOUNT");
    if (namespace === "" || serviceAccount === "" || more.length > 0)
      throw new UsageError(`invalid argument "${given.text("as")}" for --as: need NAMESPACE/SERVICEACCOUNT`);
    const client = await clientOf(given, terminal);
    const node = given.text("node");
    return attached(terminal, client, {
      t: "run",
      namespace,
      serviceAccount,
      node: node === "" ? null : node,
      meshed: !given.on("unmeshed"),
      labels: pairs(given.texts("label"), "--label"),
      argv: given.rest,
      env: { ...definite(terminal.env), ...pairs(given.texts("env"), "--env") },
      cwd: terminal.cwd,
    });
  },
};

export const exec: Command = {
  name: "exec",
  summary: "run a command in a pod that is there",
  usage: "POD[.NAMESPACE] -- COMMAND [ARGUMENT...]",
  about:
    "POD may be a Deployment or svc/NAME: then one of its ready pods is taken. The command's exit code is this one's.",
  examples: [
    "lateenctl local exec frontend -- node get.mjs http://catalog/",
    "lateenctl local exec deploy/catalog.shop -- sh",
  ],
  positionals: [1, 1],
  flags: { namespace: namespaceFlag, env: envFlag, ...terminalFlags, mesh: meshFlag },
  takesCommand: true,
  cleansUp: true,
  async run(given, terminal) {
    const client = await clientOf(given, terminal);
    const term = terminal.env["TERM"];
    return attached(terminal, client, {
      t: "exec",
      pod: withNamespace(given.positionals[0] ?? "", given.text("namespace")),
      argv: given.rest,
      env: { ...(term === undefined ? {} : { TERM: term }), ...pairs(given.texts("env"), "--env") },
    });
  },
};

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;
const ENDING: ReadonlySet<string> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/**
 * This process's own streams go to the command; its signals follow, and its exit code comes back. While its pod is still being
 * captured a signal gives it up; who asks twice does not wait for the mesh to agree.
 */
async function attached(
  terminal: Terminal,
  client: MeshClient,
  request: Parameters<MeshClient["attach"]>[0],
): Promise<number> {
  using command = await client.attach(request, [0, 1, 2]);
  let runs = false;
  let asked: Interruption | null = null;
  const { promise: askedTwice, resolve: giveUp } = Promise.withResolvers<number>();
  using _signals = terminal.onSignals(FORWARDED, (name) => {
    void command.signal(name).catch(() => undefined); // it has ended: its exit code is on the way
    if (runs || !ENDING.has(name)) return;
    if (asked !== null) giveUp(asked.exit);
    asked = new Interruption(name);
  });
  const early: unknown = terminal.interrupted.reason;
  if (early instanceof Interruption) return early.exit; // it came before the line above
  const ended = command.started.then(
    ({ warnings }) => {
      runs = true;
      for (const warning of warnings) terminal.stderr.write(`Warning: ${warning}\n`);
      return command.exitCode;
    },
    (e: unknown) => {
      if (asked !== null) return asked.exit;
      throw e;
    },
  );
  return await Promise.race([ended, askedTwice]);
}

function definite(env: Terminal["env"]): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}
