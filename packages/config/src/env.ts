import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { z } from "zod";
import { parseDurationMs } from "./duration.ts";

/** `true` or `false`, nothing else. */
export function envFlag(): z.ZodType<boolean, string> {
  return z.enum(["true", "false"], `must be true or false`).transform((text) => text === "true");
}

/** A duration; its value is milliseconds. */
export function envDurationMs(): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms.ok) return ms.value;
    context.addIssue({ code: "custom", message: "must be a duration such as 10s, 5m or 1h30m" });
    return z.NEVER;
  });
}

/** A decimal integer within bounds, both allowed. No sign but `-`, no exponent, no spaces. */
export function envInt(min = 0, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  return z
    .string()
    .refine((text) => /^-?\d{1,16}$/.test(text), { error: "must be a whole number", abort: true })
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be between ${min} and ${max}`);
}

/** An amount of CPU as Kubernetes writes it: `2`, `1.5`, `500m`. Its value is CPUs; more than none. */
export function envCpus(): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,6}(?:\.\d{1,9})?m?$/, { error: "must be an amount of CPU such as 2, 1.5 or 500m", abort: true })
    .transform((text) => (text.endsWith("m") ? Number(text.slice(0, -1)) / 1_000 : Number(text)))
    .refine((cpus) => cpus > 0, "must be more than 0");
}

/** A port, 1 to 65535. */
export function envPort(): z.ZodType<number, string> {
  return envInt(1, 65_535);
}

/** Texts separated by commas; white space around them and empty ones are dropped. */
export function envCommaList(): z.ZodType<readonly string[], string> {
  return z.string().transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
}

/**
 * Validates an environment. The environment is a parameter; nobody reads it again later.
 * @param schema an object schema: keys it does not name are ignored, so its defaults should be generous
 * @returns BAD_INPUT naming every variable that is wrong; values are not repeated, for they may be secret
 */
export function parseEnv<S extends z.ZodType>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): Result<Readonly<z.output<S>>> {
  const r = schema.safeParse(env);
  if (r.success) return ok(Object.freeze(r.data) as Readonly<z.output<S>>);
  const problems = r.error.issues.map((i) => `${i.path.join(".")}: ${missing(i, env) ? "is required" : i.message}`);
  return fail(
    new MeshError(Code.BadInput, `Cannot parse environment: ${problems.join("; ")}`, { problems: problems.length }),
  );
}

function missing(issue: z.core.$ZodIssue, env: Readonly<Record<string, string | undefined>>): boolean {
  const name = issue.path[0];
  return issue.path.length === 1 && typeof name === "string" && env[name] === undefined;
}
