/** One thing wrong with an object, at the path of a field; the empty path is the object itself. */
export interface FieldProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** `spec.rules[0].to[1].operation`, as Kubernetes writes paths. */
export function formatPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((out, step) => {
    if (typeof step === "number") return `${out}[${step}]`;
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) return out === "" ? step : `${out}.${step}`;
    return `${out}[${JSON.stringify(step)}]`;
  }, "");
}
