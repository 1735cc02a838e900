/**
 * When a figure of performance is stated and judged; why each number: docs/adr/0181. The same for every endpoint: a floor that people turn
 * is turned until it says what they like.
 */
export const performancePolicy = {
  /** Microseconds of an hour: windows are whole hours of arrival, by UTC. */
  hourMicros: 3_600_000_000,
  /** Hours of a window where nobody says. */
  windowHours: 24,
  /** Days up to now that are read where nobody says. */
  days: 14,
  /** Below so many labelled predictions nothing is stated of a window or a segment. */
  leastLabels: 30,
  /** What ranks or divides by a class needs so many cases of it. */
  leastOfClass: 30,
  /** A window is mature once this share of its predictions has labels: before, those with early labels stand for all. */
  matureShare: 0.8,
  /** Coverage of intervals. */
  level: 0.95,
  /** A probability from here on says yes. */
  threshold: 0.5,
  /** Labels that one answer reads: of lists of a hundred rows about as many. */
  most: { labels: 50_000, bytes: 128 * 1024 * 1024 },
  /** Segments by their number of labels; the others are one. */
  mostSegments: 20,
} as const;
