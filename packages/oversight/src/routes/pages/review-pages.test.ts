import { describe, expect, test } from "vitest";
import type { ReviewCase, ReviewItem } from "../../contract.ts";
import { type Html, html, page } from "./html.ts";
import {
  casePage,
  concludedPage,
  listPage,
  mostFields,
  nothingPage,
  problemPage,
  signInPage,
} from "./review-pages.ts";

const hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;
const review: ReviewItem = {
  id: "rev_1",
  predictionId: "prd_1",
  useCaseId: "uc_1",
  endpoint: `credit${hostile}`,
  environment: "production",
  model: "credit",
  version: "3",
  task: "binary_classification",
  reasons: ["uncertain", "high_stakes"],
  priority: 3,
  receivedAt: 0,
  queuedAt: 0,
  dueAt: 1_795_000_000_000_000,
  isOverdue: true,
  people: 2,
  concluded: 0,
  state: "open",
  closedAt: null,
};
const toDecide: ReviewCase = {
  review,
  leaseUntil: 1_795_000_000_000_000,
  inputs: [{ name: hostile, value: hostile }],
  features: [{ name: "tenure", value: null }],
  text: hostile,
};
const answered: ReviewCase = {
  ...toDecide,
  own: false,
  answer: { value: true, outputs: [{ name: "p", value: 0.9 }], text: hostile },
};
const quantity: ReviewCase = { ...toDecide, review: { ...review, task: "regression" } };
const classes: ReviewCase = {
  ...toDecide,
  review: { ...review, task: "multiclass_classification", classes: ["cat", hostile] },
};
const list: ReviewCase = {
  ...toDecide,
  review: { ...review, task: "ranking", rows: 2 },
  list: [[{ name: hostile, value: hostile }], [{ name: hostile, value: null }]],
};
const listAnswered: ReviewCase = {
  ...list,
  own: [0, 3],
  answer: { value: null, outputs: [], scores: [0.25, 0.75] },
};
const long: ReviewCase = { ...list, review: { ...list.review, rows: mostFields + 1 } };
const concluded = { review, value: false, overrides: true, label: null };
const bodies: Readonly<Record<string, Html>> = {
  "sign in": signInPage(hostile),
  list: listPage({ reviews: [review], open: 1, overdue: 1 }, "tok"),
  "empty list": listPage({ reviews: [], open: 0, overdue: 0 }, "tok"),
  case: casePage(toDecide, "tok"),
  "case of a quantity": casePage(quantity, "tok"),
  "case of classes": casePage(classes, "tok"),
  "case of a list": casePage(list, "tok"),
  "case of a long list": casePage(long, "tok"),
  "answer to a list": casePage(listAnswered, "tok"),
  answer: casePage(answered, "tok"),
  concluded: concludedPage(concluded, "tok"),
  problem: problemPage(hostile, hostile, { id: "rev_1", token: "tok" }),
  nothing: nothingPage(),
};
const textOf = (title: string, body: Html): string => page(title, body, { name: "usr_rita", token: "tok" });
const tagsOf = (text: string, name: string): string[] =>
  [...text.matchAll(new RegExp(`<${name}(\\s[^>]*)?>`, "g"))].map(([tag]) => tag);
const attribute = (tag: string, name: string): string | undefined =>
  new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];

/** Elements that are opened and not closed in order. */
function unbalanced(text: string): string[] {
  const empty = new Set(["meta", "input", "br"]);
  const open: string[] = [];
  for (const [, slash, name = ""] of text.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
    if (slash === "") {
      if (!empty.has(name)) open.push(name);
    } else if (open.pop() !== name) return [`</${name}>`];
  }
  return open;
}

describe.each(Object.entries(bodies))("the page: %s", (title, body) => {
  const text = textOf(title, body);

  test("names its language, has one heading of the first rank, and closes what it opens", () => {
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(tagsOf(text, "h1")).toHaveLength(1);
    expect(tagsOf(text, "main")).toHaveLength(1);
    expect(unbalanced(text)).toEqual([]);
  });

  test("labels each field by an id of its own, and each button and table by words", () => {
    const labels = tagsOf(text, "label").map((tag) => attribute(tag, "for"));
    const fields = ["input", "select", "textarea"]
      .flatMap((name) => tagsOf(text, name))
      .filter((tag) => attribute(tag, "type") !== "hidden");
    const ids = fields.map((tag) => attribute(tag, "id"));
    expect(new Set(labels)).toEqual(new Set(ids));
    expect(labels).toHaveLength(ids.length);
    expect(new Set(ids).size).toBe(ids.length);
    expect(text).not.toMatch(/<button[^>]*>\s*<\/button>/);
    for (const table of text.split("<table>").slice(1)) expect(table).toMatch(/^\s*<caption>\S/);
    expect(tagsOf(text, "th").filter((tag) => attribute(tag, "scope") === undefined)).toEqual([]);
  });

  test("runs and loads nothing, and shows what strangers wrote as text", () => {
    // Without the values of attributes, where anything may be said.
    const tags = [...text.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag.replace(/"[^"]*"/g, ""));
    expect(
      tags.filter((tag) => /^<(script|img|iframe|object|link)|\s(on[a-z]+|src|style)=/i.test(tag)),
    ).toEqual([]);
    expect(text).not.toMatch(/https?:|javascript:/i);
  });

  test("sends forms with the token of their session, but for the one that begins it", () => {
    for (const form of text.split("<form ").slice(1)) {
      const own = form.slice(0, form.indexOf("</form>"));
      expect(own).toMatch(/^method="post" action="\/reviews\//);
      if (!own.includes("/reviews/sign-in")) expect(own).toContain('name="token" value="tok"');
    }
  });
});

test("a page to decide by holds no answer; the one after it offers the model's only where it differs", () => {
  expect(textOf("case", casePage(toDecide, "tok"))).not.toMatch(/What the model said/);
  expect(casePage(answered, "tok").text).toMatch(/Take the model's answer: yes/);
  expect(casePage({ ...answered, own: true }, "tok").text).not.toMatch(/Take the model|reason/);
});

test("what is put into markup is escaped, in text and in attributes", () => {
  expect(html`<p title="${`a"b`}">${"<i>&'"}${[html`<b>x</b>`]}${undefined}${1}</p>`.text).toBe(
    '<p title="a&#34;b">&#60;i&#62;&#38;&#39;<b>x</b>1</p>',
  );
});

test("a list is decided row by row, and shows the decision and the model's scores beside its rows then", () => {
  const ids = tagsOf(casePage(list, "tok").text, "input").map((tag) => attribute(tag, "id"));
  expect(ids.filter((id) => id?.startsWith("row-"))).toEqual(["row-1", "row-2"]);
  expect(casePage(list, "tok").text).not.toMatch(/Score of the model|0\.25/);
  const { text } = casePage(listAnswered, "tok");
  expect(text).toMatch(/<td>0<\/td><td>0\.25<\/td>[^]*<td>3<\/td><td>0\.75<\/td>/);
  expect(text).toMatch(/You decided: 0, 3\./);
  expect(casePage(long, "tok").text).toMatch(/name="value"/);
});

test("classes with names are chosen from them", () => {
  expect(casePage(classes, "tok").text).toMatch(/<select id="value"[^]*<option value="cat">cat<\/option>/);
});
