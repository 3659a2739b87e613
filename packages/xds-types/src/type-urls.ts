/** The type URLs of the resources we serve and read (control-plane 1.5). */
export const ADDRESS_TYPE = "type.googleapis.com/istio.workload.Address";
export const WORKLOAD_TYPE = "type.googleapis.com/istio.workload.Workload";
export const AUTHORIZATION_TYPE = "type.googleapis.com/istio.security.Authorization";
/** Carries the trust bundle of the mesh, and nothing else of what the message could hold. */
export const PROXY_CONFIG_TYPE = "type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig";
