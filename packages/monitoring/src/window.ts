/** Microseconds of event time in a window, aligned to the epoch; whoever tests joins as many as it needs. */
export const windowMicros = 300_000_000;

export function windowStartOf(eventTime: number): number {
  return Math.floor(eventTime / windowMicros) * windowMicros;
}
