export { Agent, type AgentParts } from "./agent.ts";
export { type Config, parseConfig } from "./config.ts";
export { type DesiredPod, parseDesiredPods } from "./desired-pods.ts";
export { type IdentityProbe, type ProbedPod, adminIdentityProbe } from "./identity-probe.ts";
export { type Kernel, nodeKernel } from "./node-kernel.ts";
export type { Conditions, PodStatus } from "./pod-plan.ts";
export { type RunningAgent, type Surroundings, startAgent } from "./wire.ts";
