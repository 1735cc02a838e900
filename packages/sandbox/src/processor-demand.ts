import { readdir, readFile } from "node:fs/promises";
import { processTree } from "./process-tree.ts";
import { WaitedTime } from "./waited-time.ts";

/** Of more threads at once nobody asks how long they waited: asking one after the other would take longer than a look may. */
const mostThreads = 4_096;

/**
 * The processor time that a process and its descendants have had or stood in line for. Who is the last of all and gets no processor is not idle, and has
 * hardly any time of one: on a busy machine the two differ by what matters.
 */
export class ProcessorDemand {
  readonly #pid: number;
  readonly #waits = new WaitedTime();
  #waited = 0;
  #most = 0;
  #looking: Promise<number | undefined> | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Microseconds since its start; undefined where nobody can tell: it has ended, or there is no `/proc`. Who asks during a look gets what that one finds. */
  look(): Promise<number | undefined> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<number | undefined> {
    const tree = await processTree(this.#pid);
    if (!tree.some(({ pid }) => pid === this.#pid)) return undefined;
    const threads = await threadsOf(tree.map(({ pid }) => pid));
    if (threads.length <= mostThreads) this.#waited = this.#waits.seen(await waitsOf(threads));
    const ran = tree.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
    // A descendant that ended took its time with it where nobody waited for it.
    this.#most = Math.max(this.#most, ran + this.#waited);
    return this.#most;
  }
}

interface Thread {
  readonly pid: number;
  readonly thread: string;
}

/** No more than one above what is asked for. */
async function threadsOf(pids: readonly number[]): Promise<readonly Thread[]> {
  const found: Thread[] = [];
  for (const pid of pids) {
    const names = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const thread of names.slice(0, mostThreads + 1 - found.length)) found.push({ pid, thread });
    if (found.length > mostThreads) break;
  }
  return found;
}

/** Time that each was ready to run and did not, in microseconds; 0 of kernels that do not count it. */
async function waitsOf(threads: readonly Thread[]): Promise<ReadonlyMap<string, number>> {
  const waits = new Map<string, number>();
  for (const { pid, thread } of threads) {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "");
    const [, waited] = text.trim().split(" ");
    if (waited !== undefined) waits.set(thread, Math.floor(Number(waited) / 1000));
  }
  return waits;
}
