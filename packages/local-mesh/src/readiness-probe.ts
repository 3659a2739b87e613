import http from "node:http";
import net from "node:net";
import { inNetns, socketFactory } from "@lateen/linux";
import type { Probe } from "./pod-template.ts";

/** A probe waits this long for an answer. */
const TIMEOUT_MS = 1_000;
/** Until it answers for the first time, a container is asked more often than its period says: it has usually just started. */
const FIRST_POLL_MS = 50;

/**
 * Asks a container again and again whether it takes traffic. The asking socket lives in the pod's own namespace, where
 * traffic to the pod's own address is not captured, as a kubelet's probes are not.
 */
export function watchReadiness(
  probe: Probe,
  at: { readonly netns: number; readonly ip: string },
  onAnswer: (ready: boolean) => void,
): Disposable {
  let open = true;
  let timer: ReturnType<typeof setTimeout>;
  const ask = (): void => {
    void askOnce(probe, at).then((ready) => {
      if (!open) return;
      onAnswer(ready);
      timer = setTimeout(ask, ready ? probe.periodMs : Math.min(probe.periodMs, FIRST_POLL_MS));
    });
  };
  timer = setTimeout(ask, probe.initialDelayMs);
  return {
    [Symbol.dispose]() {
      open = false;
      clearTimeout(timer);
    },
  };
}

function askOnce(probe: Probe, at: { readonly netns: number; readonly ip: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectIn(at.netns, { ip: at.ip, port: probe.port });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
    const answered = (ready: boolean): void => {
      resolve(ready);
      socket.destroy();
    };
    if (probe.t === "tcp") socket.on("connect", () => answered(true));
    else
      http
        .get({ createConnection: () => socket, path: probe.path, headers: { host: at.ip } }, (response) => {
          const status = response.statusCode ?? 0;
          answered(status >= 200 && status < 400);
        })
        .on("error", () => resolve(false));
  });
}

/** A connecting socket that lives in another network namespace. */
export function connectIn(netns: number, to: { readonly ip: string; readonly port: number }): net.Socket {
  const fd = socketFactory.client({ netns, mark: 0, keepAlive: null, to, from: null, timeoutMs: 0 });
  const socket = inNetns(netns, () => new net.Socket({ fd }));
  socket.connect(to.port, to.ip);
  return socket;
}
