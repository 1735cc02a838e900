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

/** Called when a run took longer than it was given: such a model belongs in a runner. */
export type OnLate = () => void;

/** False when `promise` takes longer than `ms`. */
export async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, ms));
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
