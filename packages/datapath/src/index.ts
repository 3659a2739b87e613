export type { FrozenStream, Mover } from "./moving.ts";
export type {
  Cancel,
  ConnectOptions,
  Credentials,
  CredentialsOptions,
  DataPath,
  ListenOptions,
  Listener,
  SecureOptions,
  SecureStream,
  SocketFactory,
  SocketStream,
} from "./port.ts";
export { portableDataPath } from "./portable-data-path.ts";
