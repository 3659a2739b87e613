export { putBytes } from "./copy.ts";
export { Alert, alertName } from "./alerts.ts";
export { type Hmac, type TrafficKeys, expandLabel, nextSecret, trafficKeys } from "./key-schedule.ts";
export { OutputBlock, outputBytes } from "./output-block.ts";
export {
  type Block,
  ContentType,
  HEADER_BYTES,
  MAX_CONTENT,
  MAX_PROTECTED,
  OVERHEAD,
  type Gathered,
  type RecordCipher,
  SEALED_RECORD_BYTES,
  TAG_BYTES,
} from "./record-format.ts";
export { Opened, RecordOpener, type TicketReader } from "./record-opener.ts";
export { RecordSealer } from "./record-sealer.ts";
export { type CipherName, type HashName, SUITES, type Suite, suiteOf } from "./suites.ts";
export { type Role, type TlsRecordsState, type TrafficState, readRecordsState } from "./records-state.ts";
export { type TakeOver, TlsRecords } from "./tls-records.ts";
export { type RecordPorts } from "./traffic.ts";
