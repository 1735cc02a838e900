import { messageOf, PortolanError } from "@portolan/kernel";
import { PlanDocument } from "@portolan/planner/contract";
import { Value } from "@portolan/typebox";
import type { CliErrorCode } from "../errors.ts";
import type { TextFile } from "../project-files.ts";

/**
 * A plan as `portolan plan --json` prints it, or as the server keeps it (under `plan`).
 *
 * @throws PortolanError `cli.bad_file` where it is none
 */
export function readPlanFile({ path, text }: TextFile): PlanDocument {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw noPlan(path, messageOf(cause), cause);
  }
  const kept = typeof read === "object" && read !== null && "plan" in read ? read.plan : read;
  if (Value.Check(PlanDocument, kept)) return kept;
  const [first] = Value.Errors(PlanDocument, kept);
  throw noPlan(path, first ? `${first.instancePath || "/"} ${first.message}` : "it is none");
}

function noPlan(path: string, why: string, cause?: unknown): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} is no plan (${why})`,
    mend: "Write one with: portolan plan FOLDER --json > plan.json",
    ...(cause === undefined ? {} : { cause }),
  });
}
