import { createHmac } from "node:crypto";
import { AeadKey, type Memory } from "@lateen/linux";
import type { RecordPorts } from "@lateen/tls-records";

/** Records on OpenSSL's ciphers and Node's HMAC, in a `Memory`. */
export const recordPorts: RecordPorts<Memory> = {
  hmac: (hash, key, data) => createHmac(hash, key).update(data).digest(),
  cipher: (o) => new AeadKey(o),
};
