import type { QueuedWork } from "../contract.ts";
import type { QuotaTree } from "../quota/tree.ts";
import { waitText } from "./queue-view.ts";
import { admissionRound } from "./round.ts";
import { newWorkload } from "./workload.ts";

/**
 * Why the quotas would not let work in though nothing else ran or waited; undefined where they would. Who has it, its window and its approval do not
 * count: each of them ends. Pure.
 */
export function hindranceAlone(tree: QuotaTree, work: QueuedWork): string | undefined {
  const { notBefore: _, approvalFor: __, ...alone } = work;
  const wait = admissionRound(tree, [newWorkload(alone, "", 0)], 0).waits.get(work.id);
  return wait && waitText(wait, work.team ?? "");
}
