export {
  MAX_MESSAGE_BYTES,
  VERSION_1,
  type WorkloadInfo,
  type WorkloadRequest,
  type WorkloadResponse,
  type ZdsHello,
  decodeHello,
  decodeWorkloadRequest,
  decodeWorkloadResponse,
  encodeHello,
  encodeWorkloadRequest,
  encodeWorkloadResponse,
} from "./messages.ts";
export {
  type ProxiedPod,
  type ProxyEffect,
  type ProxyInput,
  type ProxyState,
  type ReceivedNetns,
  isProxyReady,
  proxyStart,
  proxyStep,
} from "./proxy-machine.ts";
export {
  ACK_DEADLINE_MS,
  type AgentEffect,
  type AgentInput,
  type AgentState,
  type AgentUpdate,
  MAX_QUEUED_UPDATES,
  agentStart,
  agentStep,
} from "./agent-machine.ts";
