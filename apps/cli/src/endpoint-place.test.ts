import { Command } from "commander";
import { expect, test } from "vitest";
import { readEndpointPlace } from "./endpoint-place.ts";

/** @returns the endpoint and the environment that the command is run with */
async function run(args: readonly string[], withEnvironment = true): Promise<unknown[]> {
  const said: unknown[] = [];
  const program = new Command().exitOverride().hook("preAction", (_, command) => readEndpointPlace(command));
  const command = program
    .command("show <endpoint> [key]")
    .action((endpoint: string, _key, options: object) => {
      said.push(endpoint, options);
    });
  if (withEnvironment) command.option("-e, --environment <name>", "where", "production");
  await program.parseAsync([...args], { from: "user" });
  return said;
}

test("what commands print of an endpoint is taken as it stands", async () => {
  expect(await run(["show", "staging/churn"])).toEqual(["churn", { environment: "staging" }]);
  expect(await run(["show", "staging/churn", "k", "-e", "staging"])).toEqual([
    "churn",
    { environment: "staging" },
  ]);
  expect(await run(["show", "churn", "-e", "dev"])).toEqual(["churn", { environment: "dev" }]);
  expect(await run(["show", "churn"])).toEqual(["churn", { environment: "production" }]);
});

test("two environments are one too many, and what is none stays a name", async () => {
  await expect(run(["show", "staging/churn", "--environment", "production"])).rejects.toMatchObject({
    code: "cli.bad_usage",
    detail: "staging/churn is in staging, and --environment says production",
  });
  for (const name of ["moon/churn", "staging/a/b", "staging/"])
    expect(await run(["show", name])).toEqual([name, { environment: "production" }]);
  expect(await run(["show", "staging/churn"], false)).toEqual(["staging/churn", {}]);
});
