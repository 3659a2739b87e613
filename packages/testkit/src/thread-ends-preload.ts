import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { isMainThread, threadId } from "node:worker_threads";

// Every thread of a program under test loads this before anything else: see `ThreadEnds`.

const folder = new URL(import.meta.url).searchParams.get("folder") ?? "";

/** What a file orders, once. */
function taken(name: string): string | null {
  const file = path.join(folder, name);
  if (!existsSync(file)) return null;
  const order = readFileSync(file, "utf8");
  rmSync(file);
  return order;
}

function obey(order: string | null): void {
  if (order === "throw") throw new Error("ordered to throw");
  if (order === "exit") process.exit(0);
  const kept: unknown[] = [];
  while (order === "memory") kept.push(new Array(10_000).fill(kept.length));
}

if (!isMainThread) {
  obey(taken(`start-${threadId}`));
  const now = performance.now.bind(performance);
  let order: string | null = null;
  performance.now = (): number => {
    obey((order ??= taken(`${process.pid}-${threadId}`))); // again and again: a handler's exception ends no thread
    return now();
  };
}
