import type { PoolStatus } from "../contract.ts";
import { amountText } from "../quota/amounts.ts";
import type { QuotaNode, QuotaTree } from "../quota/tree.ts";
import type { Usage } from "../quota/usage.ts";
import { expectedWait, type usualMicros } from "./expected-wait.ts";
import { isAwaitingApproval, usageOf } from "./round.ts";
import type { Workload } from "./workload.ts";

type TeamStatus = PoolStatus["teams"][number];

/** How each team stands: what is its own, what it uses and borrows, what it could take, and how long the last of its queue waits. Pure. */
export function teamStatuses(
  tree: QuotaTree,
  open: readonly Workload[],
  known: { readonly now: number; readonly usual: ReturnType<typeof usualMicros> },
): readonly TeamStatus[] {
  const usage = usageOf(tree, open);
  return tree.nodes.flatMap((node) => (node.queue ? [teamStatus(tree, node, { usage, open, known })] : []));
}

function teamStatus(
  tree: QuotaTree,
  node: QuotaNode,
  {
    usage,
    open,
    known,
  }: {
    readonly usage: Usage;
    readonly open: readonly Workload[];
    readonly known: Parameters<typeof expectedWait>[3];
  },
): TeamStatus {
  const its = open.filter(({ team }) => team === node.name);
  const here = its.filter(({ isElsewhere }) => isElsewhere !== true);
  const waits = its
    .filter(({ state }) => state === "waiting")
    .flatMap(({ id }) => expectedWait(tree, open, id, known) ?? []);
  return {
    team: node.name,
    waiting: its.filter(({ state }) => state === "waiting").length,
    awaitingApproval: its.filter(isAwaitingApproval).length,
    running: here.filter(({ state }) => state === "admitted" || state === "running").length,
    idle: here.filter(({ state, idle }) => state === "running" && idle?.notice !== undefined).length,
    stopped: its.filter(({ state }) => state === "stopped").length,
    ...(waits.length === 0 ? {} : { expectedWaitSeconds: Math.ceil(Math.max(...waits) / 1e6) }),
    resources: tree.resources.flatMap((resource, r) => {
      if (node.isCovered[r] !== true) return [];
      const amount = (units: number) => ({ amount: units, text: amountText(resource, units) });
      const [nominal, used] = [node.subtree[r] ?? 0, usage.of(node.index, r)];
      return [
        {
          resource,
          nominal: amount(nominal),
          used: amount(used),
          borrowed: amount(Math.max(0, used - nominal)),
          free: amount(Math.max(0, usage.available(node, r))),
        },
      ];
    }),
  };
}
