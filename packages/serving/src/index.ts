export { type ServingErrorCode, servingErrors } from "./errors.ts";
