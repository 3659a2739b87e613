import fs from "node:fs";
import path from "node:path";
import type { MountPlan } from "@lateen/linux";

/** The files of a pod that stand in place of the machine's own: names resolve by them, and by nothing of the machine. */
export interface PodFiles extends Disposable {
  /** What to mount for each process of the pod. */
  readonly mounts: readonly MountPlan[];
  /** Replaces the content of the hosts file, which running processes see. */
  writeHosts(content: string): void;
}

/** Looks in files only: the machine's other services (a resolver behind a unix socket, say) are not this pod's. */
const NSSWITCH = ["passwd: files", "group: files", "shadow: files", "hosts: files dns", "networks: files", ""].join(
  "\n",
);

/**
 * Makes the files of a pod.
 * @param folder the pod's own; it is made, and removed at disposal
 */
export function openPodFiles(
  folder: string,
  content: { readonly hosts: string; readonly resolvConf: string; readonly passwd?: string },
): PodFiles {
  fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  const files: readonly (readonly [string, string, string])[] = [
    ["hosts", content.hosts, "/etc/hosts"],
    ["resolv.conf", content.resolvConf, "/etc/resolv.conf"],
    ["nsswitch.conf", NSSWITCH, "/etc/nsswitch.conf"],
  ];
  const mounts: MountPlan[] = [];
  for (const [name, text, target] of files) {
    const source = path.join(folder, name);
    fs.writeFileSync(source, text, { mode: 0o644 });
    // A machine without the file has nothing to stand in place of; the mount would need to make one.
    if (fs.existsSync(target)) mounts.push({ t: "bind", source, target: fs.realpathSync(target), readOnly: false });
  }
  let hosts = content.hosts;
  return {
    mounts,
    writeHosts(text) {
      if (text === hosts) return;
      overwrite(path.join(folder, "hosts"), text);
      hosts = text;
    },
    [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

/** In place, since a mount follows the file and not its name. The new text first, then the cut: no reader finds it empty. */
function overwrite(file: string, text: string): void {
  const fd = fs.openSync(file, "r+");
  try {
    const bytes = new TextEncoder().encode(text);
    fs.writeSync(fd, bytes, 0, bytes.length, 0);
    fs.ftruncateSync(fd, bytes.length);
  } finally {
    fs.closeSync(fd);
  }
}
