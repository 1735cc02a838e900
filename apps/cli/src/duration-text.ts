/** `3d 4h`, `2h 5min`, `40s`: two units at most; what is shorter than a second is `0s`, what is not there `-`. */
export function duration(micros: number | null): string {
  if (micros === null) return "-";
  const seconds = Math.floor(micros / 1_000_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}
