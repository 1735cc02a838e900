import type {
  EarlyValues,
  LogFold,
  OnlineRecord,
  OnlineStore,
  OnlineViewHeader,
} from "@portolan/features/contract";

/** Writes that are told whole. */
export type Write =
  | {
      [Name in "replace" | "update" | "forgetEntities"]: {
        readonly name: Name;
        readonly args: Parameters<OnlineStore[Name]>;
      };
    }["replace" | "update" | "forgetEntities"]
  | {
      [Name in "accept" | "settle"]: { readonly name: Name; readonly args: Parameters<EarlyValues[Name]> };
    }["accept" | "settle"];

/** What the owner asks of the writer's process; `call` tells calls apart. */
export type WriterRequest = { readonly call: number } & (
  | { readonly kind: "write"; readonly write: Write }
  | { readonly kind: "fold"; readonly header: OnlineViewHeader; readonly fold: Omit<LogFold, "pages"> }
  /** The page that a fold asked for. */
  | { readonly kind: "page"; readonly page: readonly OnlineRecord[] }
  /** There are no more pages; with a reason: they broke off, and the fold ends as it is. */
  | { readonly kind: "end"; readonly failed?: string }
);

/** What the writer's process says. */
export type WriterReply = {
  readonly call: number;
} /** The fold is ready for another page: whoever brings them waits, and nothing piles up between the two. */ & (
  | { readonly kind: "next" }
  /** With what the write resolved to. */
  | { readonly kind: "done"; readonly result?: unknown }
  | { readonly kind: "failed"; readonly code?: string; readonly detail: string; readonly mend?: string }
);
