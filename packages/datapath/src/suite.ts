import type { ByteStream } from "@lateen/byte-stream";
import type { TestApi } from "@lateen/byte-stream/suite";
import type { Cancel, CredentialsOptions, SecureOptions } from "./port.ts";
import type { SecureStream, SocketStream } from "./streams.ts";
import {
  type DataPathRig,
  End,
  HANDSHAKE_MS,
  LISTEN,
  SOCKET,
  Stage,
  check,
  errorOf,
  must,
  refusedByServer,
  within,
} from "./suite-stage.ts";

export type { DataPathRig };
export { type Tunnel, dataPathStreamSuite } from "./stream-suite.ts";

type Case = readonly [name: string, run: (stage: Stage) => Promise<void>];

function socketCases(ip: string): readonly Case[] {
  return [
    [
      `${ip}: addresses of both ends agree, and the original destination falls back to the local address`,
      async (stage) => {
        const [near, far] = await stage.sockets(ip);
        const same = (a: ByteStream["local"], b: ByteStream["local"]): boolean => a.ip === b.ip && a.port === b.port;
        check(same(near.local, far.remote) && same(near.remote, far.local), "addresses differ");
        check(near.remote.ip === ip, `remote is ${near.remote.ip}`);
        check(same(far.originalDestination(), far.local), "original destination is not the local address");
      },
    ],
    [
      `${ip}: a refused connection says so`,
      async (stage) => {
        const listener = stage.listen(ip, () => {});
        const { port } = listener.address;
        listener.close();
        listener.close();
        const error = errorOf(await stage.connect(ip, port), "connect");
        check(error.code === "UNAVAILABLE" && error.message.includes("connection refused"), error.message);
        check(error.message.includes(String(port)), `does not name the address: ${error.message}`);
      },
    ],
  ];
}

const SOCKET_CASES: readonly Case[] = [
  ...socketCases("127.0.0.1"),
  ...socketCases("::1"),
  [
    "a dual-stack listener takes both families and writes IPv4 as IPv4",
    async (stage) => {
      const accepted = Promise.withResolvers<SocketStream>();
      const listener = stage.path.listen(
        { ...LISTEN, dualStack: true, address: { ip: "::", port: 0 } },
        accepted.resolve,
      );
      const near = must(await stage.connect("127.0.0.1", listener.address.port));
      const far = await within("accept", accepted.promise);
      listener.close();
      check(far.remote.ip === "127.0.0.1" && far.local.ip === "127.0.0.1", `${far.remote.ip} and ${far.local.ip}`);
      near.abort();
      far.abort();
    },
  ],
  [
    "a port in use throws, and names the address",
    async (stage) => {
      const { address } = stage.listen("127.0.0.1", () => {});
      let error: unknown = null;
      try {
        stage.path.listen({ ...LISTEN, address }, () => {}).close();
      } catch (e) {
        error = e;
      }
      check(error instanceof Error && error.message.includes(`127.0.0.1:${address.port}`), String(error));
      await Promise.resolve();
    },
  ],
  [
    "reusePort lets two listeners share a port",
    async (stage) => {
      const first = stage.path.listen({ ...LISTEN, reusePort: true, address: { ip: "127.0.0.1", port: 0 } }, (s) =>
        s.abort(),
      );
      const second = stage.path.listen({ ...LISTEN, reusePort: true, address: first.address }, (s) => s.abort());
      first.close();
      second.close();
      await Promise.resolve();
    },
  ],
  [
    "closing a listener leaves accepted streams alone",
    async (stage) => {
      const accepted = Promise.withResolvers<SocketStream>();
      const listener = stage.listen("127.0.0.1", accepted.resolve);
      const near = new End(must(await stage.connect("127.0.0.1", listener.address.port)));
      const far = new End(await within("accept", accepted.promise));
      listener.close();
      near.say("still here");
      await far.until("bytes", () => far.text === "still here");
    },
  ],
  [
    "a cancelled connect never answers",
    async (stage) => {
      const listener = stage.listen("127.0.0.1", () => {});
      let answered = false;
      const options = { ...SOCKET, to: listener.address, from: null, timeoutMs: HANDSHAKE_MS };
      const cancel = stage.path.connect(options, () => (answered = true));
      cancel();
      cancel();
      must(await stage.connect("127.0.0.1", listener.address.port));
      check(!answered, "answered");
    },
  ],
  [
    "after runs once, and not when cancelled; time does not go back",
    async (stage) => {
      const before = stage.path.nowMs();
      let ran = 0;
      const cancel: Cancel = stage.path.after(5, () => (ran += 100));
      cancel();
      cancel();
      await within("after 0", new Promise<void>((resolve) => stage.path.after(0, resolve)));
      await within("after 10", new Promise<void>((resolve) => stage.path.after(10, resolve)));
      check(ran === 0, "a cancelled run ran");
      check(stage.path.nowMs() - before >= 9, "time stood still");
    },
  ],
  [
    "defer runs outside the caller, in order, and before time passes",
    async (stage) => {
      const order: string[] = [];
      await within(
        "defer",
        new Promise<void>((resolve) => {
          stage.path.defer(() => order.push("first"));
          stage.path.defer(() => stage.path.defer(resolve));
          stage.path.defer(() => order.push("second"));
          order.push("caller");
        }),
      );
      check(order.join() === "caller,first,second", order.join());
    },
  ],
];

