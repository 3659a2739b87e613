import { describe, expect, test } from "vitest";
import { jsonReply, serveHttp } from "./serve-http.ts";

const routes = {
  "GET /ready": () => ({ status: 200, body: "ready\n" }),
  "POST /quit": () => ({ status: 200, body: "bye\n" }),
  "GET /things/": ({ url }: { url: URL }) => jsonReply({ path: url.pathname }),
  "GET /broken": () => {
    throw new Error("out of order");
  },
};

describe("admin HTTP", () => {
  test.each([
    ["GET", "/ready", 200, "ready\n"],
    ["GET", "/things/a/b", 404, "Not Found\n"],
    ["GET", "/things/a", 200, '{\n  "path": "/things/a"\n}\n'],
    ["GET", "/quit", 405, "Method Not Allowed\n"],
    ["POST", "/quit", 200, "bye\n"],
    ["GET", "/nothing", 404, "Not Found\n"],
    ["GET", "/broken", 500, "out of order\n"],
  ])("%s %s answers %d", async (method, path, status, body) => {
    await using server = await serveHttp("127.0.0.1:0", routes);
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    expect([response.status, await response.text()]).toEqual([status, body]);
  });

  test("says which address cannot be bound, and why", async () => {
    await using first = await serveHttp("127.0.0.1:0", routes);
    await expect(serveHttp(`127.0.0.1:${first.port}`, routes)).rejects.toThrow(
      new RegExp(`Cannot listen on 127.0.0.1:${first.port}: .*EADDRINUSE`),
    );
    await expect(serveHttp("nowhere", routes)).rejects.toThrow('"nowhere": it is not host:port');
  });

  test("is gone when disposed of", async () => {
    const server = await serveHttp("127.0.0.1:0", routes);
    await server[Symbol.asyncDispose]();
    await expect(fetch(`http://127.0.0.1:${server.port}/ready`)).rejects.toThrow();
  });
});
