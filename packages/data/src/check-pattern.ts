import type { YamlNode } from "@portolan/yaml-source";

/** DuckDB runs patterns with RE2; what RE2 lacks (look-around, back-references) is refused here with a line. */
export function checkPattern(node: YamlNode, pattern: string): void {
  if (pattern.length > 500 || /\(\?[=!<]|\\[1-9]/.test(pattern))
    node.report("uses look-around or back-references", "Use a plain regular expression (RE2).");
  try {
    new RegExp(pattern, "u");
  } catch {
    node.report("is not a regular expression");
  }
}
