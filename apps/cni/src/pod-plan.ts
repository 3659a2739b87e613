/** What must be true of a pod before it counts as enrolled. */
export interface Conditions {
  /** The kernel gave back the rules that were planned. */
  readonly rulesVerified: boolean;
  /** The proxy's ports listen inside the pod. */
  readonly listenersAnswer: boolean;
  /** The proxy has a certificate for the pod's identity. */
  readonly identityIssued: boolean;
}
export const noConditions: Conditions = { rulesVerified: false, listenersAnswer: false, identityIssued: false };

/** What is wanted of a pod; null when it must not be enrolled any more. */
export interface Wanted {
  readonly netnsPath: string;
  /** Equal for equal redirection options. */
  readonly rules: string;
}

/**
 * What is known of a pod.
 * - `unsure` in `rules`: this agent has not looked, a former one may have written them
 * - `snapshot` in `told`: a new connection names the pod in its snapshot, the answer is on its way
 */
export interface Observed {
  readonly netnsPath: string | null;
  readonly rules: string | "unsure" | null;
  readonly told: "no" | "snapshot" | "yes";
  readonly conditions: Conditions;
}
export const nothingObserved: Observed = { netnsPath: null, rules: null, told: "no", conditions: noConditions };

/** What to do next for one pod; `none` means that there is nothing to do until something changes. */
export type Step =
  | { readonly t: "none"; readonly why: "enrolled" | "no-ztunnel" | "snapshot" }
  | { readonly t: "open-netns" }
  | { readonly t: "apply-rules" }
  | { readonly t: "tell-ztunnel" }
  | { readonly t: "verify" }
  | { readonly t: "remove-rules" }
  | { readonly t: "untell-ztunnel" }
  | { readonly t: "forget" };

/**
 * The next step from what is to what must be. Rules come before the proxy learns of the pod, so that a pod without proxy is cut
 * off rather than in plain text; leaving, rules go first, so that new connections go direct.
 * @param ztunnels connections of proxies
 * @see the data-plane contract, sections 1.9 and 1.13
 */
export function nextStep(wanted: Wanted | null, o: Observed, ztunnels: number): Step {
  if (wanted === null) return leave(o);
  if (o.netnsPath !== wanted.netnsPath) return { t: "open-netns" };
  if (o.rules !== wanted.rules) return { t: "apply-rules" };
  if (o.told === "snapshot") return { t: "none", why: "snapshot" };
  if (o.told === "no") return ztunnels === 0 ? { t: "none", why: "no-ztunnel" } : { t: "tell-ztunnel" };
  const { rulesVerified, listenersAnswer, identityIssued } = o.conditions;
  return rulesVerified && listenersAnswer && identityIssued ? { t: "none", why: "enrolled" } : { t: "verify" };
}

function leave(o: Observed): Step {
  if (o.rules !== null) return { t: "remove-rules" };
  if (o.told !== "no") return { t: "untell-ztunnel" };
  return { t: "forget" };
}

/** What the API says of a pod. */
export interface PodStatus {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly state: "enrolled" | "pending" | "failed" | "removing";
  /** Why it is not enrolled, or what is wrong although it is; "" when all is well. */
  readonly reason: string;
  readonly conditions: Conditions;
}

export interface StateInputs {
  readonly wanted: Wanted | null;
  /** All conditions have held once since its namespace was opened. */
  readonly enrolledOnce: boolean;
  readonly conditions: Conditions;
  /** Why the last try failed; `fault` is for what lies in the pod or the kernel. */
  readonly failure: { readonly kind: "fault" | "wait"; readonly why: string } | null;
  readonly step: Step;
}

const WAITING: Readonly<Record<Extract<Step, { t: "none" }>["why"], string>> = {
  enrolled: "",
  "no-ztunnel": "no ztunnel connection",
  snapshot: "ztunnel has not answered yet",
};

/**
 * State and reason. A pod stays enrolled while its rules are in place, whatever becomes of the proxy: peers must go on using HBONE
 * towards it, for the alternative would be plain text.
 */
export function podState(i: StateInputs): Pick<PodStatus, "state" | "reason"> {
  const reason = i.failure?.why ?? (i.step.t === "none" ? WAITING[i.step.why] : missing(i.conditions));
  if (i.wanted === null) return { state: "removing", reason: i.failure?.why ?? "" };
  if (i.enrolledOnce) return { state: "enrolled", reason };
  return { state: i.failure?.kind === "fault" ? "failed" : "pending", reason };
}

function missing(c: Conditions): string {
  const names = (Object.keys(c) as (keyof Conditions)[]).filter((key) => !c[key]);
  return names.length === 0 ? "" : `not yet: ${names.join(", ")}`;
}
