import type { TelemetrySpec } from "@lateen/resources";
import { checkAttachment } from "./attachment.ts";
import { celProblem } from "./cel-syntax.ts";
import { type Findings, forEachOf } from "./findings.ts";

/** @see l7 8.1 */
export function checkTelemetry(spec: TelemetrySpec, f: Findings): void {
  checkAttachment(spec, f);
  if ((spec.tracing ?? []).length > 1) f.at("tracing").warn("only the first entry has an effect");
  forEachOf(spec.tracing, f.at("tracing"), (tracing, at) => {
    if (tracing === null) return;
    if ((tracing.providers ?? []).length > 1) at.at("providers").warn("only the first entry has an effect");
    if (Object.hasOwn(tracing.customTags ?? {}, "")) at.at("customTags").error("the name of a tag must not be empty");
  });
  forEachOf(spec.metrics, f.at("metrics"), (metrics, at) =>
    forEachOf(metrics?.overrides, at.at("overrides"), ({ tagOverrides = {} }, place) => {
      if (Object.hasOwn(tagOverrides, "")) place.at("tagOverrides").warn("the name of a tag should not be empty");
      // Without an operation it is UPSERT.
      for (const [name, { operation, value = "" }] of Object.entries(tagOverrides))
        if (operation === undefined && value === "") place.at("tagOverrides", name, "value").error("is missing");
    }),
  );
  forEachOf(spec.accessLogging, f.at("accessLogging"), (logging, at) => {
    const filter = logging?.filter;
    if (filter !== undefined) at.at("filter", "expression").check(celProblem(filter.expression ?? ""));
  });
}
