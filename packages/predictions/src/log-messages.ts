/** Main thread → log thread; in order. */
export type ToLogThread =
  | {
      readonly kind: "records";
      readonly batch: number;
      readonly block: number;
      readonly count: number;
      readonly durable: boolean;
      /** Entries side by side, salts unfilled; transferred. */
      readonly buffer: ArrayBuffer;
      readonly length: number;
    }
  | { readonly kind: "close_block"; readonly block: number; readonly closedAt: number }
  | { readonly kind: "stop" };

/** Log thread → main thread. */
export type FromLogThread =
  | { readonly kind: "ready"; readonly degraded: boolean }
  | {
      readonly kind: "written";
      readonly batch: number;
      readonly droppedPayloads: number;
      readonly degraded: boolean;
    }
  | { readonly kind: "synced"; readonly batches: readonly number[] }
  | { readonly kind: "full"; readonly batch: number; readonly degraded: boolean }
  | { readonly kind: "buffer"; readonly buffer: ArrayBuffer }
  | {
      readonly kind: "block_closed";
      readonly block: number;
      readonly closed: boolean;
      readonly degraded: boolean;
    }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "stopped" };
