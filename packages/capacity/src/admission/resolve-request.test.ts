import { expect, test } from "vitest";
import type { WorkRequest } from "../contract.ts";
import { resolveRequest } from "./resolve-request.ts";

const resources = ["cpu", "gpu/A100-40GB", "gpu/A100-80GB", "gpu/H100-80GB", "gpu/L4", "memory"];
const resolve = (request: WorkRequest) => resolveRequest(request, { resources });
const refused = (request: WorkRequest) => {
  try {
    return JSON.stringify(resolve(request));
  } catch (error) {
    return (error as { detail?: string }).detail;
  }
};

test("requests become whole units: thousandths of cores, MiB, memory slices of cards that MIG cuts, whole others", () => {
  expect(resolve({ cpu: "0.5", memory: "1.5GiB", pods: 2 })).toEqual({ cpu: 500, memory: 1536, pods: 2 });
  expect(resolve({ gpus: [{ model: "h100", count: 2 }] })).toEqual({ "gpu/H100-80GB": 16 });
  expect(resolve({ gpus: [{ model: "l4", count: 3 }] })).toEqual({ "gpu/L4": 3 });
  const both: WorkRequest["gpus"] = [
    { model: "H100-80GB", count: 1 },
    { model: "H100-80GB", profile: "1g.10gb", count: 3 },
  ];
  expect(resolve({ gpus: both })).toEqual({ "gpu/H100-80GB": 11 });
});

test("a slice is its card's where one card alone has it", () => {
  expect(resolve({ gpus: [{ profile: "1g.5gb", count: 2 }] })).toEqual({ "gpu/A100-40GB": 2 });
  expect(refused({ gpus: [{ profile: "1g.10gb", count: 2 }] })).toBe(
    "1g.10gb may be each of A100-40GB, A100-80GB, H100-80GB",
  );
});

test("what nobody has a quota of, what is not clear and what is no amount is refused, and said", () => {
  expect(refused({ gpus: [{ model: "a100", count: 1 }] })).toBe("a100 may be each of A100-40GB, A100-80GB");
  expect(refused({ gpus: [{ model: "B200", count: 1 }] })).toBe("nobody has a quota of B200");
  expect(refused({ gpus: [{ model: "H100-80GB", profile: "9g.9gb", count: 1 }] })).toContain(
    "no MIG profile of H100-80GB",
  );
  expect(refused({ cpu: "many" })).toContain("is no number of CPU cores");
  expect(refused({ memory: "2 sacks" })).toContain("is no size");
});
