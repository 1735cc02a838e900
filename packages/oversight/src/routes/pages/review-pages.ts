import { asEpochMicros, formatInstant } from "@portolan/kernel";
import {
  type Concluded,
  type LabelValue,
  overrideReasons,
  type ReviewCase,
  type ReviewItem,
  type ReviewList,
} from "../../contract.ts";
import { sameLabel } from "../../label-values.ts";
import { type Html, html, tokenField } from "./html.ts";

const reasonWords = {
  every: "every answer is reviewed",
  uncertain: "the score is uncertain",
  high_stakes: "high stakes",
  not_judged: "could not be judged",
  sample: "sample",
} as const;
const overrideWords = {
  wrong_input: "The input is wrong",
  missing_context: "The model does not know something that matters",
  model_error: "The model is wrong",
  policy: "A rule says otherwise",
  unfair: "It would be unfair",
  other: "Other (say which below)",
} as const;

/** Where a person signs in. `problem` says why an attempt failed. */
export function signInPage(problem?: string): Html {
  return html`${alert(problem)}
<p>Paste an access token or API key of your own. It stays on the server for eight hours at most, and is asked again at every step.</p>
<form method="post" action="/reviews/sign-in">
<p><label for="credential">Access token or API key</label>
<input id="credential" name="credential" type="password" autocomplete="off" required></p>
<button>Sign in</button>
</form>`;
}

export function listPage({ reviews, open, overdue }: ReviewList, token: string): Html {
  const rows = reviews.map(
    (review) => html`<tr><th scope="row">${review.endpoint}</th><td>${review.environment}</td>
<td>${whyOf(review)}</td><td>${dueOf(review)}</td><td>${review.concluded} of ${review.people}</td>
<td><form method="post" action="/reviews/${review.id}/reads">${tokenField(token)}<button class="plain" aria-label="Open the review of ${review.endpoint}, ${dueOf(review)}, ${review.id}">Open</button></form></td></tr>`,
  );
  const table = html`<table><caption>The most urgent first</caption>
<thead><tr><th scope="col">Endpoint</th><th scope="col">Environment</th><th scope="col">Why</th><th scope="col">Due</th><th scope="col">Decided</th><th scope="col">Take it</th></tr></thead>
<tbody>${rows}</tbody></table>`;
  return html`<p>${open} open, ${overdue} overdue.</p>
${nextForm(token)}
${reviews.length === 0 ? html`<p>Nothing waits.</p>` : table}`;
}

/** A case as its person sees it now: to decide, or with the answer, to conclude. */
export function casePage(shown: ReviewCase, token: string): Html {
  const { review, inputs, features, list, text, withheld, leaseUntil } = shown;
  return html`<p>${review.model}, version ${review.version}, in ${review.environment}. Why: ${whyOf(review)}. ${dueOf(review)}. Yours until ${instant(leaseUntil)}.</p>
<h2>What was asked</h2>
${withheld === undefined ? undefined : html`<p>The request is not shown: ${withheld}.</p>`}
${valuesTable("Inputs", inputs)}
${valuesTable("Features", features)}
${list && listTable(list, shown.own, shown.answer?.scores)}
${text === undefined ? undefined : html`<pre role="region" tabindex="0" aria-label="Request">${text}</pre>`}
${shown.answer && shown.own !== undefined ? concludeForm(shown, shown.own, shown.answer, token) : decideForm(review, token)}`;
}

/** The rows of a ranking, with what was decided of each and the model's score once they may be seen. */
function listTable(
  list: NonNullable<ReviewCase["list"]>,
  own: LabelValue | undefined,
  scores: readonly number[] | undefined,
): Html {
  const names = (list[0] ?? []).map(({ name }) => name);
  const decided = typeof own === "object" ? own : undefined;
  const head = (name: string): Html => html`<th scope="col">${name}</th>`;
  const cell = (value: string | number | boolean | null | undefined): Html =>
    html`<td>${value === null || value === undefined ? "nothing" : String(value)}</td>`;
  const rows = list.map(
    (values, at) =>
      html`<tr><th scope="row">${at + 1}</th>${values.map(({ value }) => cell(value))}${decided && cell(decided[at])}${scores && cell(scores[at])}</tr>`,
  );
  return html`<table><caption>The list</caption><thead><tr>${head("Row")}${names.map(head)}${decided && head("Relevance, as you decided")}${scores && head("Score of the model")}</tr></thead><tbody>${rows}</tbody></table>`;
}

/** What a decision is put in by, as the task has it. */
function decisionField({ task, classes, rows }: ReviewItem): Html {
  if (task === "binary_classification")
    return html`<p><input type="radio" id="yes" name="value" value="true" required> <label for="yes">Yes</label></p>
<p><input type="radio" id="no" name="value" value="false" required> <label for="no">No</label></p>`;
  if (classes)
    return html`<p><label for="value">A class</label>
<select id="value" name="value" required><option value="">Choose a class</option>${classes.map((name) => html`<option value="${name}">${name}</option>`)}</select></p>`;
  if (task === "ranking" && rows !== undefined && rows <= mostFields)
    return html`<p>How relevant is each row of the list? 0: not at all.</p>${Array.from(
      { length: rows },
      (_, at) => html`<p><label for="row-${at + 1}">Relevance of row ${at + 1}</label>
<input type="text" inputmode="decimal" id="row-${at + 1}" name="row-${at + 1}" required maxlength="30"></p>`,
    )}`;
  const what =
    task === "regression"
      ? "A number"
      : task === "ranking"
        ? "The relevance of each row, in their order, as [0, 2, 1]"
        : "A class or label";
  return html`<p><label for="value">${what}</label>
<input type="text" id="value" name="value" required maxlength="20000"></p>`;
}
/** More rows than these are decided in one line. */
export const mostFields = 100;

