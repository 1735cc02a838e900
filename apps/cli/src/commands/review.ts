import { PortolanError, parseInstant } from "@portolan/kernel";
import {
  type Concluded,
  type LabelValue,
  type NextReview,
  overrideReasons,
  type ReviewCase,
  type ReviewList,
  type ReviewStats,
} from "@portolan/oversight/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { caseText, concludedText, listText, statsText } from "../review/review-text.ts";

export function registerReviewCommands(program: Command, contextOf: ContextOf): void {
  const review = program
    .command("review")
    .description("Answers that the charter brings to people: decide them before you see what the model said")
    .addHelpText(
      "after",
      `
Examples:
  portolan review next --as rita                          take the most urgent one
  portolan review decide rev_… false --as rita            decide; the model's answer is shown then
  portolan review conclude rev_… --reason model_error     keep the decision, and say why it is another`,
    );
  registerList(review, contextOf);
  registerTaking(review, contextOf);
  registerDecide(review, contextOf);
  registerConclude(review, contextOf);
  registerStats(review, contextOf);
}

interface ListOptions {
  readonly endpoint?: string;
  readonly state?: string;
}

function registerList(review: Command, contextOf: ContextOf): void {
  review
    .command("list")
    .description("What waits for people, the most urgent first")
    .option("--endpoint <name>", "of one endpoint")
    .option("--state <state>", "open, closed or expired", "open")
    .addHelpText("after", "\nExample:\n  portolan review list --endpoint credit --json")
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams({ state: options.state ?? "open" });
      if (options.endpoint !== undefined) query.set("endpoint", options.endpoint);
      const list = await (await connect(context)).json<ReviewList>({
        path: `/v1/reviews?${query.toString()}`,
      });
      context.output.result(list, listText(list));
    });
}

function registerTaking(review: Command, contextOf: ContextOf): void {
  review
    .command("next")
    .description("Take the most urgent review; it is yours for thirty minutes")
    .option("--endpoint <name>", "of one endpoint")
    .option("--environment <name>", "of one environment")
    .addHelpText("after", "\nExample:\n  portolan review next --as rita")
    .action(
      async (options: { readonly endpoint?: string; readonly environment?: string }, command: Command) => {
        const context = contextOf(command);
        const { endpoint, environment } = options;
        const next = await (await connect(context)).json<NextReview>({
          path: "/v1/reviews/next",
          body: {
            ...(endpoint === undefined ? {} : { endpoint }),
            ...(environment === undefined ? {} : { environment }),
          },
        });
        context.output.result(next, next.case ? caseText(next.case) : "Nothing waits for you.");
      },
    );
  review
    .command("show <review>")
    .description("Take one review, or see again what you have; each look is on the ledger")
    .addHelpText("after", "\nExample:\n  portolan review show rev_… --as rita")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `${pathOf(id)}/reads`;
      const shown = await (await connect(context)).json<ReviewCase>({ method: "POST", path });
      context.output.result(shown, caseText(shown));
    });
}

function registerDecide(review: Command, contextOf: ContextOf): void {
  review
    .command("decide <review> <value>")
    .description("Decide without the model's answer; it is shown then")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan review decide rev_… true --as rita\n  portolan review decide rev_… '[0, 2, 1]' --as rita      relevances of a ranking's rows",
    )
    .action(async (id: string, value: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const body = { value: labelOf(value) };
      const path = `${pathOf(id)}/decision`;
      const shown = await (await connect(context)).json<ReviewCase>({ path, body });
      context.output.result(shown, caseText(shown));
    });
}

interface ConcludeOptions {
  readonly value?: string;
  readonly reason?: string;
  readonly comment?: string;
}

function registerConclude(review: Command, contextOf: ContextOf): void {
  review
    .command("conclude <review>")
    .description("Keep your decision, or take another now that you have seen the answer")
    .option("--value <label>", "another decision than your first")
    .option("--reason <code>", `why it is not the model's: ${overrideReasons.join(", ")}`)
    .option("--comment <text>", "in words; needed with the reason other")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan review conclude rev_…\n  portolan review conclude rev_… --value true\n  portolan review conclude rev_… --reason missing_context",
    )
    .action(async (id: string, options: ConcludeOptions, command: Command) => {
      const context = contextOf(command);
      const { value, reason, comment } = options;
      const concluded = await (await connect(context)).json<Concluded>({
        path: `${pathOf(id)}/conclusion`,
        body: {
          ...(value === undefined ? {} : { value: labelOf(value) }),
          ...(reason === undefined ? {} : { reason }),
          ...(comment === undefined ? {} : { comment }),
        },
      });
      context.output.result(concluded, concludedText(concluded));
    });
}

interface StatsOptions {
  readonly endpoint?: string;
  readonly from?: string;
  readonly to?: string;
}

function registerStats(review: Command, contextOf: ContextOf): void {
  review
    .command("stats")
    .description("How people decide, and agree with each other and with the models; the last 30 days")
    .option("--endpoint <name>", "of one endpoint")
    .option("--from <instant>", "queued at or after (RFC 3339)")
    .option("--to <instant>", "queued before (RFC 3339)")
    .addHelpText("after", "\nExample:\n  portolan review stats --endpoint credit")
    .action(async (options: StatsOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams();
      for (const name of ["endpoint", "from", "to"] as const) {
        const value = options[name];
        if (value === undefined) continue;
        if (name !== "endpoint") parseInstant(value);
        query.set(name, value);
      }
      const path = `/v1/review-stats?${query.toString()}`;
      const stats = await (await connect(context)).json<ReviewStats>({ path });
      context.output.result(stats, statsText(stats));
    });
}

function pathOf(id: string): string {
  return `/v1/reviews/${encodeURIComponent(id)}`;
}

/** `true`, `false` and numbers are themselves, `[0, 2, 1]` the relevances of a list; any other word is a class. @throws PortolanError `cli.bad_usage` for nothing, and for a list of anything else */
export function labelOf(text: string): LabelValue {
  if (text === "")
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "there is no decision",
      mend: "Write true, false, a class or a number.",
    });
  if (/^\s*\[.*\]\s*$/.test(text)) return relevancesOf(text);
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : text;
}

function relevancesOf(text: string): number[] {
  const values = text
    .replace(/^\s*\[|\]\s*$/g, "")
    .split(",")
    .map((one) => (one.trim() === "" ? Number.NaN : Number(one)));
  if (values.length >= 2 && values.every((value) => Number.isFinite(value) && value >= 0)) return values;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${text} is no list of relevances`,
    mend: "Write a number from 0 on for each row of the list, as '[0, 2, 1]'.",
  });
}
