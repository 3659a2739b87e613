export { closeReasonOf, errorCode, errorText } from "./close-reason.ts";
export { cannotConnect, cannotListen, connectTimeout } from "./socket-errors.ts";
