import { openRtnetlink, openPodRedirection, applyPlan, removePlan } from "./index.ts";
import { inPodPlan, defaultInPodOptions, toNftText } from "@lateen/redirection";
import { openSync } from "node:fs";
import { execSync } from "node:child_process";
const rt = openRtnetlink(null);
console.log(rt.links());
const plan = inPodPlan({ ...defaultInPodOptions, virtualInterfaces: ["fake0"] });
const pod = openPodRedirection(null);
pod.apply(plan);
console.log(
  execSync("nft list ruleset; ip rule; ip -6 rule; ip route show table 100; ip -6 route show table 100").toString(),
);
console.log(pod.drift(plan));
pod.apply(plan);
console.log(pod.drift(plan));
const tp = inPodPlan({ ...defaultInPodOptions, form: "tproxy" });
pod.apply(tp);
console.log(pod.drift(tp), pod.drift(plan).length);
console.log(execSync("nft list ruleset").toString());
pod.apply(plan);
console.log(pod.drift(plan));
const t0 = process.hrtime.bigint();
for (let i = 0; i < 50; i++) {
  pod.apply(plan);
  pod.drift(plan);
}
console.log("apply+drift ms", Number(process.hrtime.bigint() - t0) / 50e6);
{
  const t0 = process.hrtime.bigint();
  for (let i = 0; i < 50; i++) {
    pod.drift(plan);
  }
  console.log("drift ms", Number(process.hrtime.bigint() - t0) / 50e6);
}
pod.remove(plan);
console.log(execSync("nft list ruleset; ip rule").toString());
rt.addVeth({
  name: "a0",
  mtu: 1400,
  peer: { name: "b0", netns: openSync("/proc/1/ns/net", "r") === -1 ? 0 : openSync("/proc/self/ns/net", "r") },
});
rt.addBridge("br0", { up: true });
rt.setLink("a0", { master: rt.link("br0")!.index, up: true });
const b = rt.link("b0")!;
rt.setLink(b.index, { up: true, address: "02:00:00:00:00:01" });
rt.addAddress({ index: b.index, ip: "10.1.0.1", prefixLength: 24 });
rt.addAddress({ index: b.index, ip: "fd00::1", prefixLength: 64 });
rt.addRoute({ destination: "0.0.0.0", prefixLength: 0, gateway: "10.1.0.2", index: b.index });
rt.addRoute({ destination: "::", prefixLength: 0, gateway: "fe80::9", index: b.index, onLink: true });
rt.setNeighbour({ index: b.index, ip: "10.1.0.2", address: "02:00:00:00:00:02" });
console.log(rt.links(), rt.addresses(), rt.routes("ipv4", 254), rt.routes("ipv6", 254));
console.log(rt.link("nope"));
try {
  rt.addBridge("br0");
} catch (e) {
  console.log(e);
}
try {
  rt.setLink("b0", { mtu: 9 });
} catch (e) {
  console.log(e.message, e.facts);
}
