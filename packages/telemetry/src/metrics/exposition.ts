import type { Metrics } from "./metrics.ts";
import { protobufMessages } from "./protobuf-format.ts";
import { openMetrics, plainText } from "./text-format.ts";

export interface Exposition {
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

const plainType = "text/plain; version=0.0.4; charset=utf-8";
const openType = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const protobufType =
  "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/**
 * The page of metrics in the form that the scraper likes best of those that we speak: protobuf (native histograms), OpenMetrics
 * (exemplars), else plain text.
 */
export function exposeMetrics(metrics: Metrics, accept: string | undefined): Exposition {
  const families = metrics.collect();
  switch (preferred(accept ?? "")) {
    case "protobuf":
      return { contentType: protobufType, body: protobufMessages(families) };
    case "open":
      return { contentType: openType, body: openMetrics(families) };
    case "plain":
      return { contentType: plainType, body: plainText(families) };
  }
}

type Form = "protobuf" | "open" | "plain";

function preferred(accept: string): Form {
  let [best, bestQuality]: [Form, number] = ["plain", 0];
  for (const range of accept.slice(0, 1000).split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const form = formOf(type, parameters);
    const quality = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
    if (form && quality > bestQuality) [best, bestQuality] = [form, quality];
  }
  return best;
}

function formOf(type: string, parameters: readonly string[]): Form | undefined {
  if (type === "application/openmetrics-text") return "open";
  if (type === "text/plain" || type === "*/*" || type === "text/*") return "plain";
  const isOurs =
    type === "application/vnd.google.protobuf" &&
    parameters.includes("proto=io.prometheus.client.metricfamily") &&
    parameters.includes("encoding=delimited");
  return isOurs ? "protobuf" : undefined;
}
