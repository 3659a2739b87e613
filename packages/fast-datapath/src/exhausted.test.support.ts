import { writeSync } from "node:fs";
import { FastDataPath } from "./fast-data-path.ts";

// Echoes with few descriptors left to this process, until its input ends.

const path = new FastDataPath({ onFault: (fault) => void writeSync(2, `${String(fault)}\n`) });
const address = { ip: "127.0.0.1", port: 0 };
const how = { netns: null, mark: 0, keepAlive: null, dualStack: false, reusePort: false, transparent: "off" } as const;
const listener = path.listen({ ...how, address, backlog: 256 }, (stream) =>
  stream.attach({
    onData: (bytes) => void stream.write(bytes),
    onEnd: () => stream.end(),
    onWritable() {},
    onClose() {},
  }),
);
writeSync(1, `${listener.address.port}\n`);
path.watch(0, () => path.stop());
path.run();
path[Symbol.dispose]();
