import { describe, expect, test } from "vitest";
import { MESH_CONFIG_FILE, readConfig } from "./read-config.ts";

const MESH = `
accessLogFile: /dev/stdout
defaultConfig:
  discoveryAddress: istiod.elsewhere:15012
  statsPort: 15888
  proxyAdminPort: 15099
  concurrency: 0
  proxyMetadata: { ISTIO_META_FOO: foo, ISTIO_META_BOTH: mesh, PLAIN: "1" }
`;
const read = (env: Readonly<Record<string, string>>, mesh: string | null = null) =>
  readConfig(env, (path) => (path === MESH_CONFIG_FILE ? mesh : null));
const must = async (...args: Parameters<typeof read>) => {
  const config = await read(...args);
  if (!config.ok) throw config.error;
  return config.value;
};
const failure = async (...args: Parameters<typeof read>): Promise<string> => {
  const config = await read(...args);
  return config.ok ? "" : config.error.message;
};

describe("the mesh's configuration file", () => {
  test("is under the proxy's own, which is under the environment", async () => {
    const own = '{"proxyAdminPort": 15999, "proxyMetadata": {"ISTIO_META_BOTH": "own", "ISTIO_META_ENV": "own"}}';
    const config = await must({ PROXY_CONFIG: own, ISTIO_META_ENV: "env", ISTIO_METAJSON_LABELS: '{"a":"b"}' }, MESH);
    expect(config.servers).toEqual({ admin: "localhost:15999", stats: "[::]:15888", readiness: "[::]:15021" });
    expect(config.upstream).toMatchObject({
      xdsAddress: "https://istiod.elsewhere:15012",
      caAddress: "https://istiod.elsewhere:15012",
      metadata: { FOO: "foo", BOTH: "own", ENV: "env", PLAIN: "1", LABELS: { a: "b" } },
    });
    expect(config.threads.concurrency).toBe(0);
  });

  test("may be missing", async () => {
    const { servers, upstream } = await must({});
    expect(servers).toEqual({ admin: "localhost:15000", stats: "[::]:15020", readiness: "[::]:15021" });
    expect(upstream).toMatchObject({ xdsAddress: "https://localhost:15012", clusterId: "Kubernetes", metadata: {} });
  });

  test.each([
    ["defaultConfig: { statsPort: 99999 }", /mesh configuration: defaultConfig.statsPort/],
    ["defaultConfig: [", /not YAML/],
  ])("is refused when it is %j", async (mesh, why) => expect(await failure({}, mesh)).toMatch(why));
});

describe("the control plane", () => {
  test.each([
    [{ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, "https://istiod.istio-system.svc:15012"],
    [{ XDS_ADDRESS: "cp:15012" }, "https://cp:15012"],
    [{ XDS_ADDRESS: "" }, null],
  ])("with %j is at %j", async (env, address) => expect((await must(env)).upstream.xdsAddress).toBe(address));

  test("names and headers come from the environment", async () => {
    const { upstream } = await must({
      CLUSTER_ID: "two",
      ISTIO_META_CLUSTER_ID: "one",
      XDS_HEADER_x_tenant: "a",
      CA_HEADER_x_key: "b",
    });
    expect(upstream).toMatchObject({ clusterId: "one", xdsHeaders: { x_tenant: "a" }, caHeaders: { x_key: "b" } });
  });

  test.each([
    [{ XDS_ADDRESS: "http://cp:15012" }, "XDS_ADDRESS"],
    [{ CA_ADDRESS: "" }, "CA_ADDRESS: must not be empty"],
    [{ "XDS_HEADER_a b": "x" }, "XDS_HEADER_a b"],
    [{ XDS_HEADER_a: "x\ny" }, "one line"],
    [{ ISTIO_METAJSON_X: "{" }, "ISTIO_METAJSON_X"],
    [{ PROXY_CONFIG: '{"proxyMetadata": {"DNS_PROXY_ADDR": "not-an-address"}}' }, "failed to parse DNS_PROXY_ADDR"],
    [{ PROXY_CONFIG: '{"concurrency": -1}' }, "PROXY_CONFIG: concurrency"],
    [{ PROXY_MODE: "dedicated" }, "PROXY_MODE"],
    [{ ZTUNNEL_WORKER_THREADS: "200%" }, "ZTUNNEL_WORKER_THREADS"],
    [{ LOCAL_XDS: "{}", LOCAL_XDS_PATH: "/x" }, "only one of"],
  ])("%j is refused", async (env, why) => expect(await failure(env)).toContain(why));
});
