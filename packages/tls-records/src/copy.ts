/** A copy that owns its memory. `slice` will not do: on a Buffer of Node it is a view. */
export function copyOf(bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/** Up to so many bytes are copied one by one, for less than the call that copies many. */
const FEW_BYTES = 128;

/** Copies bytes to where `at` is in the target, which has room for them. */
export function putBytes(target: Uint8Array, at: number, bytes: Uint8Array): void {
  const { length } = bytes;
  if (length > FEW_BYTES) target.set(bytes, at);
  else for (let i = 0; i < length; i++) target[at + i] = bytes[i]!; // below the length
}
