// What `import … from "vitest"` means under Deno: the same names over Deno.test, with Vitest's own `expect`. Only what the portable
// packages use is here; anything else is missing, so a test that needs it fails by name rather than passing unseen.
import { format } from "node:util";
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  chai,
  customMatchers,
  setState,
} from "@vitest/expect";
import { fn, restoreAllMocks, spyOn } from "@vitest/spy";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

// deno-lint-ignore no-explicit-any
type Any = any;
type Body = (...args: Any[]) => unknown;
type Hook = () => unknown;

export const expect: Any = (value: unknown, message?: string): Any => chai.expect(value, message);
Object.assign(expect, chai.expect, (globalThis as Any)[ASYMMETRIC_MATCHERS_OBJECT]);
expect.unreachable = (message?: string): never => {
  throw new Error(message ?? "Reached what must not be reached");
};
(globalThis as Any)[GLOBAL_EXPECT] = expect;
expect.extend = (matchers: unknown): void => (chai.expect as Any).extend(expect, matchers);
expect.extend(customMatchers);
setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null }, expect);

export const vi = { fn, spyOn, restoreAllMocks };

interface Group {
  readonly name: string;
  readonly parent: Group | null;
  readonly skip: boolean;
  readonly before: Hook[];
  readonly after: Hook[];
  readonly beforeAll: Hook[];
  readonly afterAll: Hook[];
  left: number;
  begun: boolean;
}

const group = (name: string, parent: Group | null, skip: boolean): Group => ({
  ...{ name, parent, skip, before: [], after: [], beforeAll: [], afterAll: [] },
  ...{ left: 0, begun: false },
});
let current = group("", null, false);

const lineage = (g: Group | null): Group[] => (g === null ? [] : [...lineage(g.parent), g]);

export const beforeEach = (hook: Hook): void => void current.before.push(hook);
export const afterEach = (hook: Hook): void => void current.after.push(hook);
export const beforeAll = (hook: Hook): void => void current.beforeAll.push(hook);
export const afterAll = (hook: Hook): void => void current.afterAll.push(hook);

async function run(groups: Group[], body: Body, args: unknown[]): Promise<void> {
  for (const g of groups) {
    if (g.begun) continue;
    g.begun = true;
    for (const hook of g.beforeAll) await hook();
  }
  try {
    for (const hook of groups.flatMap((g) => g.before)) await hook();
    await body(...args);
  } finally {
    for (const hook of groups.toReversed().flatMap((g) => g.after)) await hook();
    for (const g of groups.toReversed()) if (--g.left === 0) for (const hook of g.afterAll) await hook();
  }
}

function add(name: string, body: Body, skip: boolean, args: unknown[] = []): void {
  const groups = lineage(current);
  const ignore = skip || groups.some((g) => g.skip);
  if (!ignore) for (const g of groups) g.left++;
  const full = [...groups.map((g) => g.name).filter((n) => n !== ""), name].join(" > ");
  // Vitest looks neither for leaked timers nor for leaked descriptors, so neither do we.
  Deno.test({ name: full, ignore, sanitizeOps: false, sanitizeResources: false, fn: () => run(groups, body, args) });
}

/** `test(name, body)`, `test(name, options, body)`, `test(name, body, timeoutMs)`. */
const bodyOf = (a: unknown, b: unknown): Body => (typeof a === "function" ? a : b) as Body;

function eachName(pattern: string, row: unknown[], index: number): string {
  const record = row[0] as Record<string, unknown> | null;
  const named = pattern
    .replaceAll("%#", String(index))
    .replaceAll(/\$(\w+)/g, (all, key) =>
      typeof record === "object" && record !== null && key in record ? String(record[key]) : all,
    );
  const used = (named.match(/%[sdifjoO]/g) ?? []).length;
  return format(named, ...row.slice(0, used));
}

function makeTest(skip: boolean): Any {
  const t = (name: string, a: unknown, b?: unknown): void => add(name, bodyOf(a, b), skip);
  t.each = (rows: readonly unknown[]) => (name: string, a: unknown, b?: unknown) =>
    rows.forEach((row, i) => {
      const args = Array.isArray(row) ? row : [row];
      add(eachName(name, args, i), bodyOf(a, b), skip, args);
    });
  t.for = (rows: readonly unknown[]) => (name: string, a: unknown, b?: unknown) =>
    rows.forEach((row, i) => add(eachName(name, Array.isArray(row) ? row : [row], i), bodyOf(a, b), skip, [row]));
  t.skipIf = (condition: unknown) => makeTest(skip || Boolean(condition));
  t.runIf = (condition: unknown) => makeTest(skip || !condition);
  return t;
}

function makeDescribe(skip: boolean): Any {
  const d = (name: string, a: unknown, b?: unknown): void => {
    const outer = current;
    current = group(name, outer, skip);
    try {
      (bodyOf(a, b) as () => void)();
    } finally {
      current = outer;
    }
  };
  d.each = (rows: readonly unknown[]) => (name: string, body: Body) =>
    rows.forEach((row, i) => {
      const args = Array.isArray(row) ? row : [row];
      d(eachName(name, args, i), () => body(...args));
    });
  d.skipIf = (condition: unknown) => makeDescribe(skip || Boolean(condition));
  d.runIf = (condition: unknown) => makeDescribe(skip || !condition);
  d.skip = (name: string, body: Body): void => makeDescribe(true)(name, body);
  return d;
}

export const test = makeTest(false);
test.skip = makeTest(true);
export const it = test;
export const describe = makeDescribe(false);
