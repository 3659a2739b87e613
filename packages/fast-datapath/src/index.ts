export { FastDataPath, type FastDataPathOptions } from "./fast-data-path.ts";
