export { type Plain, decodeCbor } from "./decode.ts";
export { encodeCbor } from "./encode.ts";
export { Reader, readPlain } from "./reader.ts";
