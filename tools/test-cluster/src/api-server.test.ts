import { describe, expect, test } from "vitest";
import { requireApiServer, startApiServer } from "./index.ts";

describe.skipIf(requireApiServer())("a real API server", () => {
  test("serves, survives kill -9, forgets what a restored backup does not hold, and ends with its owner", async () => {
    let pids: readonly (number | undefined)[];
    {
      await using api = await startApiServer();
      const make = (name: string): Promise<unknown> =>
        api.done("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
      const names = async (): Promise<readonly string[]> =>
        (await api.done<{ items: { metadata: { name: string } }[] }>("GET", "/api/v1/namespaces")).items.map(
          (n) => n.metadata.name,
        );
      await make("before");
      await api.restart("SIGKILL");
      expect(await names()).toContain("before");
      const backup = await api.backup();
      await make("after");
      await api.restore(backup);
      expect(await names()).toContain("before");
      expect(await names()).not.toContain("after");
      pids = [api.etcd.pid, api.server.pid];
    }
    for (const pid of pids) expect(() => process.kill(pid!, 0)).toThrow("ESRCH");
  });
});
