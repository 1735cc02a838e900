import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Timeline } from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { type StretchOptions, stretchQuery } from "../drift/stretch.ts";
import type { ContextOf } from "../program.ts";
import { timelinePage } from "../timeline/timeline-page.ts";
import { timelineText } from "../timeline/timeline-text.ts";

interface TimelineOptions extends StretchOptions {
  readonly environment: string;
  readonly html?: string;
}

const help = `
Layers, from cause to effect: release, infrastructure (gateways' starts, waiting for the runtime), data (inputs, looking up features), model
(inference, predictions), service (times, failures, fallbacks, alerts). What cannot be told apart in time goes by layer. The exit code is 0
whatever moved.

Examples:
  portolan timeline churn                                          the last six hours
  portolan timeline churn --from 2026-11-20T08:00:00Z --to 2026-11-20T12:00:00Z --html churn.html`;

export function registerTimelineCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("timeline <endpoint>")
    .description("What moved first at an endpoint: releases, infrastructure, data, model, service")
    .option("-e, --environment <name>", "dev, staging or production", "production")
    .option("--from <instant>", "from then on (RFC 3339; default: six hours before the end)")
    .option("--to <instant>", "before then (RFC 3339; default: now), at most three days later")
    .option("--html <file>", "write a page with pictures, without scripts")
    .addHelpText("after", help)
    .action(async (endpoint: string, options: TimelineOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams(stretchQuery(options));
      query.set("environment", options.environment);
      const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/timeline?${query.toString()}`;
      const timeline = await (await connect(context)).json<Timeline>({ path });
      if (options.html === undefined) {
        context.output.result(timeline, timelineText(timeline));
        return;
      }
      const file = resolve(context.cwd, options.html);
      await writeFile(file, timelinePage(timeline));
      context.output.result({ file, moved: timeline.ranking.length }, `Timeline written to ${file}`);
    });
}
