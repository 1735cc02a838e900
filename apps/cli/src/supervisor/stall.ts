import { readFileSync } from "node:fs";
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export interface StallBound {
  /** Asked over plain HTTP; any answer counts. */
  readonly url: string;
  readonly everyMs: number;
  /** So many looks in a row that find nothing. */
  readonly looks: number;
}

/** Half a minute, or a minute where each look waits in vain. */
export const stallPace = { everyMs: 5000, looks: 6 } as const;

/**
 * Resolves to true once a process that has answered before neither answers nor computes: its main thread sleeps, and used no processor time from look to look. A runtime
 * that waits for itself while it exits is such a one (nodejs/node#54918). One that computes, waits for its disk or was stopped by somebody is left alone, and
 * so is every process where there is no /proc. Resolves to false when the process is gone or the signal comes.
 */
export async function untilStalled(
  pid: number,
  { url, everyMs, looks }: StallBound,
  signal: AbortSignal,
): Promise<boolean> {
  let hasAnswered = false;
  let quiet = 0;
  let before: string | undefined;
  while (quiet < looks) {
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return false;
    const isAnswered = await answers(url, everyMs);
    const main = mainThread(pid);
    if (main === undefined) return false;
    hasAnswered ||= isAnswered;
    const isQuiet = hasAnswered && !isAnswered && main.isAsleep && main.used === before;
    quiet = isQuiet ? quiet + 1 : 0;
    before = main.used;
  }
  return !signal.aborted;
}

function answers(url: string, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(true);
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => resolve(false));
    request.once("close", () => resolve(false));
  });
}

/** Whether it sleeps, and the processor time that it has used, in clock ticks; `undefined` once it is gone, and where there is no /proc. */
function mainThread(pid: number): { readonly isAsleep: boolean; readonly used: string } | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/task/${pid}/stat`, "latin1");
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return { isAsleep: fields[0] === "S", used: `${fields[11]} ${fields[12]}` };
  } catch {
    return undefined;
  }
}
