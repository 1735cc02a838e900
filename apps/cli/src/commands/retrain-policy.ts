import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { RetrainingPolicy, RetrainingPolicyView } from "@portolan/retraining/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readYaml } from "../project-files.ts";
import { describePolicy } from "../retraining/retraining-text.ts";

const policyMend = "Write the members that docs/retraining.md names, as YAML or JSON.";

/** Options that state a number, by the member that they set. */
const numbers = {
  everyHours: ["--every-hours <n>", "at least so often"],
  onAccuracyBelow: ["--on-accuracy-below <level>", "level of the charter's accuracy metric in production"],
  closeMargin: ["--close-margin <n>", "how far on its right side windows lie that close an incident"],
  coolDownHours: ["--cool-down-hours <n>", "rest after a retraining has ended"],
  mostRuns: ["--most-runs <n>", "within the period"],
  periodDays: ["--period-days <n>", "the period"],
  budgetHours: ["--budget-hours <n>", "that training runs of the use case may take within the period"],
  trainingDays: ["--training-days <n>", "length of the rows that are learned from"],
  heldOutShare: ["--held-out-share <n>", "the newest rows, to judge by"],
} as const satisfies Partial<Record<keyof RetrainingPolicy, readonly [string, string]>>;

type NumberName = keyof typeof numbers;
const numberNames: readonly NumberName[] = [
  "everyHours",
  "onAccuracyBelow",
  "closeMargin",
  "coolDownHours",
  "mostRuns",
  "periodDays",
  "budgetHours",
  "trainingDays",
  "heldOutShare",
];

type PolicyOptions = Partial<Record<NumberName, string>> & {
  readonly environment: string;
  readonly file?: string;
  readonly onDrift?: string;
  readonly onConceptDrift?: boolean;
  readonly approval?: string;
  readonly budgetPerMonth?: string;
  readonly pause?: boolean;
};

export function registerRetrainPolicy(retrain: Command, contextOf: ContextOf): void {
  const policy = retrain
    .command("policy")
    .description("When the model of an endpoint is trained again, and what is wrong with it now")
    .addHelpText("after", "\nExample:\n  portolan retrain policy show churn");
  registerShow(policy, contextOf);
  registerSet(policy, contextOf);
}

function registerShow(policy: Command, contextOf: ContextOf): void {
  policy
    .command("show <endpoint>")
    .description("What is in force, by whose word, and the open incidents")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText("after", "\nExample:\n  portolan retrain policy show churn --json")
    .action(async (endpoint: string, { environment }: { environment: string }, command: Command) => {
      const context = contextOf(command);
      const path = `${pathOf(endpoint)}?${new URLSearchParams({ environment }).toString()}`;
      const found = await (await connect(context)).json<RetrainingPolicyView>({ path });
      context.output.result(found, describePolicy(found));
    });
}

function registerSet(policy: Command, contextOf: ContextOf): void {
  const command = policy
    .command("set <endpoint>")
    .description(
      "State a policy in place of the one before; what the charter says stays the charter's to say",
    )
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--file <path>", "members of the policy as YAML or JSON; options go before")
    .option("--on-drift <rule>", "never or with_harm")
    .option("--on-concept-drift", "when outcomes show predictions to be wrong more often than they were")
    .option("--approval <who>", "none or team_lead")
    .option("--budget-per-month <amount>", "that training runs may cost, e.g. '40 USD/month'")
    .option("--pause", "nothing starts by itself");
  for (const name of numberNames) {
    const [flags, description] = numbers[name];
    command.option(flags, description);
  }
  command
    .addHelpText(
      "after",
      `
Examples:
  portolan retrain policy set churn --cool-down-hours 12 --most-runs 8 --as lea
  portolan retrain policy set churn --budget-per-month "40 USD/month" --as lea
  portolan retrain policy set churn --file retraining.yaml --pause --as lea`,
    )
    .action(async (endpoint: string, options: PolicyOptions, self: Command) => {
      const context = contextOf(self);
      const { environment, file } = options;
      const read = file === undefined ? {} : await readYaml(resolve(context.cwd, file), policyMend);
      const body = { environment, policy: { ...asObject(read), ...statedBy(options) } };
      const api = await connect(context);
      const found = await api.json<RetrainingPolicyView>({ method: "PUT", path: pathOf(endpoint), body });
      context.output.result(found, describePolicy(found));
    });
}

function asObject(read: unknown): object {
  if (typeof read === "object" && read !== null && !Array.isArray(read)) return read;
  throw badUsage("the file holds no members of a policy");
}

/** Members that options state; the server says what is wrong with their values. */
function statedBy({
  onDrift,
  onConceptDrift,
  approval,
  budgetPerMonth,
  pause,
  ...options
}: PolicyOptions): Record<string, unknown> {
  const stated: Record<string, unknown> = {
    ...(onDrift === undefined ? {} : { onDrift }),
    ...(onConceptDrift === true ? { onConceptDrift } : {}),
    ...(approval === undefined ? {} : { approval }),
    ...(budgetPerMonth === undefined ? {} : { budgetPerMonth }),
    ...(pause === true ? { isPaused: true } : {}),
  };
  for (const name of numberNames) {
    const text = options[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw badUsage(`${text.slice(0, 80)} is no number`);
    stated[name] = value;
  }
  return stated;
}

function badUsage(detail: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend: policyMend });
}

function pathOf(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/retraining-policy`;
}
