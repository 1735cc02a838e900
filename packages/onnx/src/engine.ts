import type { RunOutcome, RuntimeState, Tensor } from "@portolan/serving/policy";

/** One way to run a model: in this thread, in threads of its own, in a process of its own. */
export interface Engine {
  readonly state: () => RuntimeState;
  /**
   * Never rejects. At most `lanes()` runs are asked for at the same time.
   * @param timeoutMs how long this very run may take
   */
  readonly run: (inputs: readonly Tensor[], timeoutMs: number) => Promise<RunOutcome>;
  readonly lanes: () => number;
  /** Absent where there is one lane for ever. */
  readonly scale?: (lanes: number) => Promise<void>;
  /** Resolves when there is an engine that takes runs again, or when there will be none soon. */
  readonly recovered: () => Promise<void>;
  /** Called when nothing is in flight any more. */
  readonly close: () => Promise<void>;
}

/**
 * Called when runs do not end in the time that they are given, or their thread has died: such a model belongs in a runner. Resolves when it
 * is there, or could not be moved; never rejects.
 */
export type OnLate = () => Promise<void>;

/**
 * Calls `then` after `ms`, and after what has come in meanwhile is read: where this thread was busy itself, an answer that is already here is in
 * time.
 */
export function afterArrivals(ms: number, then: () => void): { cancel(): void } {
  let turn: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (turn = setImmediate(then)), Math.max(0, ms));
  return {
    cancel() {
      clearTimeout(timer);
      clearImmediate(turn);
    },
  };
}

/** False when `promise` takes longer than `ms`. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = afterArrivals(ms, () => resolve(false));
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    timer?.cancel();
  }
}
