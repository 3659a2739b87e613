import { defineConfig } from "vitest/config";

// Packages are read from source (the "lateen:source" export condition), so tests never see a stale build.
const conditions = ["lateen:source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // Below the folder that `--dir` names, the repository when it names none.
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/testdata/**"],
    pool: "forks",
    execArgv: ["--conditions=lateen:source"],
    // No test measures time, so a slow machine must not fail one: these only end what hangs.
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
