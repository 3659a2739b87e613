import { z } from "zod";

// Kinds of Istio: unknown fields are refused, as the API server does by their CRDs. A misspelt restriction must not vanish.

export const securityVersion = z.enum(["security.istio.io/v1", "security.istio.io/v1beta1"]);

export const portText = z.string().refine((t) => /^\d{1,5}$/.test(t) && Number(t) >= 1 && Number(t) <= 65_535, {
  error: (issue) => `${JSON.stringify(issue.input)} is not a port`,
});
