import { appendFile, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Appends what a job has written since it was last looked at to the run's log, also after this process was killed in between. */
export class LogFollower {
  readonly path: string;
  readonly #mark: string;
  #bytes = 0;

  /** @param folder the run's */
  constructor(folder: string) {
    this.path = join(folder, "trainer.log");
    this.#mark = join(folder, "ray-log-start");
  }

  /** Before a job is sent: what the log holds already is an earlier one's. */
  async begin(): Promise<void> {
    await writeFile(this.#mark, String(await sizeOf(this.path)));
  }

  /** @param logs all that the job wrote; `undefined` where they cannot be had */
  async bring(logs: string | undefined): Promise<void> {
    if (logs === undefined) return;
    const start = Number(await readFile(this.#mark, "utf8").catch(() => "0"));
    const bytes = Buffer.from(logs);
    const held = (await sizeOf(this.path)) - start;
    this.#bytes = bytes.length;
    if (held >= 0 && bytes.length > held) await appendFile(this.path, bytes.subarray(held));
    else if (held <= 0) await appendFile(this.path, "");
  }

  /** Ray gives a log whole: a long one is asked for less often. */
  get pauseMs(): number {
    return Math.min(10_000, 1_000 + Math.ceil(this.#bytes / 2 ** 20) * 1_000);
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
