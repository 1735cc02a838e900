import { Presets, SingleBar } from "cli-progress";
import type { JobView } from "./client/jobs.ts";
import type { Output } from "./output.ts";

export interface JobProgress extends Disposable {
  readonly update: (job: JobView) => void;
  /** @param share 0 to 1 */
  readonly show: (share: number, note: string) => void;
}

/** A bar on a terminal, nothing elsewhere: logs and `--json` stay clean. Use with `using`. */
export function progressBar(output: Output, title: string): JobProgress {
  if (output.isJson || !output.isTerminal)
    return { update: () => undefined, show: () => undefined, [Symbol.dispose]: () => undefined };
  const bar = new SingleBar(
    { format: `${title} {bar} {percentage}% {note}`, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(100, 0, { note: "" });
  const show = (share: number, note: string): void => bar.update(Math.round(share * 100), { note });
  return {
    show,
    update: (job) => show(job.progress, job.note ?? job.state),
    [Symbol.dispose]: () => bar.stop(),
  };
}
