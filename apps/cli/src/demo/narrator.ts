import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { Output } from "../output.ts";

export interface StepReport {
  readonly title: string;
  readonly seconds: number;
  readonly budgetSeconds: number;
  readonly figures: readonly string[];
}

/** Tells each step in a line or two with its figures, and what it took of its budget. */
export class Narrator {
  readonly #output: Output;
  readonly #steps: number;
  readonly reports: StepReport[] = [];

  constructor(output: Output, steps: number) {
    this.#output = output;
    this.#steps = steps;
  }

  /** Runs one step; `work` gives the lines to print and throws when its own check fails. */
  async step(title: string, budgetSeconds: number, work: () => Promise<readonly string[]>): Promise<void> {
    const number = `${String(this.reports.length + 1).padStart(2)}/${this.#steps}`;
    const startedAt = performance.now();
    const figures = await work();
    const seconds = (performance.now() - startedAt) / 1000;
    this.reports.push({ title, seconds, budgetSeconds, figures });
    const over =
      seconds > budgetSeconds ? `, over its budget of ${budgetSeconds} s` : ` of ${budgetSeconds} s`;
    this.#output.say(`${number}  ${title}  (${seconds.toFixed(1)} s${over})`);
    for (const line of figures) this.#output.say(`       ${line}`);
  }
}

/** A step's own check. @throws PortolanError `cli.check_failed` */
export function check(holds: boolean, detail: string): void {
  if (holds) return;
  throw new PortolanError<CliErrorCode>("cli.check_failed", {
    detail,
    mend: "See what happened with: portolan logs control; then run the demo again.",
  });
}

/** Long enough for a busy machine. */
export const waitLimitMs = 180_000;

/** Asks ten times a second until it is so. @throws PortolanError `cli.check_failed` after three minutes, with `failure` */
export async function until(done: () => Promise<boolean>, failure: string): Promise<void> {
  const deadline = performance.now() + waitLimitMs;
  while (!(await done())) {
    check(performance.now() < deadline, failure);
    await delay(100);
  }
}

/** Beyond every budget, an environment built on a slow line included: a job that hangs must not hang the demo. */
const jobLimitMs = 15 * 60_000;
const pollMs = 200;

/** Reads a job until it is in one of its last states. */
export async function ended<T extends { readonly state: string }>(
  read: () => Promise<T>,
  ends: readonly string[],
): Promise<T> {
  const deadline = performance.now() + jobLimitMs;
  for (;;) {
    const value = await read();
    if (ends.includes(value.state)) return value;
    check(performance.now() < deadline, `it is still ${value.state} after ${jobLimitMs / 60_000} minutes`);
    await delay(pollMs);
  }
}
