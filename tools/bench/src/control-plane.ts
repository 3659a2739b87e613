import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Collection, Graph } from "@lateen/collections";
import { type ResourceChange, ResourceModel, keyInKind, modelOptions } from "@lateen/translation";
import { encodeAuthorization, encodeService, encodeWorkload } from "@lateen/xds-types";
import {
  type ClusterSize,
  podOf,
  readSimulated,
  simulatedCluster,
  simulatedNamespace,
  simulatedPod,
} from "./simulated-cluster.ts";

export const SIZES: readonly ClusterSize[] = [
  { services: 100, pods: 1_000 },
  { services: 1_000, pods: 10_000 },
  { services: 5_000, pods: 50_000 },
];
/** Of different pods: no more than the smallest cluster has. */
const CHANGES = 1_000;
const ROUNDS = 10;
const NAMESPACES = 1_000;

export interface SizeReport extends ClusterSize {
  /** CPU from whole objects to a full set of encoded resources. */
  readonly startCpuMs: number;
  readonly heapMiB: number;
  readonly resources: number;
  readonly resourceMiB: number;
  /** CPU for one pod whose readiness changed, objects in to bytes out; the best of several rounds. */
  readonly changeCpuUs: number;
  /** Resources announced for one such change. */
  readonly announcedPerChange: number;
}
export interface ControlPlaneReport {
  readonly sizes: readonly SizeReport[];
  /** Cost of one change at the largest size, in terms of that at the smallest. */
  readonly flatness: number;
  readonly churn: { readonly namespaces: number; readonly heapBeforeMiB: number; readonly heapAfterMiB: number };
}

const MIB = 1 << 20;
const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** What is in use after everything unused is gone. */
function heapMiB(): number {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) gc();
  return process.memoryUsage().heapUsed / MIB;
}

/** The model with its resources encoded, as a control plane holds them. */
class Plane {
  readonly bodies = new Map<string, Uint8Array>();
  announced = 0;
  readonly #resources: ResourceModel;

  constructor() {
    this.#resources = new ResourceModel(new Graph(), modelOptions());
    const { workloads, services, authorizations } = this.#resources.model;
    this.#hold(workloads, encodeWorkload);
    this.#hold(services, encodeService);
    this.#hold(authorizations, encodeAuthorization);
  }

  apply(changes: readonly ResourceChange[]): void {
    this.#resources.apply(changes);
  }

  #hold<T>(from: Collection<T>, encode: (value: T) => Uint8Array): void {
    from.subscribe((changes) => {
      this.announced += changes.length;
      for (const { key, after } of changes) {
        if (after === undefined) this.bodies.delete(key);
        else this.bodies.set(key, encode(after));
      }
    });
  }
}

function put(object: object): ResourceChange {
  const after = readSimulated(object);
  return { kind: after.kind, key: keyInKind(after), after };
}

/** CPU of one change after another, each a step of its own, as microseconds for each. */
function changeRound(plane: Plane, size: ClusterSize, round: number): number {
  const begin = cpuUs();
  for (let i = 0; i < CHANGES; i++) plane.apply([put(simulatedPod(...podOf(size, i), round % 2 === 1))]);
  return (cpuUs() - begin) / CHANGES;
}

function measure(size: ClusterSize): SizeReport {
  const before = heapMiB();
  const begin = cpuUs();
  const plane = new Plane();
  plane.apply([...simulatedCluster(size)].map(put));
  const startCpuMs = (cpuUs() - begin) / 1_000;
  const held = heapMiB() - before;
  changeRound(plane, size, 0);
  const announced = plane.announced;
  const rounds = Array.from({ length: ROUNDS }, (_, round) => changeRound(plane, size, round + 1));
  const bytes = [...plane.bodies.values()].reduce((sum, body) => sum + body.length, 0);
  return {
    ...size,
    startCpuMs,
    heapMiB: held,
    resources: plane.bodies.size,
    resourceMiB: bytes / MIB,
    changeCpuUs: Math.min(...rounds),
    announcedPerChange: (plane.announced - announced) / (CHANGES * ROUNDS),
  };
}

/** Namespaces that come and go must leave nothing behind. */
function churn(): ControlPlaneReport["churn"] {
  const plane = new Plane();
  plane.apply([...simulatedCluster(SIZES[0]!)].map(put));
  const cycle = (from: number): void => {
    for (let n = 0; n < NAMESPACES; n++) {
      const first = 20_000 + (n % 1_000);
      const objects = [...simulatedNamespace(`passing-${from + n}`, { first, count: 1, perService: 5 })].map(put);
      plane.apply(objects);
      plane.apply(objects.map(({ kind, key }) => ({ kind, key, after: undefined })));
    }
  };
  cycle(0); // what is compiled and grown on the way stays, once
  const heapBeforeMiB = heapMiB();
  cycle(NAMESPACES);
  return { namespaces: NAMESPACES, heapBeforeMiB, heapAfterMiB: heapMiB() };
}

/** What the control plane's translation costs, by the size of a simulated cluster. */
export function benchControlPlane(): ControlPlaneReport {
  measure(SIZES[0]!); // compiles everything
  const sizes = SIZES.map(measure);
  const flatness = (sizes.at(-1)?.changeCpuUs ?? 0) / (sizes[0]?.changeCpuUs ?? 1);
  return { sizes, flatness, churn: churn() };
}

export function renderControlPlane(r: ControlPlaneReport): string {
  const rows = r.sizes.map(
    (s) =>
      `  ${String(s.services).padStart(5)} services ${String(s.pods).padStart(6)} pods: first full set ${s.startCpuMs.toFixed(0)} ms CPU, ` +
      `heap ${s.heapMiB.toFixed(0)} MiB, ${s.resources} resources of ${s.resourceMiB.toFixed(1)} MiB; ` +
      `one changed pod ${s.changeCpuUs.toFixed(0)} µs CPU, ${s.announcedPerChange.toFixed(2)} resources`,
  );
  const { churn: c } = r;
  const tail = [
    `  one change, largest against smallest: ${r.flatness.toFixed(2)} ×`,
    `  ${c.namespaces} namespaces come and gone: heap ${c.heapBeforeMiB.toFixed(1)} → ${c.heapAfterMiB.toFixed(1)} MiB`,
  ];
  return `translation of simulated clusters\n${[...rows, ...tail].join("\n")}\n`;
}

const MAX_FLATNESS = 1.5;
const MAX_HEAP_MIB = 1_500;
const MAX_CHURN_GROWTH = 1.02;

/** Figures that are asked for and not reached. */
export function missedControlPlane(r: ControlPlaneReport): readonly string[] {
  const at10k = r.sizes.find((s) => s.pods === 10_000);
  const growth = r.churn.heapAfterMiB / r.churn.heapBeforeMiB;
  return [
    ...(r.flatness <= MAX_FLATNESS
      ? []
      : [`one change costs ${r.flatness.toFixed(2)} × at 50,000 pods, at most ${MAX_FLATNESS}`]),
    ...((at10k?.heapMiB ?? 0) <= MAX_HEAP_MIB
      ? []
      : [`heap ${at10k?.heapMiB.toFixed(0)} MiB at 10,000 pods, at most ${MAX_HEAP_MIB}`]),
    ...(growth <= MAX_CHURN_GROWTH
      ? []
      : [`heap × ${growth.toFixed(3)} after ${r.churn.namespaces} namespaces, at most ${MAX_CHURN_GROWTH}`]),
  ];
}
