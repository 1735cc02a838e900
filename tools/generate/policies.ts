import { policyDocumentation } from "@portolan/identity";
import type { Generator } from "../generated-files.ts";

/** `docs/policies.md`, from the tables and Cedar annotations of `packages/identity`. */
export const generator: Generator = {
  generate: () => new Map([["docs/policies.md", policyDocumentation()]]),
};
