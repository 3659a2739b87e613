export { Code, MeshError, httpStatus, type Result, ok, fail } from "./mesh-error.ts";
export { nearest, suggest } from "./nearest.ts";
