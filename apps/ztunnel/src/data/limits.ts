/** The proxy's ports in every pod (dataplane 0.1). */
export const OUTBOUND_PORT = 15_001;
export const PLAINTEXT_PORT = 15_006;
export const HBONE_PORT = 15_008;
/** Never a target of proxied traffic (dataplane 4.5). */
export const PROXY_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT]);

export const CONNECT_TIMEOUT_MS = 10_000;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
