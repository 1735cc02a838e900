import type { Session } from "@portolan/onnx/session";
import type { Tensor } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked } from "./chunk-messages.ts";

/** How a run of rows ended. What is wrong with the model itself is thrown. */
export type RowsRun =
  | { readonly kind: "ran"; readonly outputs: readonly Tensor[] }
  /** These rows are not taken; some of them may be. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Fewer rows may come in time. */
  | { readonly kind: "late" };

/** Runs rows, wherever the model is. */
export interface RowRunner {
  readonly run: (inputs: readonly Tensor[], rows: number) => Promise<RowsRun>;
  /** Runs that may be under way at once. */
  readonly lanes: number;
  /** Rows of one run, where rows of one run equal rows of their own. */
  readonly mostRowsPerRun: number;
}

/** A session in this process: it runs one after the other, and an input that it does not take ends the chunk. */
export function sessionRunner(session: Session): RowRunner {
  return {
    run: async (inputs) => ({ kind: "ran", outputs: await session.run(inputs) }),
    lanes: 1,
    mostRowsPerRun: 256,
  };
}

/** Questions under way at once; the parent lets through what the server bears. */
const askedAtOnce = 8;

/** A model elsewhere, asked through the parent process. Rows of one request are as many as are tried against rows of their own. */
export function parentRunner(): RowRunner {
  const waiting = new Map<number, (answer: RowsAnswered) => void>();
  let last = 0;
  process.on("message", (answer: RowsAnswered) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  return {
    run: (inputs, rows) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        process.send?.({ kind: "run", id, rows, inputs } satisfies RowsAsked);
      }),
    lanes: askedAtOnce,
    mostRowsPerRun: 64,
  };
}