const TLS_CASES: readonly Case[] = [
  [
    "both ends get each other's chain, leaf first, and bytes pass",
    async (stage) => {
      const [near, far] = (await stage.handshake()).map(must) as [SecureStream, SecureStream];
      check(near.peerChainDer.length > 0 && far.peerChainDer.length > 0, "no chain");
      check(near.peerChainDer[0]?.[0] === 0x30, "not DER");
      check(near.remote.port === far.local.port, "addresses got lost");
      const [a, b] = [new End(near), new End(far)];
      a.say("to the server");
      b.say("to the client");
      await Promise.all([
        a.until("bytes", () => a.text === "to the client"),
        b.until("bytes", () => b.text === "to the server"),
      ]);
    },
  ],
  [
    "bytes right behind the handshake are not lost",
    async (stage) => {
      const [near, far] = await stage.sockets();
      const server = stage.secure(far, "server");
      const a = new End(must(await stage.secure(near, "client")));
      a.say("x".repeat(50_000));
      a.stream.end();
      const secured = must(await server);
      await new Promise<void>((resolve) => stage.path.after(5, resolve));
      const b = new End(secured);
      await b.until("bytes and end", () => b.text.length === 50_000 && b.ended);
    },
  ],
  [
    "credentials serve many handshakes",
    async (stage) => {
      for (let i = 0; i < 3; i++) (await stage.handshake()).forEach(must);
    },
  ],
  [
    "peers that meet again are judged again, whether sessions are resumed or not",
    async (stage) => {
      const asked: string[] = [];
      const ask = (who: string) => (chain: readonly Uint8Array[]) => {
        asked.push(`${who} ${chain.length}`);
        return null;
      };
      const credentials = (role: "client" | "server") => stage.path.credentials(stage.rig.credentials[role]);
      const client = { credentials: credentials("client"), resumeKey: "peer", verifyPeer: ask("client") };
      const server = { credentials: credentials("server"), verifyPeer: ask("server") };
      for (let i = 0; i < 3; i++) {
        const [near, far] = (await stage.handshake(client, server)).map(must) as [SecureStream, SecureStream];
        const [a, b] = [new End(near), new End(far)];
        b.say("from the server");
        await a.until("the server's bytes", () => a.text === "from the server");
        a.say("from the client");
        await b.until("the client's bytes", () => b.text === "from the client");
        check(near.peerChainDer.length === 2 && far.peerChainDer.length === 2, "not the whole chain");
        near.abort();
      }
      const each = asked.sort().join();
      check(each === "client 2,client 2,client 2,server 2,server 2,server 2", `asked: ${each}`);
      await refusedByServer(stage, client, { ...server, verifyPeer: () => "not any more" }, /not any more$/);
      const [near] = await stage.handshake({ ...client, verifyPeer: () => "no longer" }, server);
      check(
        errorOf(near, "handshake").message === "tls handshake error: no longer",
        errorOf(near, "handshake").message,
      );
    },
  ],
  [
    "a client of another root is refused",
    (stage) => refusedByServer(stage, { as: "stranger", verifyPeer: () => null }, {}, /tls handshake error/),
  ],
  [
    "a client whose certificate expired is refused",
    (stage) => refusedByServer(stage, { as: "expired" }, {}, /tls handshake error: .*expired/),
  ],
  [
    "a client whose certificate is for servers only is refused",
    (stage) =>
      refusedByServer(stage, { as: "serverOnly" }, {}, /tls handshake error: .*(purpose|unsuitable|unsupported)/),
  ],
  [
    "verifyPeer at the server decides before any byte is handed up",
    (stage) =>
      refusedByServer(stage, {}, { verifyPeer: () => "not on the list" }, /^tls handshake error: not on the list$/),
  ],
  [
    "verifyPeer at the client decides, and the server's stream closes",
    async (stage) => {
      const [near, far] = await stage.handshake({ verifyPeer: () => "wrong name" });
      check(errorOf(near, "the client's handshake").message === "tls handshake error: wrong name", "wrong error");
      check(errorOf(near, "the client's handshake").code === "DENIED", "wrong code");
      if (!far.ok) return;
      const b = new End(far.value);
      await b.until("close", () => b.closed !== null || b.ended);
      check(b.text === "", "bytes arrived");
    },
  ],
  [
    "a server of another root is refused by the client, by name",
    async (stage) => {
      const [near] = await stage.handshake({}, { as: "stranger" });
      check(/^tls handshake error: /.test(errorOf(near, "handshake").message), "no reason");
    },
  ],
  [
    "an expired server is refused by the client, by name",
    async (stage) => {
      const [near] = await stage.handshake({}, { as: "expired" });
      check(/expired/.test(errorOf(near, "handshake").message), errorOf(near, "handshake").message);
    },
  ],
  [
    "no protocol in common fails at both ends",
    async (stage) => {
      const [near, far] = await stage.handshake({ alpn: "h2" }, { alpn: "other" });
      check(/tls handshake error/.test(errorOf(near, "the client").message), "no reason at the client");
      check(/tls handshake error/.test(errorOf(far, "the server").message), "no reason at the server");
    },
  ],
  [
    "a peer that says nothing runs into the time limit",
    async (stage) => {
      const [near, far] = await stage.sockets();
      const silent = new End(near);
      const error = errorOf(await stage.secure(far, "server", { timeoutMs: 50 }), "handshake");
      check(error.code === "TIMEOUT" && error.message === "tls handshake error: not done within 50 ms", error.message);
      await silent.until("close", () => silent.closed !== null || silent.ended);
    },
  ],
  [
    "a peer that does not speak TLS is refused",
    async (stage) => {
      const [near, far] = await stage.sockets();
      const plain = new End(near);
      plain.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      const error = errorOf(await stage.secure(far, "server"), "handshake");
      check(/^tls handshake error: /.test(error.message), error.message);
      await plain.until("close", () => plain.closed !== null || plain.ended);
    },
  ],
  [
    "a peer that leaves in the middle is noticed",
    async (stage) => {
      const [near, far] = await stage.sockets();
      const server = stage.secure(far, "server");
      near.attach(new End(near));
      near.abort();
      check(/^tls handshake error: /.test(errorOf(await server, "handshake").message), "no reason");
    },
  ],
  [
    "a cancelled handshake never answers, and lets go of the socket",
    async (stage) => {
      const [near, far] = await stage.sockets();
      let answered = false;
      const credentials = stage.path.credentials(stage.rig.credentials.server);
      const options: SecureOptions = {
        role: "server",
        credentials,
        alpn: "h2",
        timeoutMs: HANDSHAKE_MS,
        verifyPeer: () => null,
      };
      const cancel = stage.path.secure(far, options, () => (answered = true));
      cancel();
      cancel();
      const end = new End(near);
      await end.until("close", () => end.closed !== null || end.ended);
      check(!answered, "answered");
    },
  ],
  [
    "TLS inside TLS: any byte stream can carry it",
    async (stage) => {
      const [near, far] = (await stage.handshake()).map(must) as [SecureStream, SecureStream];
      const hidden = (s: ByteStream): ByteStream => ({
        local: s.local,
        remote: s.remote,
        get buffered() {
          return s.buffered;
        },
        attach: (h) => s.attach(h),
        write: (head, body) => s.write(head, body),
        end: () => s.end(),
        pause: () => s.pause(),
        resume: () => s.resume(),
        abort: () => s.abort(),
      });
      const [inner, outer] = await Promise.all([
        stage.secure(hidden(near), "client"),
        stage.secure(hidden(far), "server"),
      ]);
      const [a, b] = [new End(must(inner)), new End(must(outer))];
      a.say("deep");
      a.stream.end();
      await b.until("bytes and end", () => b.text === "deep" && b.ended);
    },
  ],
  [
    "credentials that do not fit are refused",
    async (stage) => {
      const { client, server } = stage.rig.credentials;
      const wrong: readonly CredentialsOptions[] = [
        { ...client, keyPem: server.keyPem },
        { ...client, keyPem: "no key" },
        { ...client, chainPem: "" },
        { ...client, rootsPem: [] },
        { ...client, rootsPem: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] },
      ];
      for (const [i, options] of wrong.entries()) {
        let error: unknown = null;
        try {
          stage.path.credentials(options);
        } catch (e) {
          error = e;
        }
        check(
          error instanceof Error && error.message.startsWith("Cannot use credentials: "),
          `wrong credentials ${i}: ${String(error)}`,
        );
      }
      await Promise.resolve();
    },
  ],
];

/** What every driver of the data-path port must do. Declares two groups of tests. Streams have a suite of their own. */
export function dataPathSuite(api: TestApi, name: string, open: () => DataPathRig | Promise<DataPathRig>): void {
  const declare = (cases: readonly Case[]): void => {
    for (const [title, run] of cases) {
      api.test(title, async () => {
        const rig = await open();
        const stage = new Stage(rig);
        try {
          await run(stage);
        } finally {
          stage.close();
          await rig.close();
        }
      });
    }
  };
  api.describe(`sockets of data path ${name}`, () => declare(SOCKET_CASES));
  api.describe(`TLS of data path ${name}`, () => declare(TLS_CASES));
}
