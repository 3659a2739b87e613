// The house anatomy of packages and apps, as text. Pure: options in, files out.

const pascal = (name) => name.replace(/(^|-)([a-z0-9])/g, (_all, _dash, c) => c.toUpperCase());
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);

export const mapRow = (dir, description) => `| ${lowerFirst(description)} | \`${dir}\` |`;

function manifest({ name, description }, tags, dependencies) {
  return {
    name: `@lateen/${name}`,
    version: "0.0.0",
    description,
    license: "Apache-2.0",
    type: "module",
    engines: { node: ">=22.18" },
    exports: {
      ".": {
        "lateen:source": "./src/index.ts",
        types: "./dist/index.d.ts",
        default: "./dist/index.js",
      },
      "./package.json": "./package.json",
    },
    files: ["dist", "src", "!**/*.test.*", "!dist/.tsbuildinfo", "README.md"],
    sideEffects: false,
    nx: { tags },
    dependencies: Object.fromEntries(dependencies.map(([dependency, version]) => [dependency, version])),
  };
}

const tsconfig = (references) => ({
  extends: "../../tsconfig.base.json",
  compilerOptions: { rootDir: "src", outDir: "dist", tsBuildInfoFile: "dist/.tsbuildinfo" },
  include: ["src"],
  references: references.map((path) => ({ path })),
});

function packageSource(name) {
  const type = pascal(name);
  return `import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** What this package is about, in one sentence. */
export interface ${type} {
  readonly name: string;
}

const MAX_LENGTH = 253;

/**
 * Parses the text form: say what it promises, in which units, and which document it follows.
 * @returns BAD_INPUT when the text is empty, too long, or holds white space
 */
export function parse${type}(text: string): Result<${type}> {
  if (text.length > 0 && text.length <= MAX_LENGTH && !/\\s/.test(text)) return ok({ name: text });
  const shown = JSON.stringify(text.slice(0, 60));
  return fail(new MeshError(Code.BadInput, \`Cannot parse ${name}: \${shown} is not 1 to \${MAX_LENGTH} characters without spaces\`));
}
`;
}

function packageTest(name) {
  const type = pascal(name);
  return `import fc from "fast-check";
import { expect, test } from "vitest";
import { parse${type} } from "./${name}.ts";

test.each(["", "a b", "\\n", "x".repeat(254)])("%j is refused", (text) =>
  expect(parse${type}(text)).toMatchObject({ ok: false, error: { code: "BAD_INPUT" } }),
);

test("a name is kept as it is", () =>
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9.-]{1,253}$/), (text) => {
      expect(parse${type}(text)).toEqual({ ok: true, value: { name: text } });
    }),
  ));
`;
}

function packageReadme({ name, description }) {
  const type = pascal(name);
  return `# @lateen/${name}

${description}.

| Door | Promise |
| --- | --- |
| \`parse${type}(text)\` | text → \`Result\` of a \`${type}\`; never throws |

\`\`\`ts
import { parse${type} } from "@lateen/${name}";

const r = parse${type}("example");
console.log(r.ok ? r.value.name : r.error.message);
\`\`\`
`;
}

/** @returns file name → text, relative to the package's folder */
export function packageFiles(options) {
  const { name, layer } = options;
  return new Map([
    ["package.json", json(manifest(options, [`layer:${layer}`, "scope:shared"], [["@lateen/errors", "0.0.0"]]))],
    ["tsconfig.json", json(tsconfig(["../errors"]))],
    ["README.md", packageReadme(options)],
    ["src/index.ts", `export { type ${pascal(name)}, parse${pascal(name)} } from "./${name}.ts";\n`],
    [`src/${name}.ts`, packageSource(name)],
    [`src/${name}.test.ts`, packageTest(name)],
  ]);
}

const APP_CONFIG = `import { envDurationMs, envFlag, parseEnv } from "@lateen/config";
import type { Result } from "@lateen/errors";
import { z } from "zod";

const Env = z.object({
  /** \`true\`: log lines are JSON. */
  LOG_JSON: envFlag().default(false),
  /** How long open work may take after the first signal. */
  TERMINATION_GRACE: envDurationMs().default(5_000),
});

export type Config = Readonly<z.output<typeof Env>>;

/** @returns BAD_INPUT naming every variable that is wrong */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Result<Config> {
  return parseEnv(Env, env);
}
`;

