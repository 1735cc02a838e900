import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CheckReport, isTestFile, lineOf, repositoryFiles } from "./source-files.ts";

const folder = "docs/spec";

/**
 * Documents that tests cite in part. What they cite has to be there, but not every rule has its test named yet. A
 * document that is not in this list, also a new one, has a test for each of its rules.
 */
const citedInPart: ReadonlySet<string> = new Set([
  "charter.md",
  "ledger.md",
  "limits.md",
  "prediction-log.md",
]);

interface SpecDocument {
  readonly file: string;
  /** In the order of the document: `F10`, `F10a`. */
  readonly rules: readonly string[];
  /** The packages that it names as its own. */
  readonly packages: readonly string[];
}

/** A rule stands at the beginning of a line: `- **F1** …`, `- **G1 Accuracy.** …` or `**P1.** …`. */
function readDocument(root: string, file: string): SpecDocument {
  const text = readFileSync(join(root, folder, file), "utf8");
  const packages = /Package: ((?:`[\w-]+`(?:, )?)+)/.exec(text)?.[1] ?? "";
  return {
    file,
    rules: [...text.matchAll(/^(?:- )?\*\*([A-Z]\d+[a-z]?)\b/gm)].map((match) => match[1] ?? ""),
    packages: [...packages.matchAll(/`([\w-]+)`/g)].map((match) => match[1] ?? ""),
  };
}

interface Citation {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  /** Of `F1 to F6` the last one; elsewhere the rule itself. */
  readonly to: string;
  /** The document's file where the citation names it. */
  readonly document: string | undefined;
}

const rule = String.raw`[A-Z]\d+[a-z]?`;
const rules = String.raw`${rule}(?:(?:,| and|, and| to)[\s*]+${rule}\b)*`;
/** In brackets, as titles have it: `(F35)`, `(spec L9)`, `(features.md, F53 to F56, F66)`; a call has no space before its bracket. */
const inBrackets = new RegExp(
  String.raw`(?<=[\s"'\x60])\((?:spec |(?:docs/spec/)?([\w-]+\.md),?[\s*]+)?(${rules})\)`,
  "g",
);
/** After the document, as comments have it: `docs/spec/features.md F50 to F52, F68: …`. */
const afterDocument = new RegExp(String.raw`docs/spec/([\w-]+\.md),?[\s*]+(${rules})\b`, "g");

function citationsIn(path: string, text: string): Citation[] {
  return [inBrackets, afterDocument].flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap((match) => {
      const line = lineOf(text, match.index);
      const ranges = (match[2] ?? "").matchAll(new RegExp(String.raw`(${rule})(?: to[\s*]+(${rule}))?`, "g"));
      return [...ranges].map((range): Citation => {
        const first = range[1] ?? "";
        return { path, line, rule: first, to: range[2] ?? first, document: match[1] };
      });
    }),
  );
}

/**
 * The document that a citation means: the one that it names, else the only one with rules of that letter, else of
 * several the one that the test names somewhere, or whose package the test is of. None: what stands there is no rule
 * (`L4` is a graphics card, too).
 */
function documentOf(
  { document, rule: cited, path }: Citation,
  text: string,
  documents: readonly SpecDocument[],
): SpecDocument | undefined {
  if (document !== undefined) return documents.find(({ file }) => file === document);
  const ofLetter = documents.filter(({ rules: own }) => own[0]?.[0] === cited[0]);
  if (ofLetter.length < 2) return ofLetter[0];
  return (
    ofLetter.find(({ file }) => text.includes(`${folder}/${file}`)) ??
    ofLetter.find(({ packages }) => packages.some((name) => path.startsWith(`packages/${name}/`)))
  );
}

const numberOf = (name: string) => Number(/\d+/.exec(name)?.[0]);

function rulesOf({ rule: from, to }: Citation, { rules: known }: SpecDocument): string[] {
  if (from === to) return [from];
  const between = (name: string) => numberOf(name) >= numberOf(from) && numberOf(name) <= numberOf(to);
  return [from, to, ...known.filter(between)];
}

function repeated({ file, rules: known }: SpecDocument): string[] {
  return known
    .filter((name, index) => known.indexOf(name) < index)
    .map((name) => `${folder}/${file} has two rules ${name}`);
}

/** Every rule of the specifications is cited by a test that shows it, and what tests cite is there. */
export function checkSpecRules(root: string): CheckReport {
  const files = existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : [];
  const documents = files.filter((file) => file.endsWith(".md")).map((file) => readDocument(root, file));
  const cited = new Map(documents.map((document) => [document, new Set<string>()]));
  const problems = documents.flatMap(repeated);
  for (const path of repositoryFiles(root)) {
    // The checks' own tests cite rules that are not there.
    if (!path.endsWith(".ts") || !isTestFile(path) || path.startsWith("tools/")) continue;
    const text = readFileSync(join(root, path), "utf8");
    for (const citation of citationsIn(path, text)) {
      const document = documentOf(citation, text, documents);
      if (document === undefined) {
        if (citation.document !== undefined)
          problems.push(`${path}:${citation.line} cites ${folder}/${citation.document}, which is not there`);
        continue;
      }
      for (const name of rulesOf(citation, document)) {
        cited.get(document)?.add(name);
        if (!document.rules.includes(name))
          problems.push(`${path}:${citation.line} cites ${name}, which ${folder}/${document.file} has not`);
      }
    }
  }
  for (const [{ file, rules: known }, names] of cited)
    for (const name of citedInPart.has(file) ? [] : known)
      if (!names.has(name)) problems.push(`${folder}/${file} has rule ${name}, which no test cites`);
  // What stands in brackets after its document is read in two ways.
  return {
    examined: documents.reduce((sum, document) => sum + document.rules.length, 0),
    problems: [...new Set(problems)],
  };
}
