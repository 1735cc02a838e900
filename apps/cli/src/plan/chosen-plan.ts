import { stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { systemClock } from "@portolan/kernel";
import type { ChangedAssumptions, PlanDocument, PriceBook } from "@portolan/planner/contract";
import { planCharter, planJson } from "@portolan/planner/policy";
import { filesBelow, readText, type TextFile } from "../project-files.ts";
import { readPlanFile } from "./read-plan.ts";

/** What charters are planned with. */
export interface PlanInputs {
  readonly book: PriceBook;
  readonly changed: ChangedAssumptions;
}

export interface ChosenPlan {
  readonly plan: PlanDocument;
  /** Absent: the plan was in a file. */
  readonly document?: CharterDocument;
}

/** The charter of a folder with the files that lie beside it. */
export async function charterOf(
  root: string,
): Promise<{ readonly file: TextFile; readonly presentFiles: string[] }> {
  const file = await readText(join(root, "charter.yaml"));
  return { file, presentFiles: (await filesBelow(root)).map((path) => relative(root, path)) };
}

/** A folder with a charter, planned. */
export async function planFolder(root: string, { book, changed }: PlanInputs): Promise<Required<ChosenPlan>> {
  const { file, presentFiles } = await charterOf(root);
  const { document, lines } = requireValid(parseCharter(file.text, file.path));
  const facts = { presentFiles };
  const plan = planJson(planCharter(document, book, { now: systemClock.now(), facts, lines, changed }));
  return { plan, document };
}

/** A plan in a JSON file, or a charter that is planned: a folder's, or a file of its own. */
export async function chosenPlan(path: string, { book, changed }: PlanInputs): Promise<ChosenPlan> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (isFolder) return planFolder(path, { book, changed });
  const file = await readText(path);
  if (!/\.ya?ml$/.test(path)) return { plan: readPlanFile(file) };
  const { document, lines } = requireValid(parseCharter(file.text, file.path));
  return {
    plan: planJson(planCharter(document, book, { now: systemClock.now(), lines, changed })),
    document,
  };
}
