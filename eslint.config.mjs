// The house rules that a machine can hold. What each banned thing is banned for, and what to use instead, stands in its message.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import nx from "@nx/eslint-plugin";
import tseslint from "typescript-eslint";

const root = import.meta.dirname;
const TESTS = ["**/*.test.ts", "**/*.test.support.ts", "**/suite.ts", "**/*.suite.ts"];
const TYPED = process.env["LINT_TYPED"] !== "0";

const manifests = ["packages", "apps", "tools"].flatMap((group) =>
  (existsSync(`${root}/${group}`) ? readdirSync(`${root}/${group}`) : [])
    .filter((name) => existsSync(`${root}/${group}/${name}/package.json`))
    .map((name) => ({
      dir: `${group}/${name}`,
      ...JSON.parse(readFileSync(`${root}/${group}/${name}/package.json`, "utf8")),
    })),
);

/** Globs of the projects that carry a tag. */
const foldersOf = (tag) => manifests.filter((m) => m.nx?.tags?.includes(tag)).map((m) => `${m.dir}/**/*.ts`);
const PURE = [...foldersOf("layer:core"), ...foldersOf("layer:protocol")];

// --- Who may import whom: the table of layers and scopes ---
const MAY_IMPORT = {
  base: ["base"],
  core: ["base", "core"],
  protocol: ["base", "core", "protocol"],
  io: ["base", "core", "protocol", "io"],
  app: ["base", "core", "protocol", "io"],
  test: ["test"], // of ours nothing else: a package's tests import it, and that package must not come back
  tool: ["base", "core", "protocol", "io", "app", "test", "tool"],
};
const SCOPES = [...new Set(manifests.flatMap((m) => m.nx?.tags ?? []))].filter((tag) => /^scope:(?!shared$)/.test(tag));

function boundaries(...extra) {
  const layers = Object.entries(MAY_IMPORT).map(([layer, may]) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: [...may, ...extra].map((l) => `layer:${l}`),
  }));
  const scopes = SCOPES.map((scope) => ({
    sourceTag: scope,
    onlyDependOnLibsWithTags: [scope, "scope:shared"],
  }));
  const depConstraints = [...layers, ...scopes];
  return [
    "error",
    { allow: [], enforceBuildableLibDependency: false, banTransitiveDependencies: false, depConstraints },
  ];
}

// --- Banned imports ---
const bareBuiltins = builtinModules
  .filter((name) => !name.startsWith("_") && !name.includes(":"))
  .map((name) => ({ name, message: `A bare name may be a package of that name: import "node:${name}".` }));
const KOFFI = {
  name: "koffi",
  message:
    "Calls into C can crash the process, so they live in one audited place: use @lateen/linux, or add the call there.",
};
const SPAWN = {
  name: "node:child_process",
  message: "No default path executes a program: use @lateen/linux. Only the local mesh and its CLI start processes.",
};
const NODE = {
  group: ["node:*"],
  message:
    "Core and protocol packages are pure, so that Deno and tests run them unchanged: take it as a parameter, or move up to io.",
};
const OTHERS_INSIDES = {
  group: ["@lateen/*/src/*", "@lateen/*/dist/*"],
  message: "The insides of a package may change at any time: import what its index.ts exports.",
};
const imports = (paths, patterns = []) => [
  "error",
  { paths: [...bareBuiltins, ...paths], patterns: [OTHERS_INSIDES, ...patterns] },
];

// --- Banned globals and syntax ---
const asParameter = (what, use) => `${what} makes pure code depend on the world: take ${use} as a parameter.`;
const IMPORTED_GLOBALS = ["process", "Buffer"].map((name) => ({
  name,
  message: `Not every runtime has this global: import it from "node:${name.toLowerCase()}".`,
}));
const IMPURE_GLOBALS = [
  { name: "process", message: asParameter("process", "what you read from it") },
  { name: "Buffer", message: "Not every runtime has Buffer: use Uint8Array and DataView." },
  ...["setTimeout", "setInterval", "setImmediate"].map((name) => ({ name, message: asParameter(name, "a clock") })),
  { name: "fetch", message: asParameter("fetch", "a function that fetches") },
  { name: "console", message: "Pure code does not print: return a value, or take a logger as a parameter." },
  { name: "crypto", message: asParameter("crypto", "SubtleCrypto or random bytes") },
];
const IMPURE_PROPERTIES = [
  { object: "Math", property: "random", message: asParameter("Math.random", "random()") },
  { object: "Date", property: "now", message: asParameter("Date.now", "nowMs") },
  { object: "performance", property: "now", message: asParameter("performance.now", "nowMs") },
];
/** V8 takes such a function for one that lives as long as its object's class, and makes it old at once (ADR 0016). */
const CLOSURE_SYNTAX = {
  selector:
    "AssignmentExpression[left.type='MemberExpression'] > :matches(ArrowFunctionExpression, FunctionExpression).right",
  message:
    "A function that is written where a property is assigned begins its life in the old generation, with all that it sees: name it first.",
};
const SYNTAX = [
  {
    selector: "TSEnumDeclaration",
    message: "Enums do not erase to JavaScript: use an `as const` object and a type of its name.",
  },
  { selector: "TSModuleDeclaration[kind='namespace']", message: "Namespaces do not erase: use a module." },
  {
    selector: "ExportDefaultDeclaration",
    message: "A default export has another name at each import: export by name.",
  },
];
const CLOCK_SYNTAX = {
  selector: "NewExpression[callee.name='Date'][arguments.length=0]",
  message: asParameter("new Date()", "nowMs"),
};
const ENV_SYNTAX = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: "Only main.ts reads the environment, once: pass a parsed config down.",
};

