import { expect, test } from "vitest";
import { chosenBackend, type RemoteTrainingBackend } from "./backend.ts";

const refuse = () => Promise.reject(new Error("nothing is trained here"));
const here = { isolationLevel: refuse, train: refuse };
const ray: RemoteTrainingBackend = {
  ...here,
  place: { region: "eu-west-1", owner: "self" },
  hasBegun: refuse,
  stop: refuse,
};

test("a request that names no backend is trained beside the server, also where there is a cluster", () => {
  expect(chosenBackend({}, { here, ray })).toBe(here);
  expect(chosenBackend({ backend: "process" }, { here, ray })).toBe(here);
  expect(chosenBackend({ backend: "ray" }, { here, ray })).toBe(ray);
});

test("a cluster that nobody configured is refused, with how to go on", () => {
  expect(() => chosenBackend({ backend: "ray" }, { here })).toThrow(
    expect.objectContaining({
      code: "training.backend_missing",
      mend: expect.stringContaining("RAY_ADDRESS") as string,
    }),
  );
});
