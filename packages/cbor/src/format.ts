/** Kinds of items, the upper three bits of their first byte. @see RFC 8949 section 3.1 */
export const Major = { Unsigned: 0, Negative: 1, Bytes: 2, Text: 3, List: 4, Record: 5 } as const;
export const SIMPLE_FALSE = 0xf4;
export const SIMPLE_TRUE = 0xf5;
export const SIMPLE_NULL = 0xf6;
export const FLOAT64 = 0xfb;
/** Deeper nesting has no use here and would only exhaust a stack. */
export const MAX_DEPTH = 32;
