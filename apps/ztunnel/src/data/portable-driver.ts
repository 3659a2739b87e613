import { type DataPath, portableDataPath } from "@lateen/datapath";
import { socketFactory } from "@lateen/linux";

/** The portable data path of one thread. A module of its own, so that a thread on the other driver loads nothing of it. */
export function portableDriver(): DataPath {
  return portableDataPath({ sockets: socketFactory });
}
