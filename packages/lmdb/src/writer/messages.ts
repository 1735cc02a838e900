import type { LogFold, OnlineRecord, OnlineRow, OnlineViewHeader } from "@portolan/features/contract";

/** What the owner asks of the writer's process; `call` tells calls apart. */
export type WriterRequest = { readonly call: number } & (
  | {
      readonly kind: "replace" | "update";
      readonly header: OnlineViewHeader;
      readonly asOf: number;
      readonly rows: readonly OnlineRow[];
    }
  | { readonly kind: "fold"; readonly header: OnlineViewHeader; readonly fold: Omit<LogFold, "pages"> }
  /** The page that a fold asked for. */
  | { readonly kind: "page"; readonly page: readonly OnlineRecord[] }
  /** There are no more pages; with a reason: they broke off, and the fold ends as it is. */
  | { readonly kind: "end"; readonly failed?: string }
);

/** What the writer's process says. */
export type WriterReply = { readonly call: number } & (
  /** The fold is ready for another page: whoever brings them waits, and nothing piles up between the two. */
  | { readonly kind: "next" }
  | { readonly kind: "done"; readonly supersededBy?: number }
  | { readonly kind: "failed"; readonly code?: string; readonly detail: string; readonly mend?: string }
);
