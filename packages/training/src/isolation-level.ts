/**
 * How a trainer is kept from the server: in a file system, process table and network of its own (`namespaces`); under an account
 * of its own, which the modes of the state folder keep out (`account`); or not at all (`none`).
 */
export const isolationLevels = ["namespaces", "account", "none"] as const;
export type IsolationLevel = (typeof isolationLevels)[number];

/** Where a regulation applies, other people's code never runs with the server's own rights. */
export function mayTrain(of: { readonly regulated: boolean; readonly level: IsolationLevel }): boolean {
  return !of.regulated || of.level !== "none";
}
