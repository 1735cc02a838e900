import { readdir, readFile } from "node:fs/promises";
import { processTree } from "./process-tree.ts";

/**
 * The processor time that a process and its descendants have had or stood in line for. Who is the last of all and gets no processor is not idle, and has
 * hardly any time of one: on a busy machine the two differ by what matters.
 */
export class ProcessorDemand {
  readonly #pid: number;
  /** By thread: of one that has ended nobody says any more how long it waited. */
  readonly #waited = new Map<string, number>();
  #most = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Microseconds since its start; undefined where nobody can tell: it has ended, or there is no `/proc`. */
  async look(): Promise<number | undefined> {
    const tree = await processTree(this.#pid);
    if (!tree.some(({ pid }) => pid === this.#pid)) return undefined;
    for (const { pid } of tree)
      for (const thread of await readdir(`/proc/${pid}/task`).catch(() => []))
        this.#waited.set(thread, await waitedMicros(pid, thread));
    const ran = tree.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
    const waited = [...this.#waited.values()].reduce((sum, micros) => sum + micros, 0);
    // A descendant that ended took its time with it where nobody waited for it.
    this.#most = Math.max(this.#most, ran + waited);
    return this.#most;
  }
}

/** Time that a thread was ready to run and did not; 0 of kernels that do not count it. */
async function waitedMicros(pid: number, thread: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "");
  const [, waited = "0"] = text.trim().split(" ");
  return Math.floor(Number(waited) / 1000);
}
