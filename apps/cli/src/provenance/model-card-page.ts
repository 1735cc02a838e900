import { escaped } from "../markup.ts";
import type { ModelCard } from "./model-card.ts";

/** A whole page without a script and without anything from elsewhere. Every text of the card is escaped. */
export function modelCardPage(card: ModelCard): string {
  const title = `Model card: ${card.model}, version ${card.version}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style></head>
<body><main><h1>${escaped(title)}</h1>
${sections(card).join("\n")}
</main></body></html>
`;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;color:#0f172a;background:#fff}main{max-width:56rem;margin:auto}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.3rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.8rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #cbd5e1;vertical-align:top}
@media (max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}`;

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
    section("Evidence", evidencePart(card)),
  ];
}

function section(title: string, content: string): string {
  return `<section><h2>${escaped(title)}</h2>\n${content}</section>`;
}

type Facts = readonly (readonly [string, string | number | undefined])[];

function facts(entries: Facts): string {
  const lines = entries.flatMap(([name, value]) =>
    value === undefined || value === ""
      ? []
      : [`<dt>${escaped(name)}</dt><dd>${escaped(String(value))}</dd>`],
  );
  return `<dl>${lines.join("\n")}</dl>`;
}

function list(items: readonly string[], none: string): string {
  if (items.length === 0) return `<p>${escaped(none)}</p>`;
  return `<ul>${items.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>`;
}

function listed(title: string, items: readonly string[]): string {
  return `<h3>${escaped(title)}</h3>${list(items, "None.")}`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map(([first = "", ...rest]) => {
    const cells = rest.map((cell) => `<td>${escaped(cell)}</td>`).join("");
    return `<tr><th scope="row">${escaped(first)}</th>${cells}</tr>`;
  });
  return `<div class="wide" tabindex="0" role="region" aria-label="${escaped(caption)}"><table><caption>${escaped(caption)}</caption>
<thead><tr>${heads.map((head) => `<th scope="col">${escaped(head)}</th>`).join("")}</tr></thead>
<tbody>${body.join("\n")}</tbody></table></div>`;
}

function versionFacts({ artifact, signedBy, signedAt, promotedIn, source }: ModelCard): Facts {
  return [
    ["Digest", artifact],
    ["Signed by", signedBy],
    ["Signed at", signedAt],
    ["Promoted in", promotedIn.join(", ")],
    ["Source", source],
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
  const { setId, examples, heldOut, metrics, gates } = evaluation;
  const rows = metrics.map(({ name, value, interval }) => [
    name,
    digits(value),
    interval
      ? `${digits(interval.low)} to ${digits(interval.high)} (${digits(interval.level * 100)} %)`
      : "not computed",
  ]);
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
  return `${about}${table("Metrics", ["Metric", "Value", "Interval"], rows)}${judged}`;
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
  const { run, code, params, seed, python, packages, isolation } = training;
  const about = facts([
    ["Run", run],
    ["Program", code],
    ["Seed", seed],
    ["Python", python],
    ["Isolation", isolation],
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

function evidencePart({ attestations }: ModelCard): string {
  if (attestations.length === 0) return "<p>Nothing is attested beyond the signature.</p>";
  return table(
    "Attestations",
    ["About", "Digest"],
    attestations.map(({ about, digest }) => [about, digest]),
  );
}

function digits(value: number): string {
  return String(Number(value.toPrecision(6)));
}
