/** A listener, as far as its port is concerned. */
export interface ListenerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

export interface PlannedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: "TCP";
  readonly appProtocol: string;
}

const MAX_NAME = 63;
const STATUS_PORT: PlannedPort = { name: "status-port", port: 15_021, protocol: "TCP", appProtocol: "tcp" };

/**
 * The ports of a Gateway's Service: the status port, and one for each port that a listener names, the first listener giving its
 * name. Names are cut to what Services take, and made different from each other by their port.
 * @see control-plane 3.4, step 5
 */
export function servicePorts(listeners: readonly ListenerPort[]): readonly PlannedPort[] {
  const ports = new Map<number, PlannedPort>();
  const names = new Set([STATUS_PORT.name]);
  for (const { name, port, protocol } of listeners) {
    if (ports.has(port)) continue;
    const appProtocol = protocol.toLowerCase();
    const wanted = name.replaceAll(".", "-").slice(0, MAX_NAME) || appProtocol.replaceAll(/[^a-z0-9-]/g, "-");
    const unique = uniqueName(wanted, port, names);
    names.add(unique);
    ports.set(port, { name: unique, port, protocol: "TCP", appProtocol });
  }
  return [STATUS_PORT, ...ports.values()];
}

function uniqueName(wanted: string, port: number, taken: ReadonlySet<string>): string {
  let name = wanted.slice(0, MAX_NAME);
  for (let suffix = `-${port}`; taken.has(name); suffix += "x")
    name = wanted.slice(0, MAX_NAME - suffix.length) + suffix;
  return name;
}
