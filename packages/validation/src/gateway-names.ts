import { type Findings, quoted } from "./findings.ts";
import { domainProblem, isDnsLabel } from "./names.ts";

/** Gateways that routes apply at: `mesh`, a name, or `namespace/name`. */
export function checkGatewayNames(names: readonly string[] | undefined, f: Findings): void {
  for (const [i, name] of (names ?? []).entries()) {
    const at = f.at(i);
    const slash = name.indexOf("/");
    if (slash < 0) {
      const [first = "", second = ""] = name.split(".");
      if (name.includes(".")) at.warn(`${quoted(name)} is an old form: write ${quoted(`${second}/${first}`)}`);
      at.check(domainProblem(name));
      continue;
    }
    const wrong = [name.slice(0, slash), name.slice(slash + 1)].find((part) => !isDnsLabel(part));
    if (wrong !== undefined) at.error(`${quoted(name)} is not NAMESPACE/NAME of a gateway`);
  }
}
