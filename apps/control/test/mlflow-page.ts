import { readFile } from "node:fs/promises";
import type { ApiMethod } from "./api.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const satisfies readonly ApiMethod[];
export type CallState = "works" | "refused" | "missing";

/** A row of the tables of docs/mlflow.md. */
export interface DocumentedCall {
  readonly method: (typeof methods)[number];
  readonly path: string;
  readonly state: CallState;
}

/** The page on MLflow's API. */
export function readMlflowPage(): Promise<string> {
  return readFile(new URL("../../../docs/mlflow.md", import.meta.url), "utf8");
}

/** The rows of its tables, in their order. */
export async function documentedCalls(): Promise<DocumentedCall[]> {
  const page = await readMlflowPage();
  return [...page.matchAll(/^\| `([A-Z]+) (\S+)` \| (works|refused|missing) \|/gm)].map(
    ([, verb, path = "", told]) => {
      const method = methods.find((known) => known === verb);
      const state = (["works", "refused", "missing"] as const).find((known) => known === told);
      if (method === undefined || state === undefined) throw new Error(`cannot read ${verb} ${path}`);
      return { method, path: path.replace(/\{[^}]*\}/g, "x"), state };
    },
  );
}

/** What a served call answers to an empty message: most lack something, and some ask for one thing by its name. */
export function answerToNothing({ method, path }: DocumentedCall): number {
  const call = path.replace(/^\/api\/2\.0\/(mlflow\/)?/, "");
  // Without experiments or a filter a search finds nothing, or all that there is.
  if (/^(runs|experiments|registered-models|model-versions|logged-models)\/search$/.test(call)) return 200;
  if (call === "experiments/search-datasets") return 200;
  // Without one it means MLflow's default experiment, that of the one use case.
  if (call === "runs/create") return 200;
  // There is no model x.
  const isOfModel = /^logged-models\/x(\/artifacts\/directories|\/tags\/x)?$/.test(call);
  return isOfModel && method !== "PATCH" ? 404 : 400;
}
