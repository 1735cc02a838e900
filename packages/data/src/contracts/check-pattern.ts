import type { YamlNode } from "@portolan/yaml-source";
import { RE2JS } from "re2js";

const longest = 500;

/**
 * Patterns are RE2: DuckDB runs them so, and so does the validator of events. What RE2 lacks (look-around, back-references) is refused
 * here with its line, as is what the two would read apart.
 */
export function checkPattern(node: YamlNode, pattern: string): void {
  if (pattern.length > longest) {
    node.report(`is longer than ${longest} characters`, "Split it into several rules.");
    return;
  }
  try {
    RE2JS.compile(pattern);
  } catch {
    node.report(
      "is not a regular expression of RE2 (it has no look-around and no back-references)",
      "Use a plain regular expression: github.com/google/re2/wiki/Syntax.",
    );
    return;
  }
  if (/\(\?[A-Za-z]*-?[A-Za-z]*[):]/.test(pattern.replaceAll("(?:", "")))
    node.report("sets flags", "Write both cases out, e.g. [Aa].");
}
