/** Alerts that are sent from here. @see RFC 8446 section 6 */
export const Alert = {
  CloseNotify: 0,
  UnexpectedMessage: 10,
  BadRecordMac: 20,
  RecordOverflow: 22,
  IllegalParameter: 47,
  DecodeError: 50,
  UserCanceled: 90,
  NoApplicationProtocol: 120,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map([
  [0, "close notify"],
  [10, "unexpected message"],
  [20, "bad record mac"],
  [22, "record overflow"],
  [40, "handshake failure"],
  [42, "bad certificate"],
  [43, "unsupported certificate"],
  [44, "certificate revoked"],
  [45, "certificate expired"],
  [46, "certificate unknown"],
  [47, "illegal parameter"],
  [48, "unknown ca"],
  [49, "access denied"],
  [50, "decode error"],
  [51, "decrypt error"],
  [70, "protocol version"],
  [71, "insufficient security"],
  [80, "internal error"],
  [86, "inappropriate fallback"],
  [90, "user canceled"],
  [109, "missing extension"],
  [110, "unsupported extension"],
  [112, "unrecognized name"],
  [113, "bad certificate status response"],
  [115, "unknown psk identity"],
  [116, "certificate required"],
  [120, "no application protocol"],
]);

/** In words, for messages. */
export function alertName(description: number): string {
  return NAMES.get(description) ?? `alert ${description}`;
}
