import { digits, evidencePage, type Facts, facts, list, listed, section, table } from "../evidence-page.ts";
import type { ModelCard } from "./model-card.ts";

/** A whole page without a script and without anything from elsewhere. Every text of the card is escaped. */
export function modelCardPage(card: ModelCard): string {
  const title = `Model card: ${card.model}, version ${card.version}`;
  return evidencePage(title, sections(card));
}

function sections(card: ModelCard): string[] {
  return [
    section("This version", facts(versionFacts(card))),
    card.intendedUse
      ? section("Intended use", facts(useFacts(card.intendedUse)))
      : section("Intended use", "<p>No charter is on record: it is for experiments in dev.</p>"),
    section("Limitations", list(card.limitations, "None is on record.")),
    section("Inputs and outputs", `${listed("Inputs", card.inputs)}${listed("Outputs", card.outputs)}`),
    section("Evaluation", evaluationPart(card)),
    section("Training data", trainingDataPart(card)),
    section("Training", trainingPart(card)),
    section("Promotions", promotionsPart(card)),
    section("Decisions", decisionsPart(card)),
    section("Serving", servingPart(card)),
    section("Evidence", evidencePart(card)),
  ];
}

function versionFacts({ artifact, signedBy, signedAt, promotedIn, source, prompt }: ModelCard): Facts {
  return [
    ["Digest", artifact],
    ["Signed by", signedBy],
    ["Signed at", signedAt],
    ["Promoted in", promotedIn.join(", ")],
    ["Source", source],
    ["Prompt", prompt],
  ];
}

function useFacts(use: NonNullable<ModelCard["intendedUse"]>): Facts {
  return [
    ["Use case", use.useCase],
    ["What it is for", use.description],
    ["Task", use.task.replaceAll("_", " ")],
    ["Purposes", use.purposes.join(", ")],
    ["Team", use.team],
    ["Risk", use.riskLevel],
    ["Regulations", use.regulations.join(", ") || "none"],
    ["Human review", use.humanReview.replaceAll("_", " ")],
    ["Explanations", use.explainability.replaceAll("_", " ")],
    ["Charter", use.charter],
    ["Approved by", use.approvedBy.join(", ")],
  ];
}

function evaluationPart({ evaluation }: ModelCard): string {
  if (!evaluation) return "<p>No evaluation is on record.</p>";
  const { setId, examples, heldOut, metrics, parts = [], gates } = evaluation;
  const measured = ({ name, value, interval }: (typeof metrics)[number]) => [
    name,
    digits(value),
    interval
      ? `${digits(interval.low)} to ${digits(interval.high)} (${digits(interval.level * 100)} %)`
      : "not computed",
  ];
  const figures = ["Metric", "Value", "Interval"];
  const ofParts = parts.map((part) => [part.of, String(part.rows), ...measured(part)]);
  const verdicts = gates.map(({ gate, passed, observed, required }) => [
    gate,
    passed ? "passed" : "failed",
    observed,
    required,
  ]);
  const about = facts([
    ["Evaluation set", setId],
    ["Examples", examples],
    ["Held out", `${heldOut.shown ? "yes" : "not shown"}: ${heldOut.because}`],
  ]);
  const judged =
    verdicts.length === 0
      ? "<p>No gate was judged.</p>"
      : table("Gates", ["Gate", "Verdict", "Observed", "Required"], verdicts);
  const all = table("Metrics", figures, metrics.map(measured));
  const byPart =
    ofParts.length === 0 ? "" : table("Classes, slices and groups", ["Part", "Rows", ...figures], ofParts);
  return `${about}${all}${byPart}${judged}`;
}

function trainingDataPart({ trainingData }: ModelCard): string {
  if (!trainingData) return "<p>Not on record.</p>";
  const { name, id, digest, contract, from, to, rows, label, features, views } = trainingData;
  const about = facts([
    ["Training set", `${name} (${id})`],
    ["Digest", digest],
    ["Restated since as", trainingData.restatedAs],
    ["Contract", contract],
    ["Events", `from ${from} to before ${to}`],
    ["Rows", rows],
    ["Label", label],
    ["Feature views", views.join(", ")],
    ["Classification", trainingData.classification],
    ["Data class", trainingData.dataClass],
  ]);
  return `${about}${listed("Features, in order", features)}`;
}

function trainingPart({ training }: ModelCard): string {
  if (!training) return "<p>It was not trained here.</p>";
  const { run, code, params, seed, python, packages, isolation, privacy } = training;
  const about = facts([
    ["Run", run],
    ["Program", code],
    ["Seed", seed],
    ["Python", python],
    ["Isolation", isolation],
    ["Privacy", privacy],
  ]);
  const named = Object.entries(params).map(([name, value]) => [name, String(value)]);
  const parameters = named.length === 0 ? "" : table("Parameters", ["Parameter", "Value"], named);
  return `${about}${parameters}${listed("Packages", packages)}`;
}

function promotionsPart({ promotions }: ModelCard): string {
  if (promotions.length === 0) return "<p>It was not promoted.</p>";
  return table(
    "Promotions",
    ["To", "At", "By"],
    promotions.map(({ to, at, by }) => [to, at, by]),
  );
}

function decisionsPart({ decisions }: ModelCard): string {
  if (decisions.length === 0) return "<p>No release, retraining or size of it was decided.</p>";
  return table(
    "Decisions",
    ["What", "Id", "Where", "Asked by", "Approved by", "Needed", "Outcome", "At"],
    decisions.map((one) => [
      one.what,
      one.id,
      one.where,
      one.requestedBy,
      one.approvedBy.join(", ") || "nobody",
      String(one.approvalsNeeded),
      one.outcome,
      one.at,
    ]),
  );
}

function servingPart({ deployments }: ModelCard): string {
  if (deployments.length === 0) return "<p>No endpoint has served it.</p>";
  return table(
    "Deployments",
    ["Where", "As", "Configuration", "By", "At", "Deployment"],
    deployments.map((one) => [one.where, one.as, one.configuration, one.by, one.at, one.id]),
  );
}

function evidencePart({ attestations }: ModelCard): string {
  if (attestations.length === 0) return "<p>Nothing is attested beyond the signature.</p>";
  return table(
    "Attestations",
    ["About", "Digest"],
    attestations.map(({ about, digest }) => [about, digest]),
  );
}
