import { z } from "zod";

/** Versions of the group `networking.istio.io` (control-plane 7.1). */
export const networkingVersion = z.enum([
  "networking.istio.io/v1",
  "networking.istio.io/v1beta1",
  "networking.istio.io/v1alpha3",
]);
