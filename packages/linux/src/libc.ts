// Typed doors to libc. Memory safety rests on three rules: a length is never a parameter, it is that of the view given; no
// address leaves this package; every number is checked to be one before C sees it.
export * from "./libc/files.ts";
export * from "./libc/messages.ts";
export * from "./libc/processes.ts";
export * from "./libc/socket-options.ts";
export * from "./libc/sockets.ts";
