import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** One output's part that belongs to one row. */
export interface RowOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface Waiting {
  readonly data: ArrayLike<number>;
  readonly answer: (outputs: readonly RowOutput[]) => void;
}

const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" } as const;
const maxRows = 64;

/** ONNX Runtime with batch-while-busy: the limit that governance is measured against has no more than this behind its protocol. */
export class BareBatcher {
  readonly #session: InferenceSession;
  readonly #input: string;
  readonly #columns: number;
  #queue: Waiting[] = [];
  #busy = false;

  private constructor(session: InferenceSession, input: string, columns: number) {
    this.#session = session;
    this.#input = input;
    this.#columns = columns;
  }

  static async open(file: string, input: string, columns: number): Promise<BareBatcher> {
    return new BareBatcher(await InferenceSession.create(readFileSync(file), options), input, columns);
  }

  push(data: ArrayLike<number>, answer: Waiting["answer"]): void {
    this.#queue.push({ data, answer });
    if (!this.#busy) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, maxRows);
      this.#queue = this.#queue.slice(maxRows);
      const data = new Float32Array(batch.length * this.#columns);
      batch.forEach((one, at) => data.set(one.data, at * this.#columns));
      const results = await this.#session.run({
        [this.#input]: new Tensor("float32", data, [batch.length, this.#columns]),
      });
      batch.forEach((one, at) =>
        one.answer(
          this.#session.outputNames.map((name) => {
            const output = results[name];
            if (!output) throw new Error(`no output ${name}`);
            const width = output.data.length / batch.length;
            const part = (output.data as Float32Array).subarray(at * width, (at + 1) * width);
            return { name, shape: [1, ...output.dims.slice(1)], data: part };
          }),
        ),
      );
    }
    this.#busy = false;
  }
}
