import { expect, test } from "vitest";
import { unservedAnswer } from "./mlflow-unserved.ts";

test("nothing is approved, renamed or deleted through MLflow's registry, and clients are told why", () => {
  const denied = [
    ["POST", "transition-requests/approve", "somebody else than whoever asked"],
    ["POST", "transition-requests/create", "somebody else than whoever asked"],
    ["POST", "registered-models/rename", "signed evidence"],
    ["DELETE", "registered-models/delete", "signed evidence"],
    ["DELETE", "model-versions/delete", "signed evidence"],
  ] as const;
  for (const [method, call, why] of denied)
    expect(unservedAnswer(method, `/api/2.0/mlflow/${call}`)).toEqual({
      status: 403,
      errorCode: "PERMISSION_DENIED",
      message: expect.stringContaining(why),
    });
});