function decideForm(review: ReviewItem, token: string): Html {
  const { id } = review;
  const field = decisionField(review);
  return html`<h2>Your decision</h2>
<p>The model's answer is shown once your decision is recorded. The decision cannot be changed then; you may conclude otherwise.</p>
<form method="post" action="/reviews/${id}/decision">${tokenField(token)}
<fieldset><legend>What is right?</legend>${field}</fieldset>
<button>Record my decision</button></form>`;
}

function concludeForm(
  { review }: ReviewCase,
  own: LabelValue,
  answer: NonNullable<ReviewCase["answer"]>,
  token: string,
): Html {
  const { value } = answer;
  const differs = value !== null && !sameLabel(own, value);
  const reasons = overrideReasons.map(
    (reason) => html`<option value="${reason}">${overrideWords[reason]}</option>`,
  );
  const model =
    differs &&
    html`<p><input type="radio" id="model" name="keep" value="model"> <label for="model">Take the model's answer: ${labelText(value)}</label></p>
<input type="hidden" name="model" value="${String(value)}">`;
  const reason =
    differs &&
    html`<p><label for="reason">Why is it not the model's answer? Needed where you keep your decision.</label>
<select id="reason" name="reason"><option value="">Choose a reason</option>${reasons}</select></p>`;
  const said = answer.scores
    ? "Its scores stand in the list: it puts the highest first."
    : "It said nothing that is a label.";
  return html`<h2>What the model said</h2>
<p>${value === null ? said : `It said: ${labelText(value)}`} You decided: ${labelText(own)}</p>
${valuesTable("Outputs", answer.outputs)}
${answer.text === undefined ? undefined : html`<pre role="region" tabindex="0" aria-label="Answer">${answer.text}</pre>`}
<h2>Conclude</h2>
<form method="post" action="/reviews/${review.id}/conclusion">${tokenField(token)}
<fieldset><legend>Your conclusion</legend>
<p><input type="radio" id="own" name="keep" value="own" checked> <label for="own">Keep my decision: ${labelText(own)}</label></p>
${model || undefined}</fieldset>
${reason || undefined}
<p><label for="comment">Comment</label>
<textarea id="comment" name="comment" rows="3" maxlength="2000"></textarea></p>
<button>Conclude the review</button></form>`;
}

export function concludedPage({ review, value, overrides, label }: Concluded, token: string): Html {
  const how =
    overrides === null ? "" : overrides ? " It is not what the model said." : " It is what the model said.";
  const state =
    review.state === "open"
      ? `${review.concluded} of ${review.people} people have decided.`
      : label === null
        ? "The review is closed without a label: people could not agree."
        : `The review is closed; the label is: ${labelText(label)}`;
  return html`<p role="status">Your conclusion is recorded: ${labelText(value)}${how} ${state}</p>
${nextForm(token)}`;
}

/** Says what went wrong and leads back. */
export function problemPage(
  detail: string,
  mend: string | undefined,
  back?: { readonly id: string; readonly token: string },
): Html {
  const again =
    back &&
    html`<form method="post" action="/reviews/${back.id}/reads">${tokenField(back.token)}<button>Back to the review</button></form>`;
  return html`${alert(mend === undefined ? detail : `${detail}. ${mend}`)}${again}<p><a href="/reviews">To the list of reviews</a></p>`;
}

export function nothingPage(): Html {
  return html`<p role="status">Nothing waits for you.</p><p><a href="/reviews">To the list of reviews</a></p>`;
}

function nextForm(token: string): Html {
  return html`<form method="post" action="/reviews/next">${tokenField(token)}<button>Take the next review</button></form>`;
}

function alert(text: string | undefined): Html | undefined {
  return text === undefined ? undefined : html`<div class="note" role="alert"><p>${text}</p></div>`;
}

function valuesTable(caption: string, values: ReviewCase["inputs"]): Html | undefined {
  if (values.length === 0) return undefined;
  const rows = values.map(
    ({ name, value }) =>
      html`<tr><th scope="row">${name}</th><td>${value === null ? "nothing" : String(value)}</td></tr>`,
  );
  return html`<table><caption>${caption}</caption><thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function labelText(value: LabelValue): string {
  if (typeof value === "boolean") return value ? "yes." : "no.";
  return `${typeof value === "object" ? value.join(", ") : value}.`;
}

function whyOf({ reasons }: ReviewItem): string {
  return reasons.map((reason) => reasonWords[reason]).join(", ");
}

function dueOf({ dueAt, isOverdue }: ReviewItem): string {
  return `${isOverdue ? "Overdue since" : "Due"} ${instant(dueAt)}`;
}

/** To the minute, in UTC. */
function instant(at: number): string {
  return `${formatInstant(asEpochMicros(at)).slice(0, 16).replace("T", " ")} UTC`;
}
