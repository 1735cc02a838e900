import type { MessagePort } from "node:worker_threads";
import type { AppenderOptions } from "./segment-appender.ts";

/** What the log thread starts with. */
export type LogThreadData = AppenderOptions & {
  /** A port of its own: the gateway takes answers from it in the middle of a turn of its event loop. */
  readonly answers: MessagePort;
};

/** Main thread → log thread; in order. */
export type ToLogThread =
  | {
      readonly kind: "records";
      readonly batch: number;
      readonly block: number;
      readonly count: number;
      readonly durable: boolean;
      readonly isPersonal: boolean;
      /** Entries side by side, salts unfilled; transferred. */
      readonly buffer: ArrayBuffer;
      readonly length: number;
    }
  | { readonly kind: "close_block"; readonly block: number; readonly closedAt: number }
  | { readonly kind: "stop" };

/** Log thread → main thread. A message costs a wake-up: durable records are answered when they are synced, and not before. */
export type FromLogThread =
  | { readonly kind: "ready"; readonly degraded: boolean }
  | {
      readonly kind: "written";
      readonly batch: number;
      readonly droppedPayloads: number;
      readonly degraded: boolean;
      /** Memory that goes back; transferred. */
      readonly buffers: readonly ArrayBuffer[];
    }
  | { readonly kind: "synced"; readonly batches: readonly number[]; readonly buffers: readonly ArrayBuffer[] }
  | { readonly kind: "full"; readonly batch: number; readonly degraded: boolean }
  | {
      readonly kind: "block_closed";
      readonly block: number;
      readonly closed: boolean;
      readonly degraded: boolean;
    }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "stopped" };