const APP_CONFIG_TEST = `import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";

test("an empty environment gives the defaults", () =>
  expect(parseConfig({})).toEqual({ ok: true, value: { LOG_JSON: false, TERMINATION_GRACE: 5_000 } }));

test("every wrong variable is named at once", () => {
  const r = parseConfig({ LOG_JSON: "yes", TERMINATION_GRACE: "soon" });
  expect(r.ok ? "" : r.error.message).toMatch(/LOG_JSON.*TERMINATION_GRACE/);
});
`;

const appWire = (name) => `import { type Drain, createDrain } from "@lateen/lifecycle";
import { type Logger, createLogging } from "@lateen/telemetry";
import type { Config } from "./config.ts";

/** What the app needs of the world. */
export interface World {
  readonly write: (line: string) => void;
  readonly nowMicros: () => number;
}

/** The app, put together and not yet started. */
export interface App {
  readonly log: Logger;
  readonly drain: Drain;
  /** Runs until the signal aborts and everything held is released. */
  run(signal: AbortSignal): Promise<void>;
}

/** Constructs everything. No I/O before \`run\`. */
export function wire(config: Config, world: World): App {
  const logging = createLogging({ ...world, format: config.LOG_JSON ? "json" : "text" });
  const log = logging.logger("${name}");
  const drain = createDrain();
  return {
    log,
    drain,
    async run(signal) {
      log.info("started");
      await new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      log.info("ended", { outcome: await drain.run(config.TERMINATION_GRACE) });
    },
  };
}
`;

const APP_WIRE_TEST = `import { expect, test } from "vitest";
import { wire } from "./wire.ts";

test("it starts, drains at the signal, and ends", async () => {
  const lines: string[] = [];
  const config = { LOG_JSON: false, TERMINATION_GRACE: 5_000 };
  const app = wire(config, { write: (line) => void lines.push(line), nowMicros: () => 0 });
  const stop = new AbortController();
  const held = app.drain.hold();
  const ended = app.run(stop.signal);
  stop.abort();
  held[Symbol.dispose]();
  await ended;
  expect(lines.map((l) => l.split("\\t").slice(3).join(" "))).toEqual(["started", 'ended outcome="clean"']);
});
`;

const APP_MAIN = `import process from "node:process";
import { parseConfig } from "./config.ts";
import { wire } from "./wire.ts";

const config = parseConfig(process.env);
if (config.ok) {
  const stop = new AbortController();
  const keepAlive = setInterval(() => undefined, 2 ** 30);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const world = { write: (line: string) => void process.stdout.write(\`\${line}\\n\`), nowMicros: () => Date.now() * 1_000 };
  await wire(config.value, world).run(stop.signal);
  clearInterval(keepAlive);
} else {
  process.stderr.write(\`\${config.error.message}\\n\`);
  process.exitCode = 2;
}
`;

function appReadme({ name, description }) {
  return `# @lateen/${name}

${description}.

- \`src/main.ts\`: arguments, environment, signals, exit code.
- \`src/wire.ts\`: constructs everything; no I/O before \`run\`.
- \`src/config.ts\`: the environment, parsed once.

\`\`\`ts
import { parseConfig, wire } from "@lateen/${name}";

const config = parseConfig({});
if (!config.ok) throw config.error;
const app = wire(config.value, { write: console.log, nowMicros: () => Date.now() * 1_000 });
await app.run(AbortSignal.abort());
\`\`\`
`;
}

/** @returns file name → text, relative to the app's folder */
export function appFiles(options) {
  const dependencies = ["config", "errors", "lifecycle", "telemetry"];
  const own = dependencies.map((d) => [`@lateen/${d}`, "0.0.0"]);
  const references = dependencies.map((d) => `../../packages/${d}`);
  return new Map([
    ["package.json", json(manifest(options, ["layer:app", `scope:${options.name}`], [...own, ["zod", "4.6.7"]]))],
    ["tsconfig.json", json(tsconfig(references))],
    ["README.md", appReadme(options)],
    [
      "src/index.ts",
      `export { type Config, parseConfig } from "./config.ts";\nexport { type App, type World, wire } from "./wire.ts";\n`,
    ],
    ["src/config.ts", APP_CONFIG],
    ["src/config.test.ts", APP_CONFIG_TEST],
    ["src/wire.ts", appWire(options.name)],
    ["src/wire.test.ts", APP_WIRE_TEST],
    ["src/main.ts", APP_MAIN],
  ]);
}
