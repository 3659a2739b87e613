export type { FrozenStream, LentListener, Mover } from "./moving.ts";
export type {
  Cancel,
  ConnectOptions,
  Credentials,
  CredentialsOptions,
  DataPath,
  ListenOptions,
  SecureOptions,
  SocketFactory,
} from "./port.ts";
export type { Listener, SecureStream, SocketStream } from "./streams.ts";
export { portableDataPath } from "./portable-data-path.ts";
