import net from "node:net";
import { once } from "node:events";
import { socketFactory } from "@lateen/linux";
import { eventually } from "@lateen/testkit";
import type { TestMesh } from "./test-mesh.ts";

/** The address of the service behind the gateway. */
export const FAR_IP = "240.240.0.1";
export const FAR_PORT = 70;
const TARGET_PORT = 7_000;
/** Of the sockets of a proxy: the pod's rules let them pass. */
const PROXY_MARK = 1_337;

/** A service whose only endpoint is on another network, behind a gateway that is a pod of the mesh. */
const objects = (gateway: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: into-far
  namespace: pair
  labels: { topology.istio.io/network: far }
  annotations: { gateway.istio.io/service-account: gateway }
spec:
  gatewayClassName: istio-remote
  addresses: [{ type: IPAddress, value: ${gateway} }]
  listeners: [{ name: cross-network, port: 15008, protocol: HBONE }]
status:
  addresses: [{ type: IPAddress, value: ${gateway} }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: far, namespace: pair }
spec:
  hosts: [far.example]
  addresses: [${FAR_IP}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: ${FAR_PORT}, targetPort: ${TARGET_PORT}, name: tcp, protocol: TCP }]
  subjectAltNames: ["spiffe://cluster.local/ns/pair/sa/server"]
  endpoints: [{ address: 10.255.255.1, network: far, labels: { networking.istio.io/tunnel: http }, serviceAccount: server }]
`;

/**
 * Makes the server of topology \`pair\` reachable as on another network: the gateway's proxy ends the outer tunnel, and what stands for
 * the gateway behind it passes the bytes on to the server's port of HBONE, without being able to read them.
 * @returns how many connections the gateway has passed on
 */
export async function openOtherNetwork(mesh: TestMesh): Promise<() => number> {
  const [gateway, server, client] = await Promise.all(["gateway", "server", "client"].map((name) => mesh.pod(name)));
  let passed = 0;
  await gateway!.listen(TARGET_PORT, (inner) => {
    passed += 1;
    const to = { ip: server!.ip, port: 15_008 };
    const how = { netns: gateway!.netns, mark: PROXY_MARK, keepAlive: null, from: null, timeoutMs: 0 } as const;
    const socket = new net.Socket({ fd: socketFactory.client({ ...how, to }), allowHalfOpen: true });
    socket.connect({ port: to.port, host: to.ip });
    for (const [from, into] of [
      [inner, socket],
      [socket, inner],
    ] as const) {
      from.on("error", () => into.destroy());
      from.pipe(into);
    }
  });
  await mesh.client.apply(objects(gateway!.ip));
  // A connection that fails is how it shows that the objects have not arrived.
  await eventually(
    async () => {
      const probe = await client!.connected(FAR_IP, FAR_PORT).catch(() => null);
      if (probe === null) return false;
      probe.on("error", () => undefined);
      probe.write("?");
      const answered = await Promise.race([
        once(probe, "data").then(() => true),
        once(probe, "close").then(() => false),
      ]).catch(() => false);
      probe.destroy();
      return answered;
    },
    { what: "the other network to be reachable", deadlineMs: 30_000 },
  );
  return () => passed;
}
