import type { PoolStatus } from "@portolan/capacity/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { duration } from "../duration-text.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerPoolStatus(pool: Command, contextOf: ContextOf): void {
  pool
    .command("status")
    .description(
      "What each team has of the quotas in force, uses, borrows and could take, and how long it waits",
    )
    .addHelpText("after", "\nExample:\n  portolan pool status --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<PoolStatus>({ path: "/v1/pool-status" });
      context.output.result(found, statusText(found));
    });
}

function statusText({ isInForce, teams }: PoolStatus): string {
  if (!isInForce) return "no quotas are in force; portolan quota apply puts some in force";
  const rows = teams.flatMap(({ team, resources }) =>
    resources.map(({ resource, nominal, used, borrowed, free }) => [
      team,
      resource,
      nominal.text,
      used.text,
      borrowed.text,
      free.text,
    ]),
  );
  const queues = teams.map(
    ({ team, waiting, awaitingApproval, running, idle, stopped, expectedWaitSeconds }) => {
      const wait =
        expectedWaitSeconds === undefined
          ? ""
          : `, the last of them about ${duration(expectedWaitSeconds * 1_000_000)}`;
      const approval = awaitingApproval === 0 ? "" : `, ${awaitingApproval} of them for approval`;
      const resting = idle === 0 ? "" : ` (${idle} idle)`;
      const ended = stopped === 0 ? "" : `, ${stopped} stopped for being idle`;
      return `${team}: ${running} running${resting}, ${waiting} waiting${approval}${wait}${ended}`;
    },
  );
  return [table(["team", "resource", "its own", "used", "borrowed", "free"], rows), "", ...queues].join("\n");
}
