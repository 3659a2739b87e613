import type { SuiteDriver } from "../suite-driver.ts";
import { judgeAs, messageOf } from "./validation/messages.ts";

export const driver: SuiteDriver = { suite: "validation-istio", kindOf: messageOf, judge: judgeAs("newest") };
