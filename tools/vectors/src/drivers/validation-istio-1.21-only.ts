import type { SuiteDriver } from "../suite-driver.ts";
import { judgeAs, messageOf } from "./validation/messages.ts";

export const driver: SuiteDriver = { suite: "validation-istio-1.21-only", kindOf: messageOf, judge: judgeAs("1.21") };
