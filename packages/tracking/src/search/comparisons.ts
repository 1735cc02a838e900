/** By MLflow's operator; any unknown one is "unlike". Pure. */
export function compareNumbers(operator: string, value: number, wanted: number): boolean {
  switch (operator) {
    case ">=":
      return value >= wanted;
    case "<=":
      return value <= wanted;
    case ">":
      return value > wanted;
    case "<":
      return value < wanted;
    case "=":
      return value === wanted;
    default:
      return value !== wanted;
  }
}

/** SQL's LIKE: `%` is any text, `_` any character. */
export function likeForm(pattern: string, ignoresCase: boolean): RegExp {
  const source = pattern
    .replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
    .replaceAll("%", "[^\\0]*")
    .replaceAll("_", "[^\\0]");
  return new RegExp(`^${source}$`, ignoresCase ? "isu" : "su");
}
