import { parentPort, workerData } from "node:worker_threads";
import type { BellEnds } from "./bell.ts";
import { runByBell } from "./bell.ts";
import { FastDataPath } from "./fast-data-path.ts";

// A data thread for tests: echoes on a listener, answers messages, and throws when told to.

const port = parentPort!;
const path = new FastDataPath({ onFault: (fault) => port.postMessage({ fault: String(fault) }) });
const address = { ip: "127.0.0.1", port: 0 };
const how = { netns: null, mark: 0, keepAlive: null, dualStack: false, reusePort: false, transparent: "off" } as const;

const listener = path.listen({ ...how, address, backlog: 16 }, (stream) => {
  stream.attach({
    onData(bytes) {
      if (bytes[0] === 0x21) throw new Error("told to");
      stream.write(bytes);
    },
    onEnd: () => stream.end(),
    onWritable() {},
    onClose: (reason) => port.postMessage({ closed: reason.t }),
  });
});
port.postMessage({ port: listener.address.port });

runByBell(path, workerData as BellEnds, port, (message) => {
  if (message === "throw") throw new Error("told to");
  if (message === "timer") path.after(20, () => port.postMessage({ timer: true }));
  else port.postMessage({ echo: message });
});
