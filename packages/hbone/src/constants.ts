/** Names and numbers of HTTP/2. @see RFC 9113 sections 6, 7, 11 */
export const FrameType = {
  Data: 0x0,
  Headers: 0x1,
  Priority: 0x2,
  RstStream: 0x3,
  Settings: 0x4,
  PushPromise: 0x5,
  Ping: 0x6,
  Goaway: 0x7,
  WindowUpdate: 0x8,
  Continuation: 0x9,
} as const;

export const Flag = { EndStream: 0x1, Ack: 0x1, EndHeaders: 0x4, Padded: 0x8, Priority: 0x20 } as const;

export const ErrorCode = {
  NoError: 0x0,
  ProtocolError: 0x1,
  InternalError: 0x2,
  FlowControlError: 0x3,
  SettingsTimeout: 0x4,
  StreamClosed: 0x5,
  FrameSizeError: 0x6,
  RefusedStream: 0x7,
  Cancel: 0x8,
  CompressionError: 0x9,
  ConnectError: 0xa,
  EnhanceYourCalm: 0xb,
  InadequateSecurity: 0xc,
  Http11Required: 0xd,
} as const;

const ERROR_NAMES: ReadonlyMap<number, string> = new Map([
  [ErrorCode.NoError, "NO_ERROR"],
  [ErrorCode.ProtocolError, "PROTOCOL_ERROR"],
  [ErrorCode.InternalError, "INTERNAL_ERROR"],
  [ErrorCode.FlowControlError, "FLOW_CONTROL_ERROR"],
  [ErrorCode.SettingsTimeout, "SETTINGS_TIMEOUT"],
  [ErrorCode.StreamClosed, "STREAM_CLOSED"],
  [ErrorCode.FrameSizeError, "FRAME_SIZE_ERROR"],
  [ErrorCode.RefusedStream, "REFUSED_STREAM"],
  [ErrorCode.Cancel, "CANCEL"],
  [ErrorCode.CompressionError, "COMPRESSION_ERROR"],
  [ErrorCode.ConnectError, "CONNECT_ERROR"],
  [ErrorCode.EnhanceYourCalm, "ENHANCE_YOUR_CALM"],
  [ErrorCode.InadequateSecurity, "INADEQUATE_SECURITY"],
  [ErrorCode.Http11Required, "HTTP_1_1_REQUIRED"],
]);

/** The RFC's name of an error code, or its number. */
export function errorCodeName(code: number): string {
  return ERROR_NAMES.get(code) ?? `0x${code.toString(16)}`;
}

export const Setting = {
  HeaderTableSize: 0x1,
  EnablePush: 0x2,
  MaxConcurrentStreams: 0x3,
  InitialWindowSize: 0x4,
  MaxFrameSize: 0x5,
  MaxHeaderListSize: 0x6,
} as const;

export const FRAME_HEAD_BYTES = 9;
export const PREFACE_TEXT = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** Windows before SETTINGS say otherwise. */
export const DEFAULT_WINDOW = 65_535;
export const DEFAULT_MAX_FRAME = 16_384;
export const MAX_WINDOW = 0x7fff_ffff;
export const MAX_STREAM_ID = 0x7fff_ffff;
export const DEFAULT_TABLE_BYTES = 4096;

/** What we announce when nobody says otherwise. @see dataplane contract 5.2 */
export const STREAM_WINDOW = 4 * 1024 * 1024;
export const CONNECTION_WINDOW = 16 * 1024 * 1024;
export const MAX_FRAME = 1024 * 1024;
/** No frame of any peer is longer. */
export const MAX_MAX_FRAME = 0xff_ffff;
export const SERVER_MAX_STREAMS = 200;
/** Streams a client assumes it may open before the peer's SETTINGS. */
export const ASSUMED_MAX_STREAMS = 100;
export const CLIENT_HEADER_LIST = 16 * 1024;
export const SERVER_HEADER_LIST = 64 * 1024;
/** Bounds of one header block as it arrives. @see security reference 3.3 */
export const MAX_HEADER_BLOCK = 16 * 1024;
export const MAX_CONTINUATIONS = 8;
