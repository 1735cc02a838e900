/** Pure: how rows become inputs, and when a job works. */
export {
  type FilledColumn,
  type FilledTensor,
  type InputPlan,
  planInputs,
  type SnapshotColumns,
} from "./input-plan.ts";
