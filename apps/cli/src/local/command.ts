import type { Command } from "../command.ts";
import { apply, remove } from "./apply.ts";
import { down } from "./down.ts";
import { logs } from "./logs.ts";
import { portForward } from "./port-forward.ts";
import { exec, run } from "./run.ts";
import { status } from "./status.ts";
import { keep, up } from "./up.ts";
import { upgrade } from "./upgrade.ts";

export const local: Command = {
  name: "local",
  summary: "run a mesh on this machine, without Kubernetes",
  examples: [
    "lateenctl local up -f examples/first-mesh",
    "lateenctl local run --as shop/frontend -- curl -s http://catalog/",
    "lateenctl local down",
  ],
  commands: [up, status, apply, remove, run, exec, logs, portForward, upgrade, down, keep],
};
