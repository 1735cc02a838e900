import type {
  FeatureViewResource,
  FeatureViewSummary,
  TrainingSetSummary,
} from "@portolan/features/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { allPages } from "../client/all-pages.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerFeatureLists(features: Command, contextOf: ContextOf): void {
  registerViews(features, contextOf);
  registerShow(features, contextOf);
  registerTrainingSets(features, contextOf);
}

function registerViews(features: Command, contextOf: ContextOf): void {
  features
    .command("views")
    .description("Feature views that you may read, by name, each in its newest version")
    .addHelpText("after", "\nExample:\n  portolan features views")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const views = await allPages(
        await connect(context),
        "/v1/feature-views",
        "after",
        (page: { readonly views: readonly FeatureViewSummary[]; readonly next?: string }) => page.views,
      );
      const rows = views.map(({ name, version, source, entity, features: names }) => [
        `${name}@${version}`,
        source,
        entity.join(", "),
        names.join(", "),
      ]);
      context.output.result(
        { views },
        views.length === 0
          ? "no view is published that you may read; portolan apply publishes some"
          : table(["view", "of contract", "entity", "features"], rows),
      );
    });
}

function registerShow(features: Command, contextOf: ContextOf): void {
  features
    .command("show <view>")
    .description("The document of a published feature view: NAME for its newest version, or NAME@2")
    .addHelpText("after", "\nExample:\n  portolan features show arrivals@1")
    .action(async (view: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const [name = "", version] = view.split("@");
      const query = version === undefined ? "" : `?${new URLSearchParams({ version }).toString()}`;
      const found = await (await connect(context)).json<FeatureViewResource>({
        path: `/v1/feature-views/${encodeURIComponent(name)}${query}`,
      });
      context.output.result(found, found.document.trimEnd());
    });
}

function registerTrainingSets(features: Command, contextOf: ContextOf): void {
  features
    .command("training-sets")
    .description("Training sets that you may read, newest first")
    .addHelpText("after", "\nExample:\n  portolan features training-sets")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const trainingSets = await allPages(
        await connect(context),
        "/v1/training-sets",
        "before",
        (page: { readonly trainingSets: readonly TrainingSetSummary[]; readonly next?: string }) =>
          page.trainingSets,
      );
      const cells = trainingSets.map(({ id, name, environment, state, rows, startedAt }) => [
        id,
        name,
        environment,
        state,
        rows === undefined ? "" : String(rows),
        formatInstant(asEpochMicros(startedAt)),
      ]);
      context.output.result(
        { trainingSets },
        trainingSets.length === 0
          ? "no training set that you may read; portolan model train builds one"
          : table(["training set", "name", "environment", "state", "rows", "asked for"], cells),
      );
    });
}
