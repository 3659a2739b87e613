/** A copy that owns its memory. `slice` will not do: on a Buffer of Node it is a view. */
export function copyOf(bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}
