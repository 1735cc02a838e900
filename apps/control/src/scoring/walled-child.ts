import type { ChildProcess } from "node:child_process";
import { ProcessorDemand, spawnWalledNode, watchMemory } from "@portolan/sandbox";

/** A program that is told one job over IPC, answers once, and sees its own files and nothing else. */
export interface WalledJob {
  readonly entry: string;
  readonly readable: readonly string[];
  readonly writable?: readonly string[];
  /** Resident memory beyond which it is killed. */
  readonly memoryBytes: number;
  /** Milliseconds after which it is killed; where it asks on its way, since the last answer. */
  readonly limitMs: number;
  /** Nice value; default: the parent's. */
  readonly niceness?: number;
  /** What the child asks on its way, and the answer; `undefined`: the message is its reply. */
  readonly answer?: (question: unknown) => Promise<object> | undefined;
  /** Every second while it works: the processor time that it has had or stood in line for, in microseconds. */
  readonly onDemand?: (cpuMicros: number) => void;
}

/**
 * Runs it; killed when it hangs, takes too much memory, or the signal says so.
 *
 * @throws what `refuse` makes of the reason why it gave no answer
 */
export async function askWalledChild<Reply>(
  walled: WalledJob,
  message: object,
  signal: AbortSignal,
  refuse: (reason: string) => Error,
): Promise<Reply> {
  const tooLong = new AbortController();
  const limit = setTimeout(() => tooLong.abort(), walled.limitMs).unref();
  const over = AbortSignal.any([signal, tooLong.signal]);
  const child = await spawnWalledNode({
    entry: walled.entry,
    readable: walled.readable,
    writable: walled.writable ?? [],
    // Objects are the server's own files.
    keepsAccount: true,
    dataBytes: walled.memoryBytes + 2 ** 30,
    heapMegabytes: 2048,
    env: { TZ: "UTC" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    ...(walled.niceness === undefined ? {} : { niceness: walled.niceness }),
  });
  const kill = (): void => void child.kill("SIGKILL");
  let isTooLarge = false;
  const watch = watchMemory(child, walled.memoryBytes, () => {
    isTooLarge = true;
    kill();
  });
  const demand = watchDemand(child, walled.onDemand);
  over.addEventListener("abort", kill, { once: true });
  if (over.aborted) kill();
  try {
    const answer = (question: unknown) =>
      walled.answer?.(question)?.then((found) => {
        limit.refresh();
        return found;
      });
    const reply = replyOf<Reply>(child, answer, (how) => {
      if (over.aborted) return refuse("it was stopped");
      return refuse(
        isTooLarge ? "the model and the rows take too much memory" : `the model ended its process (${how})`,
      );
    });
    child.send(message);
    return await reply;
  } finally {
    clearTimeout(limit);
    clearInterval(watch);
    clearInterval(demand);
    over.removeEventListener("abort", kill);
    kill();
  }
}

const demandEveryMs = 1_000;

function watchDemand({ pid }: ChildProcess, onDemand: WalledJob["onDemand"]): NodeJS.Timeout | undefined {
  if (pid === undefined || !onDemand) return undefined;
  const demand = new ProcessorDemand(pid);
  const look = async (): Promise<void> => {
    const micros = await demand.look();
    if (micros !== undefined) onDemand(micros);
  };
  return setInterval(() => void look(), demandEveryMs).unref();
}

function replyOf<Reply>(
  child: ChildProcess,
  answer: WalledJob["answer"],
  explain: (how: string) => Error,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: Reply) => {
      const answered = answer?.(message);
      if (answered === undefined) resolve(message);
      else answered.then((found) => void (child.connected && child.send(found)), reject);
    });
    child.once("error", (error) => reject(explain(error.message)));
    child.once("exit", (code, signal) => reject(explain(signal ?? `exit code ${code}`)));
  });
}
