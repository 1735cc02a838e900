import {
  allocateBill,
  readBill,
  readUsageLines,
  statementActions,
  statementDocument,
} from "@portolan/metering";
import { expect, test } from "vitest";
import { faultsOf } from "../../test/command-line-faults.ts";
import { actionLines } from "./statement-actions.ts";

/** What a unit is told that had ten hours of a card for an activity, as busy as stated. */
function advised(lines: readonly string[]) {
  const header = "business_unit,team,use_case,resource,quantity,activity,utilisation";
  const usage = readUsageLines([header, ...lines].join("\n"), "usage.csv");
  const bill = readBill("line,kind,amount,currency\ngpu_hours,metered,100,USD\n", "bill.csv");
  const allocation = allocateBill(bill, usage, { idle: "separate", shared: "proportional" });
  const actions = statementActions(allocation, usage, "team");
  return statementDocument({ allocation, level: "team", mode: "showback", actions });
}

test("each action but what is expected names a command of this program that does it", async () => {
  const idleRuns = advised(["a,x,u,gpu_hours,10,training,0.01", "a,x,u,gpu_hours,5,experiment,0"]);
  const idleAnswers = advised(["a,x,u,gpu_hours,10,serving,0.01"]);
  const several = advised(["a,x,u,gpu_hours,10,inference,0.5", "a,x,v,gpu_hours,10,inference,0.5"]);
  const expected = advised(["a,x,u,gpu_hours,10,training,0.8"]);
  const deploy = "portolan endpoint deploy ENDPOINT MODEL VERSION --use-case";
  const commandsOf = ({ lines: [line] }: ReturnType<typeof advised>) =>
    line?.actions?.map(({ kind, command }) => [kind, command]);
  expect(commandsOf(idleRuns)).toEqual([
    ["stop_idle", "portolan job cancel ID"],
    ["stop_idle", "portolan job cancel ID"],
  ]);
  expect(commandsOf(idleAnswers)).toEqual([["stop_idle", `${deploy} u --keep --workers 0..1`]]);
  expect(commandsOf(several)).toEqual([["move_to_cpu", `${deploy} USE_CASE --keep --backend none`]]);
  expect(commandsOf(expected)).toEqual([["as_expected", undefined]]);
  for (const { lines } of [idleRuns, idleAnswers, several])
    for (const { command } of lines.flatMap(({ actions = [] }) => actions))
      expect(await faultsOf(command ?? "")).toEqual([]);
});

test("a line says each command once, and none where there is nothing to do", () => {
  expect(
    actionLines(advised(["a,x,u,gpu_hours,10,training,0.01", "a,x,u,gpu_hours,5,experiment,0"])),
  ).toEqual([
    "a/x: 100.00, 15 gpu_hours: 66.7 % idle u training (end what is idle: saves at most 66.67), 33.3 % idle u experiment (end what is idle: saves at most 33.33). To do it: portolan job cancel ID",
  ]);
  expect(actionLines(advised(["a,x,u,gpu_hours,10,training,0.8"]))).toEqual([
    "a/x: 100.00, 10 gpu_hours: 100.0 % u training (expected)",
  ]);
});
