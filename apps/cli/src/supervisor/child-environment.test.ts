import { expect, test } from "vitest";
import { childEnvironment } from "./child-environment.ts";

test("a gateway is told which networks are inside, control is not, and what was set for it wins", () => {
  const ours = { INSIDE_NETWORKS: "10.0.0.0/8", NOBODYS_SECRET: "x" };
  expect(childEnvironment(ours, "gateway", {})).toMatchObject({ INSIDE_NETWORKS: "10.0.0.0/8" });
  expect(childEnvironment(ours, "gateway", {})).not.toHaveProperty("NOBODYS_SECRET");
  expect(childEnvironment(ours, "control", {})).toEqual({});
  expect(childEnvironment(ours, "gateway", { INSIDE_NETWORKS: "none" })).toMatchObject({
    INSIDE_NETWORKS: "none",
  });
});
