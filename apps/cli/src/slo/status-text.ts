import type { EndpointStatus } from "@portolan/monitoring/contract";
import { table } from "../output.ts";

/** How an endpoint's objectives stand, over requests and over what happens to its model. Pure. */
export function statusText({
  endpoint,
  environment,
  requests,
  objectives,
  lifecycle,
}: EndpointStatus): string {
  const rows = objectives.map(({ name, target, badShare, budgetUsed, burns }) => [
    name,
    target,
    badShare === null ? "" : `${percent(badShare)} bad`,
    budgetUsed === null ? "not counted" : `${percent(budgetUsed)} used`,
    burns
      .map(
        ({ long, longRate, isFiring }) =>
          `${long} ${longRate === null ? "-" : longRate.toFixed(1)}${isFiring ? " FIRES" : ""}`,
      )
      .join(", "),
  ]);
  const events = lifecycle.map(({ name, target, events: due, badShare, budgetUsed, isMet }) => [
    name,
    target,
    badShare === null ? "nothing due yet" : `${percent(badShare)} of ${due} bad`,
    budgetUsed === null ? "" : `${percent(budgetUsed)} used`,
    isMet === null ? "" : isMet ? "met" : "MISSED",
  ]);
  return [
    `${environment}/${endpoint}: ${requests} requests in 30 days`,
    table(["objective", "target", "requests", "budget", "times too fast, by window"], rows),
    table(["objective", "target", "events of 30 days", "budget", ""], events),
  ].join("\n\n");
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
