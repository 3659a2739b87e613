import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { eventually } from "@lateen/testkit";
import { expect, test } from "vitest";
import { reapOrphans } from "./processes.ts";
import { adoptOrphans } from "./spawn-in.ts";

test.skipIf(process.platform !== "linux")(
  "an orphan that ended is forgotten, a child of Node's is left to Node",
  async () => {
    adoptOrphans();
    const shell = spawn("/bin/sh", ["-c", "/bin/sh -c 'exit 3' & echo $!"], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    shell.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const code = await new Promise((resolve) => shell.on("close", resolve));
    expect(code).toBe(0);
    const orphan = Number(text.trim());
    await eventually(
      () => !existsSync(`/proc/${orphan}`) || readFileSync(`/proc/${orphan}/stat`, "utf8").includes(") Z "),
    );
    const child = spawn("/bin/sh", ["-c", "exit 7"], { stdio: "ignore" });
    const own = new Set([child.pid ?? 0]);
    const ended = new Promise((resolve) => child.on("exit", resolve));
    reapOrphans(own);
    expect(existsSync(`/proc/${orphan}`)).toBe(false);
    expect(await ended).toBe(7);
  },
);
