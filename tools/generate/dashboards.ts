import type { Generator } from "../generated-files.ts";

interface Panel {
  readonly title: string;
  readonly unit: "s" | "reqps" | "short" | "bool" | "percentunit" | "bytes";
  readonly width: 8 | 12 | 24;
  readonly targets: readonly { readonly expr: string; readonly legend: string }[];
}

const where = '{environment=~"$environment",endpoint=~"$endpoint"}';

function quantile(q: number): string {
  return `histogram_quantile(${q}, sum by (endpoint, le) (rate(portolan_gateway_request_seconds_bucket${where}[$__rate_interval])))`;
}

/** What somebody on duty looks at, from what callers feel down to what causes it. */
const panels: readonly Panel[] = [
  {
    title: "Requests by outcome",
    unit: "reqps",
    width: 12,
    targets: [
      {
        expr: `sum by (endpoint, reason) (rate(portolan_gateway_requests_total${where}[$__rate_interval]))`,
        legend: "{{endpoint}} {{reason}}",
      },
    ],
  },
  {
    title: "Latency",
    unit: "s",
    width: 12,
    targets: [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q), legend: `{{endpoint}} p${q * 100}` })),
  },
  {
    title: "Circuits open",
    unit: "bool",
    width: 8,
    targets: [{ expr: `portolan_gateway_circuit_open${where}`, legend: "{{endpoint}} {{model}}" }],
  },
  {
    title: "Under way, and how much may be",
    unit: "short",
    width: 8,
    targets: [
      { expr: `portolan_gateway_requests_in_flight${where}`, legend: "{{endpoint}} {{model}} under way" },
      { expr: `portolan_gateway_concurrency_limit${where}`, legend: "{{endpoint}} {{model}} limit" },
    ],
  },
  {
    title: "Rows that wait, and workers",
    unit: "short",
    width: 8,
    targets: [
      { expr: `portolan_gateway_queued_rows${where}`, legend: "{{endpoint}} {{model}} rows" },
      { expr: `portolan_gateway_model_workers${where}`, legend: "{{endpoint}} {{model}} workers" },
    ],
  },
  {
    title: "Models ready",
    unit: "bool",
    width: 8,
    targets: [{ expr: `portolan_gateway_model_ready${where}`, legend: "{{endpoint}}" }],
  },
  {
    title: "Snapshot age, and control",
    unit: "s",
    width: 8,
    targets: [
      { expr: "portolan_gateway_snapshot_age_seconds", legend: "{{instance}} age" },
      { expr: "portolan_gateway_control_reachable", legend: "{{instance}} control reachable" },
    ],
  },
  {
    title: "Event loop late by (p99 of each second)",
    unit: "s",
    width: 8,
    targets: [{ expr: "portolan_gateway_event_loop_delay_seconds", legend: "{{instance}}" }],
  },
  {
    title: "Prediction log",
    unit: "bytes",
    width: 8,
    targets: [
      { expr: "portolan_gateway_log_pending_bytes", legend: "{{instance}} not yet written" },
      { expr: "portolan_gateway_log_dropped_payloads", legend: "{{instance}} payloads dropped" },
    ],
  },
];

const datasource = { type: "prometheus", uid: "${datasource}" };

function variable(name: string, label: string) {
  const query = `label_values(portolan_gateway_requests_total, ${label})`;
  return {
    name,
    type: "query",
    datasource,
    query: { query, refId: name },
    includeAll: true,
    multi: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
    refresh: 2,
  };
}

function dashboard(): object {
  let [x, y] = [0, 0];
  const placed = panels.map(({ title, unit, width, targets }, at) => {
    if (x + width > 24) [x, y] = [0, y + 8];
    const gridPos = { x, y, w: width, h: 8 };
    x += width;
    return {
      id: at + 1,
      type: "timeseries",
      title,
      datasource,
      gridPos,
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: targets.map(({ expr, legend }, i) => ({
        refId: String.fromCodePoint(65 + i),
        datasource,
        expr,
        legendFormat: legend,
        exemplar: unit === "s",
      })),
    };
  });
  return {
    uid: "portolan-gateway",
    title: "Portolan gateways",
    tags: ["portolan"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus" },
        variable("environment", "environment"),
        variable("endpoint", "endpoint"),
      ],
    },
    panels: placed,
  };
}

/** docs/dashboards/gateway.json: for Grafana's "import dashboard". */
export const generator: Generator = {
  generate: () => new Map([["docs/dashboards/gateway.json", `${JSON.stringify(dashboard(), null, 2)}\n`]]),
};
