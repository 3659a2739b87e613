import { describe, expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { type ThreadSettings, workerThreads } from "./worker-threads.ts";
import { dataPathDriver } from "./data-path-driver.ts";

describe("configuration", () => {
  test("has Istio's defaults", () => {
    const config = parseConfig({});
    expect(config.ok && config.value.data).toMatchObject({
      mark: 1337,
      reusePort: true,
      ipv6: true,
      transparent: "best-effort",
      keepAlive: { idleSec: 180, intervalSec: 180, probes: 9 },
      http2: { streamWindow: 4_194_304, connectionWindow: 16_777_216, frameBytes: 1_048_576 },
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

  const NOTHING: ThreadSettings = {
    workerThreads: null,
    cpuLimit: null,
    resourceCpuLimit: null,
    resourceCpuRequest: null,
    concurrency: null,
  };
  const settings: readonly (readonly [Partial<ThreadSettings>, cpus: number, threads: number])[] = [
    [{}, 0.5, 1],
    [{}, 1, 1],
    [{}, 2, 2],
    [{}, 3, 2],
    [{}, 8, 2],
    [{}, 16, 4],
    [{ resourceCpuRequest: 3 }, 2, 3],
    [{ cpuLimit: 2 }, 16, 2],
    [{ workerThreads: "3" }, 2, 3],
    [{ workerThreads: "0" }, 8, 8],
    [{ workerThreads: "50%" }, 8, 4],
    [{ workerThreads: "10%" }, 2, 1],
    [{ workerThreads: "30%", cpuLimit: 16 }, 2, 5],
    [{ workerThreads: "0", cpuLimit: 6 }, 2, 6],
    [{ cpuLimit: 1.5 }, 8, 2],
    [{ cpuLimit: 12, resourceCpuLimit: 3 }, 8, 3],
    [{ resourceCpuLimit: 0.5 }, 8, 1],
    [{ resourceCpuLimit: 4, resourceCpuRequest: 8 }, 2, 8],
    [{ resourceCpuRequest: 1 }, 2, 2],
    [{ concurrency: 0, cpuLimit: 6 }, 2, 6],
    [{ concurrency: 3 }, 8, 3],
    [{ concurrency: 3, workerThreads: "2" }, 8, 2],
  ];
  test.each(settings)("%o on %d CPUs starts %d data threads", (set, cpus, threads) => {
    expect(workerThreads({ ...NOTHING, ...set }, cpus)).toBe(threads);
  });

  test.each([
    [undefined, "linux", "x64", "fast"],
    [undefined, "linux", "arm64", "fast"],
    [undefined, "linux", "ppc64", "portable"],
    [undefined, "darwin", "arm64", "portable"],
    ["portable", "linux", "x64", "portable"],
    ["fast", "darwin", "x64", "fast"],
  ])("LATEEN_DATA_PATH=%s on %s %s carries bytes by the %s driver", (value, platform, arch, driver) => {
    const config = parseConfig(value === undefined ? {} : { LATEEN_DATA_PATH: value });
    expect(config.ok && dataPathDriver(config.value.env.LATEEN_DATA_PATH, { platform, arch })).toBe(driver);
  });

  test.each([
    [undefined, true],
    ["true", true],
    ["false", false],
  ])("LATEEN_TLS_RESUMPTION=%s", (value, resumes) => {
    const config = parseConfig(value === undefined ? {} : { LATEEN_TLS_RESUMPTION: value });
    expect(config.ok && config.value.env.LATEEN_TLS_RESUMPTION).toBe(resumes);
  });
});
