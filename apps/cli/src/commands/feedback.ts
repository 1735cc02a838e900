import { PortolanError } from "@portolan/kernel";
import type { Feedback, FeedbackReceipt, FeedbackSummary } from "@portolan/oversight/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { labelOf } from "./review.ts";

interface FeedbackOptions {
  readonly rating?: string;
  readonly correct?: string;
  readonly override?: string;
  readonly comment?: string;
}

export function registerFeedbackCommands(program: Command, contextOf: ContextOf): void {
  const feedback = program
    .command("feedback")
    .description("What callers and users say of answers")
    .addHelpText("after", "\nExample:\n  portolan feedback give prd_… --rating 4 --as shop");
  feedback
    .command("give <predictionId>")
    .description("Rate an answer, correct it, or say what was done instead; the same again changes nothing")
    .option("--rating <number>", "1 to 5")
    .option("--correct <label>", "what would have been right")
    .option("--override <label>", "what was done instead of what the model said")
    .option("--comment <text>", "in words")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan feedback give prd_… --rating 4\n  portolan feedback give prd_… --correct false --as shop\n  portolan feedback give prd_… --correct '[0, 2, 1]' --as shop      relevances of a ranking's rows",
    )
    .action(async (predictionId: string, options: FeedbackOptions, command: Command) => {
      const context = contextOf(command);
      const body = feedbackOf(predictionId, options);
      const receipt = await (await connect(context)).json<FeedbackReceipt>({ path: "/v1/feedback", body });
      const kind = receipt.isLabel ? "kept, and a label until better is known" : "kept";
      context.output.result(receipt, receipt.isNew ? kind : "known already");
    });
  feedback
    .command("summary <endpoint>")
    .description("Ratings, corrections and overrides of an endpoint's versions")
    .addHelpText("after", "\nExample:\n  portolan feedback summary churn --json")
    .action(async (endpoint: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/feedback?endpoint=${encodeURIComponent(endpoint)}`;
      const summary = await (await connect(context)).json<FeedbackSummary>({ path });
      context.output.result(summary, summaryText(summary));
    });
}

function summaryText({ endpoint, versions }: FeedbackSummary): string {
  if (versions.length === 0) return `Nobody has said anything of ${endpoint} that you may read.`;
  return versions
    .map(({ environment, model, version, ratings, meanRating, corrections, overrides }) => {
      const mean = meanRating === null ? "" : ` (mean ${meanRating.toFixed(2)} of 5)`;
      return `${model}/${version} in ${environment}: ${ratings} ratings${mean}, ${corrections} corrections, ${overrides} overrides`;
    })
    .join("\n");
}

/** @throws PortolanError `cli.bad_usage` unless exactly one thing is said */
export function feedbackOf(
  predictionId: string,
  { rating, correct, override, comment }: FeedbackOptions,
): Feedback {
  const said = [rating, correct, override].filter((one) => one !== undefined);
  if (said.length !== 1 || (rating !== undefined && !/^[1-5]$/.test(rating)))
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "feedback is one of a rating of 1 to 5, a correction, or an override",
      mend: "Give --rating, --correct or --override, each in a call of its own.",
    });
  const words = comment === undefined ? {} : { comment };
  if (rating !== undefined) return { predictionId, kind: "rating", rating: Number(rating), ...words };
  if (correct !== undefined) return { predictionId, kind: "correction", value: labelOf(correct), ...words };
  return { predictionId, kind: "override", value: labelOf(override ?? ""), ...words };
}
