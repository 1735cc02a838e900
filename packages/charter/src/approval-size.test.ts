import { expect, test } from "vitest";
import { approvalSize } from "./approval-size.ts";
import { deriveFromCharter } from "./derive.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { readTemplate } from "./templates.ts";

const withSize = (size: string) => `${readTemplate("flight-delays")}\ncapacity: { approvalAbove: ${size} }\n`;
const derived = (size: string) => {
  const { document } = requireValid(parseCharter(withSize(size), "charter.yaml"));
  return deriveFromCharter(document).items.filter(({ control }) => control === "capacity_approval");
};

test("a charter that says no size derives none, and one that does derives what people read and machines hold", () => {
  const { document } = requireValid(parseCharter(readTemplate("flight-delays"), "charter.yaml"));
  expect(deriveFromCharter(document).terms).not.toHaveProperty("approvalAbove");
  expect(derived("{ gpus: 4, cpu: 0.5, memory: 64 GiB }")).toMatchObject([
    {
      group: "limit",
      statement:
        "A training run or scoring that asks for more than 4 graphics cards or 0.5 CPU or 64 GiB of memory waits until somebody else approves it.",
      value: { gpus: 4, cpu: 0.5, memoryBytes: 64 * 2 ** 30 },
      from: [
        { pointer: "/capacity/approvalAbove/gpus" },
        { pointer: "/capacity/approvalAbove/cpu" },
        { pointer: "/capacity/approvalAbove/memory" },
      ],
      enforcement: { kind: "enforced", by: "control" },
    },
  ]);
});

test("GPU hours are a bound of their own, and people read what a missing time limit means", () => {
  expect(derived("{ gpuHours: 12.5 }")).toMatchObject([
    {
      statement:
        "A training run or scoring that asks for more than 12.5 GPU hours waits until somebody else approves it. One that asks for cards and states no time limit is above any GPU hours.",
      value: { gpuHours: 12.5 },
      from: [{ pointer: "/capacity/approvalAbove/gpuHours" }],
    },
  ]);
});

test("only what is stated bounds: 0 asks for approval of each card", () => {
  expect(approvalSize({ approvalAbove: { gpus: 0 } })).toEqual({ gpus: 0 });
  expect(approvalSize(undefined)).toBeUndefined();
});

test.each([
  "{}",
  "{ gpus: -1 }",
  "{ gpus: many }",
  "{ memory: 64 }",
  "{ gpuHours: -1 }",
  "{ gpuHours: 3h }",
  "{ cpu: 0.0005 }",
])("%s is refused, at its place", (size) => {
  const found = parseCharter(withSize(size), "charter.yaml");
  expect(JSON.stringify(found)).toContain("/capacity");
});
