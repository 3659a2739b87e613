import { formatSocketAddress } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { errorCode, errorText } from "./close-reason.ts";
import type { ConnectOptions, ListenOptions } from "./port.ts";

// What every driver says when a socket cannot be had.

/** @param why an error, or a text */
export function cannotListen(options: ListenOptions, why: unknown): MeshError {
  if (MeshError.is(why)) return why;
  const text = typeof why === "string" ? why : errorText(why);
  return new MeshError(Code.Unavailable, `Cannot listen on ${formatSocketAddress(options.address)}: ${text}`);
}

export function cannotConnect(options: ConnectOptions, error: unknown): MeshError {
  if (MeshError.is(error)) return error;
  const to = formatSocketAddress(options.to);
  return new MeshError(
    Code.Unavailable,
    `Cannot connect to ${to}: ${errorText(error)}`,
    { errno: errorCode(error) },
    error,
  );
}

export function connectTimeout(options: ConnectOptions): MeshError {
  const { timeoutMs } = options;
  const to = formatSocketAddress(options.to);
  return new MeshError(Code.Timeout, `Cannot connect to ${to}: no answer within ${timeoutMs} ms`, { timeoutMs });
}
