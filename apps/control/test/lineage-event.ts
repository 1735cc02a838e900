/** A run of another tool that wrote a table. */
export function lineageEvent(table: string) {
  return {
    eventType: "COMPLETE",
    eventTime: "2026-11-26T08:00:00Z",
    producer: "https://example.com/etl",
    run: { runId: "0190b6a2-5d7e-7d9c-8a43-0d6f5b1c2e3f" },
    job: { namespace: "airflow", name: "payroll" },
    outputs: [{ namespace: "postgres://db:5432", name: table }],
  };
}
