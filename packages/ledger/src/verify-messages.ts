import type { CheckpointPage, TaskVerdict } from "./judge-task.ts";
import type { CheckpointPlace } from "./read-store.ts";
import type { RowTable } from "./tables.ts";

/** From the verifying thread, which opens the tile files itself; the database is its starter's. One question at a time. */
export type ThreadMessage =
  | { readonly kind: "rows"; readonly from: number }
  | { readonly kind: "checkpoints"; readonly after: CheckpointPlace | undefined }
  | { readonly kind: "progress"; readonly fraction: number }
  | { readonly kind: "done"; readonly verdict: TaskVerdict }
  | { readonly kind: "failed"; readonly code: string; readonly detail: string };

/** What the two questions are answered with. */
export type ThreadAnswer = readonly RowTable[] | CheckpointPage;
