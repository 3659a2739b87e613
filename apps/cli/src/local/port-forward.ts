import net from "node:net";
import { pipeline } from "node:stream/promises";
import { Code, MeshError } from "@lateen/errors";
import type { MeshClient } from "@lateen/local-mesh";
import { type Command, EXIT, type Terminal, UsageError } from "../command.ts";
import { clientOf, meshFlag, namespaceFlag, withNamespace } from "./mesh-access.ts";

export const portForward: Command = {
  name: "port-forward",
  summary: "reach a port of a pod or a Service from this machine",
  usage: "POD[.NAMESPACE] | svc/NAME[.NAMESPACE]  [LOCAL:]REMOTE...",
  about: "Listens on 127.0.0.1 until interrupted. LOCAL may be 0 for any free port.",
  examples: ["lateenctl local port-forward svc/catalog 8080:80"],
  positionals: [2, 16],
  flags: { namespace: namespaceFlag, mesh: meshFlag },
  cleansUp: true,
  async run(given, terminal) {
    const [name = "", ...mappings] = given.positionals;
    const target = withNamespace(name, given.text("namespace"));
    const ports = mappings.map(parsePorts);
    const client = await clientOf(given, terminal);
    for (const { remote } of ports) await client.reaches({ pod: target, port: remote });
    await using stack = new AsyncDisposableStack();
    for (const p of ports) stack.use(await forward(client, terminal, { target, ...p }));
    await new Promise<void>((resolve) => {
      if (terminal.interrupted.aborted) resolve();
      else terminal.interrupted.addEventListener("abort", () => resolve(), { once: true });
    });
    return EXIT.ok;
  },
};

/** `8080:80`, `:80` and `0:80` for any free port, or `80` for the same on both sides. */
export function parsePorts(text: string): { readonly local: number; readonly remote: number } {
  const m = /^(?:(\d{0,5}):)?(\d{1,5})$/.exec(text);
  const remote = Number(m?.[2]);
  const local = m?.[1] === undefined ? remote : Number(m[1]);
  if (m === null || remote < 1 || remote > 65_535 || local > 65_535)
    throw new UsageError(`invalid argument "${text}": need [LOCAL:]REMOTE with ports up to 65535`);
  return { local, remote };
}

async function forward(
  client: MeshClient,
  terminal: Terminal,
  o: { readonly target: string; readonly local: number; readonly remote: number },
): Promise<AsyncDisposable> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    open.add(near);
    near.on("close", () => open.delete(near));
    join(client, near, o).catch((e: unknown) => {
      near.destroy();
      terminal.stderr.write(`${o.target}:${o.remote}: ${e instanceof Error ? e.message : String(e)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (e) =>
      reject(new MeshError(Code.Unavailable, `Cannot listen on 127.0.0.1:${o.local}: ${whyNot(e)}`, {}, e)),
    );
    server.listen({ host: "127.0.0.1", port: o.local }, resolve);
  });
  const { port } = server.address() as net.AddressInfo;
  terminal.stdout.write(`127.0.0.1:${port} -> ${o.target}:${o.remote}\n`);
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function whyNot(e: NodeJS.ErrnoException): string {
  if (e.code === "EADDRINUSE") return "the port is in use; 0 before the colon takes any free one";
  return e.code === "EACCES" ? "only root may use ports below 1024" : e.message;
}

async function join(
  client: MeshClient,
  near: net.Socket,
  o: { readonly target: string; readonly remote: number },
): Promise<void> {
  const far = await client.dial({ pod: o.target, port: o.remote });
  await Promise.all([pipeline(near, far), pipeline(far, near)]);
}
