/** Which driver of the data path a data thread runs on. */
export type DataPathDriver = "fast" | "portable";

/** @param wanted the setting; `auto` is `fast` where that runs */
export function dataPathDriver(
  wanted: DataPathDriver | "auto",
  system: { readonly platform: string; readonly arch: string },
): DataPathDriver {
  if (wanted !== "auto") return wanted;
  return system.platform === "linux" && ["x64", "arm64"].includes(system.arch) ? "fast" : "portable";
}
