import { aCall } from "@portolan/testkit";
import { expect, test } from "vitest";
import { requireBase } from "./base-model.ts";
import type { BaseModel } from "./ports.ts";

const artifact = `sha256:${"1".repeat(64)}`;
const own: BaseModel = { artifact, useCaseId: "uc_1", trainingSetId: "ts_1" };

function required(found: BaseModel, digest?: string) {
  const baseModel = { name: "m", version: 1, ...(digest === undefined ? {} : { digest }) };
  const asked = { baseModel, trainingSetId: "ts_1" };
  return requireBase({ find: async () => found }, aCall(), asked, { useCaseId: "uc_1" });
}

test("a version of the same use case and training set is pinned by its digest", async () => {
  const pinned = { name: "m", version: 1, digest: artifact };
  expect(await required(own)).toEqual(pinned);
  expect(await required(own, artifact)).toEqual(pinned);
  const nothing = { trainingSetId: "ts_1" };
  expect(await requireBase({ find: async () => own }, aCall(), nothing, {})).toBeUndefined();
});

test.each([
  ["of another use case", { ...own, useCaseId: "uc_2" }, undefined, "is of another use case"],
  ["that was not trained here", { artifact, useCaseId: "uc_1" }, undefined, "was not trained here"],
  ["that learned from other rows", { ...own, trainingSetId: "ts_2" }, undefined, "learned from ts_2"],
  ["of another digest", own, `sha256:${"2".repeat(64)}`, `is ${artifact}, and not`],
])("a version %s is refused", async (_what, found, digest, why) => {
  await expect(required(found, digest)).rejects.toMatchObject({
    code: "training.base_unfit",
    detail: expect.stringContaining(why) as string,
  });
});
