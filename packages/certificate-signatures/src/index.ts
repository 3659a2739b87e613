export { ecdsaHash, isSigned } from "./signed-claim.ts";
