import type { SourceLines } from "@portolan/yaml-source";
import { deriveFromCharter } from "./derive.ts";
import type { DerivedItem, Provenance } from "./derived.ts";
import type { CharterDocument } from "./document.ts";
import { type ProductionBlocker, productionBlockers } from "./production-blockers.ts";
import { provenance } from "./provenance.ts";
import { type RequiredSignature, requiredSignatures } from "./required-signatures.ts";
import { workloadStatements } from "./workload.ts";

/** Everything that `portolan charter explain` shows. */
export interface CharterExplanation {
  readonly useCase: string;
  readonly signatures: readonly RequiredSignature[];
  readonly items: readonly DerivedItem[];
  /** What the plan reckons with; none of it is enforced. */
  readonly estimates: readonly { readonly statement: string; readonly from: readonly Provenance[] }[];
  readonly productionBlockers: readonly ProductionBlocker[];
}

/** What follows from each line of a charter, and whether anything keeps it. Pure. */
export function explainCharter(document: CharterDocument, lines?: SourceLines): CharterExplanation {
  return {
    useCase: document.useCase.name,
    signatures: requiredSignatures(document),
    items: deriveFromCharter(document, lines).items,
    estimates: workloadStatements(document.workload ?? {}).map(([member, statement]) => ({
      statement,
      from: [provenance(`/workload/${member}`, lines)],
    })),
    productionBlockers: productionBlockers(document, lines),
  };
}

/** The same as Markdown, for terminals, pull requests and wikis. */
export function explanationMarkdown(explanation: CharterExplanation): string {
  const rows = explanation.items.map((item) =>
    row([
      item.from.map(place).join(", "),
      item.control,
      item.statement,
      state(item),
      item.demandedBy.map(place).join(", "),
    ]),
  );
  const signatures = explanation.signatures.map(
    ({ role, because }) => `- ${role}: ${because.map((reason) => reason.reason).join("; ")}`,
  );
  const estimates = explanation.estimates.map(
    ({ statement, from }) => `- ${statement} (${from.map(place).join(", ")})`,
  );
  const blockers = explanation.productionBlockers.map(
    (blocker) => `- ${blocker.reason} (${blocker.demandedBy.map(place).join(", ")})`,
  );
  return [
    `# Charter of ${explanation.useCase}`,
    "",
    "## Signed by",
    "",
    ...signatures,
    "",
    "## What follows from it",
    "",
    row(["from", "control", "what it means", "kept by", "demanded by"]),
    row(["---", "---", "---", "---", "---"]),
    ...rows,
    "",
    ...(estimates.length > 0 ? ["## What the plan reckons with", "", ...estimates, ""] : []),
    "## Production",
    "",
    ...(blockers.length > 0 ? blockers : ["Nothing that this charter demands is missing."]),
    "",
  ].join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function place(from: Provenance): string {
  return from.line === undefined ? from.pointer : `${from.pointer} (line ${from.line})`;
}

function state(item: DerivedItem): string {
  return item.enforcement.kind === "enforced"
    ? item.enforcement.by
    : `**not enforced**: ${item.enforcement.why}`;
}
