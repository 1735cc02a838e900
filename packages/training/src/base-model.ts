import { type CallContext, PortolanError, type WorkPlace } from "@portolan/kernel";
import type { TrainingRunRequest } from "./contract.ts";
import type { TrainingErrorCode } from "./errors.ts";
import type { BaseModels } from "./ports.ts";

/**
 * The version that a run starts from, with its digest. It is of the same use case, and was trained here on the training set that the run names: rows
 * that it learned from must not count as held out for what is made of it.
 *
 * @throws PortolanError `training.base_unfit`, and what `BaseModels.find` throws
 */
export async function requireBase(
  baseModels: BaseModels,
  call: CallContext,
  { baseModel, trainingSetId }: Pick<TrainingRunRequest, "baseModel" | "trainingSetId">,
  { useCaseId }: Pick<WorkPlace, "useCaseId">,
): Promise<Required<NonNullable<TrainingRunRequest["baseModel"]>> | undefined> {
  if (!baseModel) return undefined;
  const { name, version, digest } = baseModel;
  const found = await baseModels.find(call, name, version);
  const { artifact } = found;
  const unfit = (why: string, mend: string): PortolanError<TrainingErrorCode> =>
    new PortolanError("training.base_unfit", { detail: `${name} version ${version} ${why}`, mend });
  if (found.useCaseId !== useCaseId)
    throw unfit(`is of another use case than the run`, `Name the use case ${found.useCaseId} for the run.`);
  if (found.trainingSetId === undefined)
    throw unfit(
      "was not trained here: nobody knows what rows it learned from",
      "Train it here, or change it beside the platform and import the result.",
    );
  if (found.trainingSetId !== trainingSetId)
    throw unfit(`learned from ${found.trainingSetId}`, `Name that as the run's training set.`);
  if (digest !== undefined && digest !== artifact)
    throw unfit(
      `is ${artifact}, and not ${digest}`,
      "Leave the digest out, or name the version that you mean.",
    );
  return { name, version, digest: artifact };
}
