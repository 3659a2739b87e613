import { expect, test } from "vitest";
import { z } from "zod";
import { envCommaList, envCpus, envDurationMs, envFlag, envInt, envPort, parseEnv } from "./env.ts";

const schema = z.object({
  NAME: z.string(),
  IPV6_ENABLED: envFlag().default(true),
  PORT: envPort().default(15_012),
  GRACE: envDurationMs().default(5_000),
  WORKERS: envInt(0, 64).optional(),
  TAGS: envCommaList().default([]),
});

test("gives typed values, with defaults for what is not set, frozen", () => {
  const r = parseEnv(schema, {
    NAME: "a",
    GRACE: "1m",
    IPV6_ENABLED: "false",
    WORKERS: "4",
    TAGS: "x, y,,",
    OTHER: "1",
  });
  const value = { NAME: "a", IPV6_ENABLED: false, PORT: 15_012, GRACE: 60_000, WORKERS: 4, TAGS: ["x", "y"] };
  expect(r).toEqual({ ok: true, value });
  expect(r.ok && Object.isFrozen(r.value)).toBe(true);
});

test("every problem is reported at once, with its variable and without its value", () => {
  const r = parseEnv(schema, { PORT: "0", GRACE: "soon", IPV6_ENABLED: "yes", WORKERS: "1e1" });
  expect(r.ok ? "" : r.error.message).toBe(
    "Cannot parse environment: NAME: is required; IPV6_ENABLED: must be true or false; PORT: must be between 1 and 65535; " +
      "GRACE: must be a duration such as 10s, 5m or 1h30m; WORKERS: must be a whole number",
  );
});

test.each(["", " 1", "1 ", "0x10", "1.0", "+1", "12345678901234567"])("%j is no whole number", (text) =>
  expect(envInt().safeParse(text).success).toBe(false),
);

test.each([
  ["2", 2],
  ["1.5", 1.5],
  ["500m", 0.5],
])("%j is %d CPUs", (text, cpus) => expect(envCpus().parse(text)).toBe(cpus));

test.each(["0", "0m", "", "two", "1e3", "-1"])("%j is no amount of CPU", (text) =>
  expect(envCpus().safeParse(text).success).toBe(false),
);
