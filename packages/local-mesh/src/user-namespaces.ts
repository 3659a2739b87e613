import fs from "node:fs";

/** Kernel settings that decide whether an ordinary user may make namespaces; null where the kernel does not have one. */
export interface NamespaceSettings {
  readonly unprivilegedClone: string | null;
  readonly maxUserNamespaces: string | null;
  readonly apparmorRestricts: string | null;
}

export function readNamespaceSettings(): NamespaceSettings {
  const read = (name: string): string | null => {
    try {
      return fs.readFileSync(`/proc/sys/${name}`, "utf8").trim();
    } catch {
      return null; // this kernel has no such setting
    }
  };
  return {
    unprivilegedClone: read("kernel/unprivileged_userns_clone"),
    maxUserNamespaces: read("user/max_user_namespaces"),
    apparmorRestricts: read("kernel/apparmor_restrict_unprivileged_userns"),
  };
}

/**
 * Which setting keeps an ordinary user from running a mesh, and how to change it.
 * @param said what `unshare` said
 */
export function whyNoUserNamespace(s: NamespaceSettings, said: string): string {
  const set = (name: string, value: string): string => `sysctl -w ${name}=${value}`;
  if (s.unprivilegedClone === "0")
    return `kernel.unprivileged_userns_clone is 0; as root: ${set("kernel.unprivileged_userns_clone", "1")}`;
  if (s.maxUserNamespaces === "0")
    return `user.max_user_namespaces is 0; as root: ${set("user.max_user_namespaces", "10000")}`;
  if (s.apparmorRestricts === "1")
    return `kernel.apparmor_restrict_unprivileged_userns is 1; as root: ${set("kernel.apparmor_restrict_unprivileged_userns", "0")}`;
  return `${said === "" ? "the kernel refused" : said}; no setting of the kernel explains it, a container or sandbox may forbid it: run as root`;
}
