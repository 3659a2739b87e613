import { ca } from "./ca/command.ts";
import type { Command } from "./command.ts";
import { demo } from "./demo/command.ts";
import { describe } from "./describe/command.ts";
import { explain } from "./explain/command.ts";
import { local } from "./local/command.ts";
import { validate } from "./validate/command.ts";
import { version } from "./version.ts";
import { ztunnelConfig } from "./ztunnel-config/command.ts";

/** Every command there is. */
export const lateenctl: Command = {
  name: "lateenctl",
  summary: "run, explain and inspect a Lateen mesh",
  commands: [demo, local, explain, describe, ztunnelConfig, ca, validate, version],
};
