export * from "./contract.ts";
export { type CharterErrorCode, charterErrors } from "./errors.ts";
export * from "./policy.ts";
