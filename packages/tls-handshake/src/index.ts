export { recordPorts } from "./record-ports.ts";
export { TlsEngine, type TlsEngineOptions } from "./tls-engine.ts";
export { type HandshakeOptions, type HandshakeStep, TlsHandshake, handshakeError } from "./tls-handshake.ts";
