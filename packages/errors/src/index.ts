export { Code, MeshError, httpStatus, type Result, ok, fail } from "./mesh-error.ts";
