import { z } from "zod";
import { oneof, rule } from "../crd/rule.ts";
import { bounded, int32, portNumber, word } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";
import { workloadTemplate } from "./workload-entry.ts";

const count = int32.min(0).optional();
const labels = bounded(z.record(text, text), 256).optional();
const header = z.strictObject({
  name: text.regex(/^[-_A-Za-z0-9]+$/, "is not the name of a header").optional(),
  value: word,
});
const scheme = rule(text, {
  cel: "self in ['', 'HTTP', 'HTTPS']",
  message: "scheme must be one of [HTTP, HTTPS]",
  holds: (s) => s === "" || s === "HTTP" || s === "HTTPS",
});
const METHODS = ["httpGet", "tcpSocket", "exec", "grpc"] as const;
const probe = oneof(
  z.strictObject({
    initialDelaySeconds: count,
    timeoutSeconds: count,
    periodSeconds: count,
    successThreshold: count,
    failureThreshold: count,
    httpGet: z
      .strictObject({
        path: word,
        port: portNumber,
        host: word,
        scheme: scheme.optional(),
        httpHeaders: list(header).optional(),
      })
      .optional(),
    tcpSocket: z.strictObject({ host: word, port: portNumber }).optional(),
    exec: z.strictObject({ command: list(text.min(1)) }).optional(),
    grpc: z.strictObject({ port: portNumber.optional(), service: word }).optional(),
  }),
  METHODS,
);

/** The pattern of WorkloadEntries that register themselves. */
export const workloadGroupSpec = z.strictObject({
  metadata: z.strictObject({ labels, annotations: labels }).optional(),
  template: workloadTemplate,
  probe: probe.optional(),
});
export type WorkloadGroupSpec = z.output<typeof workloadGroupSpec>;
