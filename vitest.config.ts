import { defineConfig } from "vitest/config";

// Packages are read from source (the "lateen:source" export condition), so tests never see a stale build.
const conditions = ["lateen:source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["{packages,apps,tools,e2e}/**/*.test.ts"],
    pool: "forks",
    execArgv: ["--conditions=lateen:source"],
  },
});
