import { isInterfaceName, type InPodOptions } from "./in-pod-plan.ts";

export const BYPASS_INBOUND_ANNOTATION = "ambient.istio.io/bypass-inbound-capture";
export const VIRTUAL_INTERFACES_ANNOTATION = "istio.io/reroute-virtual-interfaces";
export const DNS_CAPTURE_ANNOTATION = "ambient.istio.io/dns-capture";

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);
const MAX_INTERFACES = 64;

/** What a pod's annotations ask for, and what in them could not be understood. */
export interface AnnotatedOptions {
  readonly options: InPodOptions;
  /** One sentence for each value that was ignored. */
  readonly warnings: readonly string[];
}

function readBoolean(
  annotations: Readonly<Record<string, string>>,
  name: string,
  otherwise: boolean,
  warnings: string[],
): boolean {
  const text = annotations[name];
  if (text === undefined) return otherwise;
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  warnings.push(`Ignored annotation "${name}": ${JSON.stringify(text.slice(0, 100))} is not a boolean`);
  return otherwise;
}

function readInterfaces(annotations: Readonly<Record<string, string>>, warnings: string[]): readonly string[] | null {
  const text = annotations[VIRTUAL_INTERFACES_ANNOTATION];
  if (text === undefined) return null;
  const names = [...new Set(text.split(",").map((part) => part.trim()))].filter((name) => name !== "");
  const good = names.filter(isInterfaceName);
  for (const name of names.slice(0, MAX_INTERFACES))
    if (!isInterfaceName(name))
      warnings.push(
        `Ignored part of annotation "${VIRTUAL_INTERFACES_ANNOTATION}": ${JSON.stringify(name.slice(0, 40))} is not an interface name`,
      );
  if (good.length > MAX_INTERFACES)
    warnings.push(
      `Ignored part of annotation "${VIRTUAL_INTERFACES_ANNOTATION}": more than ${MAX_INTERFACES} interfaces`,
    );
  return good.slice(0, MAX_INTERFACES);
}

/**
 * The options of one pod: those of the node, changed by the pod's annotations. Values that cannot be understood are ignored.
 * @see the data-plane contract, section 1.7
 */
export function podOptions(annotations: Readonly<Record<string, string>>, node: InPodOptions): AnnotatedOptions {
  const warnings: string[] = [];
  const bypass = readBoolean(annotations, BYPASS_INBOUND_ANNOTATION, node.inbound === "bypass", warnings);
  const options: InPodOptions = {
    ...node,
    inbound: bypass ? "bypass" : "capture",
    dns: readBoolean(annotations, DNS_CAPTURE_ANNOTATION, node.dns, warnings),
    virtualInterfaces: readInterfaces(annotations, warnings) ?? node.virtualInterfaces,
  };
  return { options, warnings };
}
