export type {
  Authorization,
  AuthorizationAction,
  AuthorizationScope,
  Clause,
  Connection,
  Match,
  Rule,
  ServiceAccountMatch,
  StringMatch,
} from "./authorization.ts";