const TS_RULES = {
  "@typescript-eslint/no-explicit-any": "error",
  "@typescript-eslint/ban-ts-comment": [
    "error",
    { "ts-expect-error": "allow-with-description", "ts-ignore": true, "ts-nocheck": true },
  ],
  "@typescript-eslint/explicit-module-boundary-types": "error",
  "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
  "@typescript-eslint/no-unused-vars": [
    "error",
    { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "all" },
  ],
  "no-empty": "error",
  "no-var": "error",
  "prefer-const": "error",
  eqeqeq: ["error", "always", { null: "ignore" }],
  "no-debugger": "error",
  "no-self-compare": "error",
  "no-unreachable": "error",
};
const SIZE_RULES = {
  "max-lines": ["error", { max: 500 }],
  "max-lines-per-function": ["error", { max: 80, skipComments: true, skipBlankLines: true }],
  "max-params": ["error", { max: 4 }],
};

export default tseslint.config(
  {
    ignores: [
      "**/dist/**",
      "apps/*/bundle/**",
      "**/node_modules/**",
      "**/testdata/**",
      ".nx/**",
      "**/*.generated.*",
      "**/generated/**",
      "tools/workspace/deno/**",
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    plugins: { "@typescript-eslint": tseslint.plugin, "@nx": nx },
    languageOptions: { parser: tseslint.parser },
    rules: {
      ...TS_RULES,
      ...SIZE_RULES,
      "@nx/enforce-module-boundaries": boundaries(),
      "no-restricted-imports": imports([KOFFI, SPAWN]),
      "no-restricted-globals": ["error", ...IMPORTED_GLOBALS],
      "no-restricted-syntax": ["error", ...SYNTAX, ENV_SYNTAX, CLOSURE_SYNTAX],
    },
  },
  { files: ["packages/linux/**/*.ts"], rules: { "no-restricted-imports": imports([SPAWN]) } },
  // The one place that starts a process inside a namespace, for the local mesh.
  { files: ["packages/linux/src/spawn-in.ts"], rules: { "no-restricted-imports": imports([KOFFI]) } },
  { files: ["packages/local-mesh/**/*.ts", "apps/cli/**/*.ts"], rules: { "no-restricted-imports": imports([KOFFI]) } },
  {
    files: PURE,
    rules: {
      "no-restricted-imports": imports([KOFFI], [NODE]),
      "no-restricted-globals": ["error", ...IMPURE_GLOBALS],
      "no-restricted-properties": ["error", ...IMPURE_PROPERTIES],
      "no-restricted-syntax": ["error", ...SYNTAX, ENV_SYNTAX, CLOCK_SYNTAX, CLOSURE_SYNTAX],
    },
  },
  {
    files: ["apps/*/src/main.ts", "packages/testkit/**/*.ts", "tools/**/*.ts", "e2e/**/*.ts", "**/bench/**/*.ts"],
    rules: { "no-restricted-syntax": ["error", ...SYNTAX] },
  },
  {
    files: ["tools/**/*.ts", "e2e/**/*.ts", "**/bench/**/*.ts"],
    rules: {
      "no-restricted-imports": imports([KOFFI]),
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
    },
  },
  {
    // They measure and test from the outside: by package name, whatever the layer.
    files: ["tools/**/*.ts", "e2e/**/*.ts", "**/bench/**/*.ts"],
    rules: { "@nx/enforce-module-boundaries": "off" },
  },
  {
    files: TESTS,
    rules: {
      "@nx/enforce-module-boundaries": boundaries("test"),
      "no-restricted-imports": imports([]),
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "no-restricted-syntax": ["error", ...SYNTAX],
      "max-lines-per-function": "off",
      "max-params": "off", // rows of a table arrive as parameters
    },
  },
  // Calls into C have the parameters that C gives them.
  { files: ["packages/linux/src/**/native*.ts"], rules: { "max-params": "off" } },
  // Tables of data are long by nature.
  { files: ["**/*-table.ts", "**/*-tables.ts"], rules: { "max-lines": "off", "max-lines-per-function": "off" } },
  { files: ["**/vitest*.config.ts"], rules: { "no-restricted-syntax": "off" } },
  TYPED
    ? {
        files: ["{packages,apps,tools}/*/src/**/*.ts", "e2e/**/*.ts"],
        plugins: { "@typescript-eslint": tseslint.plugin },
        languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
        rules: { "@typescript-eslint/no-floating-promises": ["error", { ignoreVoid: true }] },
      }
    : {},
);
