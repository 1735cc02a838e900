import type { Workload } from "../admission/workload.ts";
import type { IdleView } from "../contract.ts";
import { idleReason, instantOf, useText } from "./held.ts";

/** What work was told, as it counts now; undefined where nothing does. Pure. */
export function idleView({ state, idle = {} }: Workload, now: number): IdleView | undefined {
  const { notice, kept, stopped } = idle;
  const view: IdleView = {
    ...(notice && state === "running" ? { notice: noticeView(notice) } : {}),
    ...(kept && state === "running" && kept.until > now ? { kept } : {}),
    ...(stopped && ["evicting", "stopped", "ended"].includes(state)
      ? {
          stopped: {
            at: stopped.at,
            since: stopped.since,
            used: useText(stopped.use, stopped.held),
            freed: [...stopped.freed],
            wastedCpuSeconds: stopped.wasted.cpuSeconds,
            wastedGpuSeconds: stopped.wasted.cardSeconds,
          },
        }
      : {}),
  };
  return Object.keys(view).length === 0 ? undefined : view;
}

function noticeView({ at, since, stopAt, use, held }: NonNullable<NonNullable<Workload["idle"]>["notice"]>) {
  return { at, since, ...(stopAt === undefined ? {} : { stopAt }), used: useText(use, held) };
}

/** In words; undefined where there is nothing to say. Pure. */
export function idleText(work: Workload, now: number): string | undefined {
  const { id, state, idle = {} } = work;
  const { notice, kept, stopped } = idle;
  if (state === "stopped" && stopped)
    return `was stopped at ${instantOf(stopped.at)}, for ${idleReason(stopped)}; ${stopped.freed.length === 0 ? "that" : `that freed ${stopped.freed.join(", ")} and`} had wasted ${wastedText(stopped.wasted)}; it waits for portolan job resume ${id}`;
  if (state === "evicting" && stopped) return `is being stopped, for ${idleReason(stopped)}`;
  if (state !== "running") return undefined;
  if (notice) {
    const used = `runs, and used ${useText(notice.use, notice.held)} since ${instantOf(notice.since)}`;
    return notice.stopAt === undefined
      ? `${used}: nobody stops it, and others wait for what it holds`
      : `${used}: it is stopped at ${instantOf(notice.stopAt)} unless it works again, or portolan job keep ${id}`;
  }
  if (kept && kept.until > now)
    return `runs within the quota of its team, and is kept until ${instantOf(kept.until)}: ${kept.reason}`;
  return undefined;
}

/** `1.9 CPU hours and 0.5 GPU hours`. Pure. */
export function wastedText({
  cpuSeconds,
  cardSeconds,
}: {
  readonly cpuSeconds: number;
  readonly cardSeconds: number;
}): string {
  const hours = (seconds: number): string => String(Number((seconds / 3600).toPrecision(2)));
  return [
    ...(cpuSeconds > 0 ? [`${hours(cpuSeconds)} CPU hours`] : []),
    ...(cardSeconds > 0 ? [`${hours(cardSeconds)} GPU hours`] : []),
  ].join(" and ");
}
