import type { DataHold } from "./hold-store.ts";

/** What is asked of: data of a contract in a place. Where no contract is known, it may be any. */
export interface HeldData {
  readonly environment?: string;
  readonly contract?: string;
  readonly useCaseId?: string;
}

/** Holds that cover the data. What a hold does not name, it covers all of; of data that names nothing, any hold covers some. Pure. */
export function coveredBy(holds: readonly DataHold[], data: HeldData): string[] {
  const fits = (held: string | null, is: string | undefined): boolean =>
    held === null || is === undefined || held === is;
  return holds
    .filter(
      (hold) =>
        fits(hold.environment, data.environment) &&
        fits(hold.contract, data.contract) &&
        // Data of no use case is not a use case's.
        (hold.use_case_id === null || hold.use_case_id === data.useCaseId),
    )
    .map(({ id }) => id);
}
