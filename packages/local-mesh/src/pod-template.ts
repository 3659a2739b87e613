import { z } from "zod";
import { withoutNulls } from "./manifest-object.ts";

/** How a probe asks whether a container takes traffic. */
export type Probe =
  | { readonly t: "tcp"; readonly port: number; readonly periodMs: number; readonly initialDelayMs: number }
  | {
      readonly t: "http";
      readonly port: number;
      readonly path: string;
      readonly periodMs: number;
      readonly initialDelayMs: number;
    };

/** A container as the process that it becomes here. */
export interface ContainerPlan {
  readonly name: string;
  /** Empty: nothing to run; the pod exists, and `exec` can run commands in it. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string | null;
  readonly readiness: Probe | null;
}

export type RestartPolicy = "Always" | "OnFailure" | "Never";

/** What of a pod's spec a local mesh heeds. */
export interface PodTemplate {
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly nodeName: string | null;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly restartPolicy: RestartPolicy;
  readonly gracePeriodMs: number;
  readonly containers: readonly ContainerPlan[];
}

const port = z.union([z.int().min(1).max(65_535), z.string().min(1)]);
const probe = z.object({
  tcpSocket: z.object({ port }).optional(),
  httpGet: z.object({ port, path: z.string().default("/") }).optional(),
  periodSeconds: z.number().positive().default(10),
  initialDelaySeconds: z.number().min(0).default(0),
});
const container = z.object({
  name: z.string().min(1),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z
    .array(z.object({ name: z.string().min(1), value: z.string().default(""), valueFrom: z.unknown().optional() }))
    .default([]),
  workingDir: z.string().min(1).optional(),
  ports: z.array(z.object({ name: z.string().optional(), containerPort: z.int().min(1).max(65_535) })).default([]),
  readinessProbe: probe.optional(),
});
const podSpec = z.object({
  serviceAccountName: z.string().min(1).default("default"),
  hostNetwork: z.boolean().default(false),
  nodeName: z.string().min(1).optional(),
  nodeSelector: z.record(z.string(), z.string()).default({}),
  restartPolicy: z.enum(["Always", "OnFailure", "Never"]).default("Always"),
  terminationGracePeriodSeconds: z.number().min(0).max(3_600).default(5),
  containers: z.array(container).default([]),
});

type ContainerSpec = z.output<typeof container>;

/** What is wrong with a template, as path and text. */
export interface TemplateProblem {
  readonly field: string;
  readonly message: string;
}

/**
 * Reads the spec of a pod. `image` and volumes are not heeded: a container is a process of this machine.
 * @returns the template, or every problem with its path from the spec
 */
export function parsePodTemplate(
  spec: unknown,
):
  { readonly ok: true; readonly template: PodTemplate } | { readonly ok: false; readonly problems: TemplateProblem[] } {
  const parsed = podSpec.safeParse(withoutNulls(spec ?? {}));
  if (!parsed.success)
    return {
      ok: false,
      problems: parsed.error.issues.map((i) => ({ field: i.path.join("."), message: i.message })),
    };
  const s = parsed.data;
  const problems = s.containers.flatMap((c, i) => containerProblems(c, `containers.${i}`));
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    template: {
      serviceAccount: s.serviceAccountName,
      hostNetwork: s.hostNetwork,
      nodeName: s.nodeName ?? null,
      nodeSelector: s.nodeSelector,
      restartPolicy: s.restartPolicy,
      gracePeriodMs: s.terminationGracePeriodSeconds * 1_000,
      containers: s.containers.map(planContainer),
    },
  };
}

function containerProblems(c: ContainerSpec, at: string): TemplateProblem[] {
  const problems: TemplateProblem[] = [];
  if (c.command.length === 0 && c.args.length > 0)
    problems.push({
      field: `${at}.args`,
      message: "has no command to go with: an image's entry point is not known here",
    });
  c.env.forEach((e, i) => {
    if (e.valueFrom !== undefined)
      problems.push({ field: `${at}.env.${i}.valueFrom`, message: "is not supported here: give a value" });
  });
  const asked = c.readinessProbe?.tcpSocket?.port ?? c.readinessProbe?.httpGet?.port;
  if (typeof asked === "string" && !c.ports.some((p) => p.name === asked))
    problems.push({
      field: `${at}.readinessProbe`,
      message: `asks port "${asked}", which is no port of this container`,
    });
  return problems;
}

function planContainer(c: ContainerSpec): ContainerPlan {
  return {
    name: c.name,
    argv: [...c.command, ...c.args],
    env: Object.fromEntries(c.env.map((e) => [e.name, e.value])),
    workingDir: c.workingDir ?? null,
    readiness: planProbe(c),
  };
}

function planProbe(c: ContainerSpec): Probe | null {
  const p = c.readinessProbe;
  if (p === undefined) return null;
  const resolve = (asked: number | string): number =>
    typeof asked === "number" ? asked : (c.ports.find((x) => x.name === asked)?.containerPort ?? 0);
  const times = { periodMs: p.periodSeconds * 1_000, initialDelayMs: p.initialDelaySeconds * 1_000 };
  if (p.httpGet !== undefined) return { t: "http", port: resolve(p.httpGet.port), path: p.httpGet.path, ...times };
  if (p.tcpSocket !== undefined) return { t: "tcp", port: resolve(p.tcpSocket.port), ...times };
  return null;
}
