import fs from "node:fs";
import path from "node:path";
import type { InPodOptions } from "@lateen/redirection";
import type { Logger } from "@lateen/telemetry";
import { z } from "zod";

const text = z.string();
const Entry = z.object({
  uid: text,
  name: text,
  namespace: text,
  serviceAccount: text,
  netns: text,
  /** Identity of the namespace: behind the same path there may be another by now. */
  netnsId: text,
  options: z.object({
    form: z.enum(["redirect", "tproxy"]),
    ipv6: z.boolean(),
    dns: z.boolean(),
    inbound: z.enum(["capture", "bypass"]),
    virtualInterfaces: z.array(text),
    probeSource: z.object({ ipv4: text, ipv6: text }),
  }) satisfies z.ZodType<InPodOptions>,
});
const Entries = z.object({ pods: z.array(Entry) });

/** A pod that has our rules. */
export type RecordEntry = Readonly<z.output<typeof Entry>>;

/** Which pods have our rules, on disk: an agent that comes back finds those that left the mesh while it was away. */
export interface EnrolledRecord {
  read(): readonly RecordEntry[];
  /**
   * Replaces the file at once; one call at a time. A disk that does not take it is reported; the pods are served all the same.
   */
  write(entries: readonly RecordEntry[]): Promise<void>;
}

export function enrolledRecord(file: string, log: Logger): EnrolledRecord {
  let failing = false;
  return {
    read() {
      let body: string;
      try {
        body = fs.readFileSync(file, "utf8");
      } catch {
        return []; // the first start on this node
      }
      try {
        return Entries.parse(JSON.parse(body)).pods;
      } catch (e) {
        log.warn("ignored the record of enrolled pods: it is damaged", { file, error: String(e).slice(0, 200) });
        return [];
      }
    },
    async write(pods) {
      try {
        await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
        await fs.promises.writeFile(`${file}.new`, `${JSON.stringify({ pods })}\n`, { mode: 0o600 });
        await fs.promises.rename(`${file}.new`, file);
        failing = false;
      } catch (e) {
        if (!failing)
          log.error("cannot write the record of enrolled pods: check disk and folder", { file, error: String(e) });
        failing = true;
      }
    },
  };
}
