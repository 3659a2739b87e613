/** What V8's profiler writes, as far as it is read here. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  /** Node ids, in order. */
  readonly samples: readonly number[];
  /** Before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function as it was called from its parent: all samples with the same callers are one. */
export interface Frame {
  readonly name: string;
  /** File and line; empty for what has none. */
  readonly where: string;
  /** Microseconds in the function itself, and with all that it called. */
  readonly selfUs: number;
  readonly totalUs: number;
  readonly children: readonly Frame[];
}

interface Folding {
  readonly name: string;
  readonly where: string;
  selfUs: number;
  readonly children: Map<string, Folding>;
}

type CallFrame = CpuProfile["nodes"][number]["callFrame"];

/** Calls into C are made by `crossing`, or the profiler calls them by some other function's name: the caller says which it is. */
const inC = ({ functionName, url }: CallFrame): boolean =>
  functionName === "crossing" || (url === "" && !functionName.startsWith("("));
/** Between the caller and C: what makes the call, and wrappers without a name. */
const WAY_INTO_C: ReadonlySet<string> = new Set(["crossing", "call", "run", ""]);
/** Here a data thread sleeps until there is something to do; the file is another one when the program runs from a bundle. */
const WAIT = "epollWait";
/** The end of a path says enough; of a package, its name too. */
const shortened = (url: string): string =>
  url.replace(/^file:\/\//, "").replace(/^.*\/(?=(?:packages|apps|node_modules)\/)/, "");

const NO_FRAME: CallFrame = { functionName: "?", url: "", lineNumber: -1 };
const ROOT = { name: "thread", where: "" } as const;

function child(of: Folding, name: string, where: string): Folding {
  const key = `${name}\0${where}`;
  const known = of.children.get(key);
  if (known !== undefined) return known;
  const made: Folding = { name, where, selfUs: 0, children: new Map() };
  of.children.set(key, made);
  return made;
}

function finish({ name, where, selfUs, children }: Folding): Frame {
  const done = Array.from(children.values(), finish).filter((c) => c.totalUs > 0);
  done.sort((a, b) => b.totalUs - a.totalUs);
  return { name, where, selfUs, totalUs: done.reduce((n, c) => n + c.totalUs, selfUs), children: done };
}

/**
 * Adds up a profile's samples by call path. Time asleep is left out of the tree.
 * @returns the thread as a root frame, and the microseconds it slept
 */
export function foldProfile(profile: CpuProfile): { readonly root: Frame; readonly sleptUs: number } {
  const root: Folding = { ...ROOT, selfUs: 0, children: new Map() };
  const folded = new Map<number, Folding>();
  const byId = new Map(profile.nodes.map((n) => [n.id, n]));
  const parents = new Map(profile.nodes.flatMap((n) => (n.children ?? []).map((c) => [c, n.id] as const)));
  const frameOf = (id: number | undefined): CallFrame => byId.get(id ?? -1)?.callFrame ?? NO_FRAME;
  const callerInto = (id: number): string => {
    let at = parents.get(id);
    while (WAY_INTO_C.has(frameOf(at).functionName)) at = parents.get(at!); // it has a frame
    return frameOf(at).functionName;
  };
  const sleeps = (id: number): boolean =>
    frameOf(id).functionName === "(idle)" || (inC(frameOf(id)) && callerInto(id) === WAIT);
  const place = (id: number): Folding => {
    const known = folded.get(id);
    if (known !== undefined) return known;
    const parent = parents.get(id);
    const frame = frameOf(id);
    const { functionName, url, lineNumber } = frame;
    const where = url === "" || inC(frame) ? "" : `${shortened(url)}:${lineNumber + 1}`;
    const name = inC(frame) ? `C in ${callerInto(id)}` : functionName || "(anonymous)";
    const made = parent === undefined ? root : child(place(parent), name, where);
    folded.set(id, made);
    return made;
  };
  let sleptUs = 0;
  for (const [i, id] of profile.samples.entries()) {
    // A sample stands for the time until the next one.
    const us = Math.max(0, profile.timeDeltas[i + 1] ?? 0);
    if (sleeps(id)) sleptUs += us;
    else place(id).selfUs += us;
  }
  return { root: finish(root), sleptUs };
}

/** Where the most time went, callers and all left out: functions by their own time. */
export function hottest(
  root: Frame,
  count: number,
): readonly { readonly name: string; readonly where: string; readonly selfUs: number }[] {
  const own = new Map<string, { name: string; where: string; selfUs: number }>();
  const visit = (frame: Frame): void => {
    const key = `${frame.name}\0${frame.where}`;
    const sum = own.get(key) ?? { name: frame.name, where: frame.where, selfUs: 0 };
    sum.selfUs += frame.selfUs;
    own.set(key, sum);
    frame.children.forEach(visit);
  };
  visit(root);
  return [...own.values()].sort((a, b) => b.selfUs - a.selfUs).slice(0, count);
}
