import { writeFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { ColumnGraph, LineageGraph } from "@portolan/lineage/contract";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { draw, type PictureFormat, pictureFormats } from "../lineage/draw.ts";
import { columnPictureOf, type Picture, pictureOf } from "../lineage/picture.ts";
import { type TreeDirection, treeText } from "../lineage/tree.ts";
import type { ContextOf } from "../program.ts";

interface LineageOptions {
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  readonly columns?: boolean;
  readonly column?: string;
  readonly depth: string;
  readonly size: string;
  readonly format?: string;
  readonly out?: string;
}

const help = `
What can be named: a contract, a snapshot (ds_…), a feature view (name or name@1), a training set (ts_… or its name), a run (run_…, ing_…), a
model or model/version, an endpoint or deployment (dep_…), a prediction (prd_…: the version that answered), and what other tools
reported, by its name or as dataset:<namespace>:<name>, job:<namespace>:<name>, run:<uuid>.

Examples:
  portolan lineage flight-delays/1                        where a version comes from, and where it went
  portolan lineage flights --downstream --depth 3         what came of a contract's data
  portolan lineage ds_01m8… --columns --column delay      one column, both ways
  portolan lineage dep_01m8… --upstream --out why.svg     a picture (also .html and .dot)`;

export function registerLineageCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("lineage <anything>")
    .description("Draw where something comes from and what came of it, from source column to deployed model")
    .option("--upstream", "only what it comes from")
    .option("--downstream", "only what came of it")
    .option("--columns", "column by column")
    .option("--column <name>", "this column alone (of a dataset)")
    .option("--depth <n>", "steps in each direction, up to 100", "20")
    .option("--size <n>", "nodes at most, up to 5000", "500")
    .option(
      "--format <format>",
      `draw a picture: ${pictureFormats.join(", ")} (default: by the name of --out)`,
    )
    .option("--out <file>", "file of the picture")
    .addHelpText("after", help)
    .action(async (anything: string, options: LineageOptions, command: Command) => {
      const context = contextOf(command);
      const format = formatOf(options);
      const api = await connect(context);
      const nodeId = await nodeOf(api, anything);
      const { answer, picture } = await ask(api, nodeId, options);
      if (format !== undefined)
        return writePicture(context, { picture, format, out: options.out ?? "", anything });
      const tree = treeText(picture, directionsOf(options));
      const more = answer.truncated ? "\nThere is more: raise --depth or --size." : "";
      context.output.result(answer, `${tree}${more}`);
    });
}

function directionsOf({ upstream, downstream }: LineageOptions): readonly TreeDirection[] {
  if (upstream === downstream) return ["upstream", "downstream"];
  return upstream ? ["upstream"] : ["downstream"];
}

/** @throws PortolanError `cli.bad_usage` before anything is asked */
function formatOf({ format, out }: LineageOptions): PictureFormat | undefined {
  if (format === undefined && out === undefined) return undefined;
  if (out === undefined) throw badUsage("a picture needs a file", "Add --out lineage.svg.");
  const named = format ?? extname(out).slice(1);
  const known = pictureFormats.find((one) => one === named);
  if (known) return known;
  throw badUsage(`${named || out} is no format of a picture`, `Take one of ${pictureFormats.join(", ")}.`);
}

/** A prediction stands for the version that answered. */
async function nodeOf(api: ApiClient, anything: string): Promise<string> {
  if (!anything.startsWith("prd_")) return anything;
  const path = `/v1/predictions/${encodeURIComponent(anything)}`;
  const { header } = await api.json<Pick<StoredPrediction, "header">>({ path });
  const { model } = header.context;
  if (model) return `${model.name}/${model.version}`;
  throw badUsage(`${anything} was answered by no model`, "Name an endpoint or a model's version.");
}

async function ask(
  api: ApiClient,
  nodeId: string,
  options: LineageOptions,
): Promise<{ readonly answer: LineageGraph | ColumnGraph; readonly picture: Picture }> {
  const [one, ...others] = directionsOf(options);
  const direction = others.length > 0 ? "both" : (one ?? "both");
  const query = { nodeId, direction, depth: options.depth, size: options.size };
  if (options.columns || options.column !== undefined) {
    const asked = new URLSearchParams({ ...query, ...(options.column ? { column: options.column } : {}) });
    const answer = await api.json<ColumnGraph>({ path: `/api/v1/column-lineage?${asked.toString()}` });
    return { answer, picture: columnPictureOf(answer) };
  }
  // People look at the graph; scripts get what is known of each node too.
  const asked = new URLSearchParams({ ...query });
  const answer = await api.json<LineageGraph>({ path: `/api/v1/lineage?${asked.toString()}` });
  return { answer, picture: pictureOf(answer) };
}

async function writePicture(
  { cwd, output }: CliContext,
  drawn: {
    readonly picture: Picture;
    readonly format: PictureFormat;
    readonly out: string;
    readonly anything: string;
  },
): Promise<void> {
  const { picture, format, out, anything } = drawn;
  const file = resolve(cwd, out);
  await writeFile(file, draw(picture, format, `Lineage of ${anything}`));
  const nodes = picture.nodes.size;
  output.result({ file, format, nodes }, `${nodes} nodes drawn in ${file}`);
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
}
