import { describe, expect, test } from "vitest";
import { parseConfig, workerThreads } from "./config.ts";

describe("configuration", () => {
  test("has Istio's defaults", () => {
    const config = parseConfig({});
    expect(config.ok && config.value.data).toMatchObject({
      mark: 1337,
      reusePort: true,
      ipv6: true,
      transparent: "best-effort",
      keepAlive: { idleSec: 180, intervalSec: 180, probes: 9 },
      streamWindow: 4_194_304,
      connectionWindow: 16_777_216,
      poolMaxStreams: 100,
      poolIdleMs: 300_000,
    });
    expect(config.ok && config.value.drainMs).toBe(5_000);
  });

  test("names every variable that is wrong, at once", () => {
    const config = parseConfig({ PACKET_MARK: "70000", SECRET_TTL: "soon", IPV6_ENABLED: "yes" });
    expect(config.ok ? "" : config.error.message).toMatch(/PACKET_MARK: .*SECRET_TTL: .*|IPV6_ENABLED: /);
    expect(config.ok ? 0 : config.error.facts["problems"]).toBe(3);
  });

  test.each([
    ["30", 25_000],
    ["10", 9_000],
    ["1", 1_000],
  ])("drains for the grace period of %s s less a margin", (seconds, ms) => {
    const config = parseConfig({ TERMINATION_GRACE_PERIOD_SECONDS: seconds });
    expect(config.ok && config.value.drainMs).toBe(ms);
  });

  test.each([
    ["true", "required"],
    ["false", "off"],
  ])("ENABLE_ORIG_SRC=%s makes transparent sockets %s", (value, mode) => {
    const config = parseConfig({ ENABLE_ORIG_SRC: value });
    expect(config.ok && config.value.data.transparent).toBe(mode);
  });

  test.each([
    [{}, 2, 2],
    [{}, 0.5, 1],
    [{ ZTUNNEL_WORKER_THREADS: "3" }, 2, 3],
    [{ ZTUNNEL_WORKER_THREADS: "0" }, 8, 8],
    [{ ZTUNNEL_WORKER_THREADS: "50%" }, 8, 4],
    [{ ZTUNNEL_WORKER_THREADS: "10%" }, 2, 1],
    [{ ZTUNNEL_CPU_LIMIT: 1.5 }, 8, 2],
  ])("%o on %d CPUs starts %d data threads", (env, cpus, threads) => {
    expect(workerThreads({ ZTUNNEL_WORKER_THREADS: undefined, ZTUNNEL_CPU_LIMIT: undefined, ...env }, cpus)).toBe(
      threads,
    );
  });
});
