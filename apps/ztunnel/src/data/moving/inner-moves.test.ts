import process from "node:process";
import type { ByteStream, StreamHandler } from "@lateen/byte-stream";
import { testCredentials } from "@lateen/certificates/test-credentials";
import type { FastDataPath } from "@lateen/fast-datapath";
import { type ConnectRequest, hboneClient, hboneServer } from "@lateen/hbone";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OpenConnection } from "../open-connection.ts";
import type { ServedPod } from "../served-pod.ts";
import { facts } from "./little-mesh.ts";
import { Processes, type Process, moved } from "./two-processes.test.support.ts";

const credentials = await testCredentials(Date.now());
const identity = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const ADDRESS = { ip: "192.0.2.1", port: 1 };
const TARGET = { as: identity("client"), expected: ["a gateway"], to: ADDRESS, from: "" };
const TLS = { alpn: "h2", timeoutMs: 5_000, verifyPeer: () => null } as const;

/** An application: an echo, which ends when its peer does, or one that notes what comes. */
class Application implements StreamHandler {
  readonly stream: ByteStream;
  readonly #echoes: boolean;
  heard = "";
  over = false;

  constructor(stream: ByteStream, role: "echo" | "client") {
    this.stream = stream;
    this.#echoes = role === "echo";
    stream.attach(this);
  }
  onData(bytes: Uint8Array): void {
    if (this.#echoes) this.stream.write(bytes);
    else this.heard += new TextDecoder().decode(bytes);
  }
  onEnd(): void {
    this.over = true;
    if (this.#echoes) this.stream.end();
  }
  onWritable(): void {}
  onClose(): void {
    this.over = true;
  }
}

/** A gateway and what is behind it, which answer when they are told to. */
class Far {
  readonly outer: ConnectRequest[] = [];
  readonly inner: ConnectRequest[] = [];
  readonly #path: FastDataPath;

  constructor(path: FastDataPath) {
    this.#path = path;
  }

  serve(stream: ByteStream, requests: ConnectRequest[]): void {
    const own = this.#path.credentials(credentials.server);
    this.#path.secure(stream, { ...TLS, role: "server", credentials: own }, (secured) => {
      if (!secured.ok) return;
      const how = { trust: "authenticated", nowMs: 0, defer: (run: () => void) => this.#path.defer(run) } as const;
      hboneServer(secured.value, how, (request) => requests.push(request));
    });
  }

  async request(which: "outer" | "inner"): Promise<ConnectRequest> {
    return eventually(() => this[which].shift() ?? null, { what: `the ${which} CONNECT` });
  }
}

describe.skipIf(process.platform !== "linux")("a connection to another network", () => {
  let all: Processes;
  let far: Far;
  let apps: FastDataPath;
  /** Where it is now, and where it is to go next. */
  let here: Process;
  let there: Process;
  let client: Application;

  const podOf = (at: Process): ServedPod => at.pods.get("rehearsal-near")!;
  const move = async (): Promise<void> => {
    expect(await all.move(here, there)).toMatchObject({
      gave: { outcome: "done", moved: 1, kept: 0, left: 0 },
      took: { outcome: "done", declined: [], bundles: [{ connections: 1, tunnel: true }] },
    });
    [here, there] = [there, here];
  };
  /** Answers the inner CONNECT with an echo. */
  const answer = async (): Promise<void> => {
    new Application((await far.request("inner")).accept([]), "echo");
  };
  const carries = async (text: string): Promise<void> => {
    client.heard = "";
    client.stream.write(new TextEncoder().encode(text));
    await eventually(() => client.heard === text || client.over, { what: "the echo" });
    expect([client.heard, client.over, all.faults]).toEqual([text, false, []]);
  };

  beforeEach(async () => {
    all = new Processes();
    apps = all.path();
    far = new Far(apps);
    [here, there] = [all.process(), all.process()];
    for (const at of [here, there])
      podOf(at).context.thread.credentials.set(TARGET.as, { t: "available", ...credentials.client });
    await tunnel();
    ask();
  });
  afterEach(() => all[Symbol.dispose]());

  /** A tunnel to the gateway. */
  async function tunnel(): Promise<void> {
    const { path } = here;
    const { tunnels } = podOf(here);
    const [near, end] = path.mover.pair("");
    far.serve(moved(path.mover, apps.mover, end), far.outer);
    const own = path.credentials(credentials.client);
    path.secure(near, { ...TLS, role: "client", credentials: own }, (secured) => {
      if (!secured.ok) throw secured.error;
      const made = hboneClient(secured.value, { trust: "authenticated", ...tunnels.clientOptions() });
      tunnels.putIn(made, { stream: secured.value, target: TARGET }, { shared: true, idleMs: 0 });
    });
    await eventually(() => tunnels.outbound.length > 0, { what: "the tunnel" });
  }

  /** What the proxy does with a captured connection. */
  function ask(): void {
    const { context, tunnels } = podOf(here);
    const { mover } = here.path;
    const [app, downstream] = mover.pair("");
    client = new Application(moved(mover, apps.mover, app), "client");
    const request = { authority: "far.example:80", headers: [["forwarded", "for=192.0.2.1"]] as const };
    const inner = {
      expected: [identity("server")],
      request: { ...request, headers: [...request.headers, ["x-forwarded-network", "near"]] as const },
    };
    const about = { downstream, judged: null, originalDst: ADDRESS };
    const said = { ...facts("outbound", "in a tunnel"), hboneAuthority: request.authority };
    const connection = new OpenConnection(context, said, about);
    connection.awaiting = { t: "answer", target: request, inner };
    tunnels.connectThrough(TARGET, inner, request, (result) => {
      if (result.ok) connection.carry(downstream, result.value);
      else connection.fail({ flag: "CONNECT", error: result.error.message, refusedBy: null });
    });
  }

  test("moves before the gateway has answered, and the rest is done by the successor", async () => {
    const request = await far.request("outer");
    await move();
    await move();
    far.serve(request.accept([]), far.inner);
    const inner = await far.request("inner");
    expect(inner).toMatchObject({
      authority: "far.example:80",
      headers: [
        ["forwarded", "for=192.0.2.1"],
        ["x-forwarded-network", "near"],
      ],
    });
    new Application(inner.accept([]), "echo");
    await carries("through both");
    await move();
    await carries("and on");
  });

  test("waits for a handshake inside the tunnel, then moves with what that has made", async () => {
    const stream = (await far.request("outer")).accept([]);
    const moving = move();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
    far.serve(stream, far.inner);
    const inner = await far.request("inner");
    await moving; // the inner CONNECT has no answer yet
    new Application(inner.accept([]), "echo");
    await carries("after a handshake");
    await move();
    await carries("and on");
  });

  test("stays with its tunnel when that handshake does not end in time, and goes on there", async () => {
    const stream = (await far.request("outer")).accept([]);
    const { gave } = await all.move(here, there, { patienceMs: 20 });
    expect(gave).toMatchObject({ outcome: "done", moved: 0, left: 1 });
    far.serve(stream, far.inner);
    await answer();
    await carries("where it was");
    await move(); // to the next that comes
    await carries("and on");
  });

  test("is somewhere when the socket between the processes breaks, after however many messages, wherever it waits", async () => {
    const cut = async (): Promise<readonly boolean[]> => {
      const went: boolean[] = [];
      for (let messages = 0; messages < 9; messages++) {
        const { gave, took } = await all.moveCutAfter(messages, here, there);
        expect(took.bundles).toHaveLength(gave.moved);
        expect(here.carried + there.carried).toBe(1);
        went.push(gave.moved === 1);
        if (gave.moved === 1) [here, there] = [there, here];
      }
      return went;
    };
    const outer = await far.request("outer");
    expect(new Set(await cut()).size).toBe(2);
    far.serve(outer.accept([]), far.inner);
    const inner = await far.request("inner");
    expect(new Set(await cut()).size).toBe(2);
    new Application(inner.accept([]), "echo");
    await carries("after all of it");
    expect(new Set(await cut()).size).toBe(2);
    await carries("and on");
  });

  test.each(["outer", "inner"] as const)("is ended by the successor when the %s CONNECT is refused", async (which) => {
    const outer = await far.request("outer");
    if (which === "inner") far.serve(outer.accept([]), far.inner);
    const request = which === "inner" ? await far.request("inner") : outer;
    await move();
    request.refuse(503);
    await eventually(() => client.over, { what: "the end" });
    expect(here.carried).toBe(0);
    // What is left of it is closed in order, and the tunnel moves without it.
    const { gave, took } = await all.move(here, there);
    expect([gave, took]).toMatchObject([
      { outcome: "done", moved: 1, left: 0 },
      { bundles: [{ connections: 0, tunnel: true }] },
    ]);
    expect(all.faults).toEqual([]);
  });

  test("is left behind by none of its parts when it has ended", async () => {
    far.serve((await far.request("outer")).accept([]), far.inner);
    await answer();
    await carries("hello");
    await move();
    client.stream.end();
    await eventually(() => here.carried === 0, { what: "the end" });
    const { gave } = await all.move(here, there);
    expect(gave).toMatchObject({ outcome: "done", moved: 1, left: 0 });
    for (const at of [here, there]) {
      const { tunnels } = podOf(at);
      tunnels.tick(0);
      expect(tunnels.outbound.flatMap((one) => tunnels.innerOf(one.tunnel))).toEqual([]);
    }
    expect(podOf(there).tunnels.outbound).toMatchObject([{ tunnel: { active: 0, closed: false } }]);
  });

  test("whose far end is done stays until its client has read the rest, and nobody else with it", async () => {
    far.serve((await far.request("outer")).accept([]), far.inner);
    const stream = (await far.request("inner")).accept([]);
    client.stream.pause();
    client.stream.end();
    const bytes = 2_000_000;
    stream.attach(new Application(stream, "client"));
    stream.write(new Uint8Array(bytes).fill(0x61));
    stream.end();
    const { tunnels } = podOf(here);
    await eventually(() => (tunnels.tick(0), tunnels.outbound.every(({ tunnel }) => tunnel.active === 0)), {
      what: "both tunnels to be done with it",
    });
    expect((await all.move(here, there)).gave).toMatchObject({ outcome: "done", moved: 1, left: 1 });
    expect([here.carried, there.carried]).toEqual([1, 0]);
    client.stream.resume();
    await eventually(() => client.over, { what: "the end" });
    expect([client.heard.length, here.carried, all.faults]).toEqual([bytes, 0, []]);
  });

  test("stays when the successor speaks the format before, whatever it waits for", async () => {
    const request = await far.request("outer");
    const old = { give: 1, take: 1, patienceMs: 20 };
    expect((await all.move(here, there, old)).gave).toMatchObject({ outcome: "done", moved: 0, left: 1 });
    far.serve(request.accept([]), far.inner);
    await answer();
    await carries("where it was");
    expect((await all.move(here, there, old)).gave).toMatchObject({ outcome: "done", moved: 0, left: 1 });
    await carries("still");
  });
});
