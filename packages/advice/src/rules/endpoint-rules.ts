import { money, PortolanError } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import type { AdviceFacts, AdvicePrices, EndpointFacts } from "../facts.ts";
import { coresKept, isWorthNothing, less, memoryKept, priced, shareOf, sum } from "../savings.ts";
import { type Finding, type Rule, ruleOf } from "./rule.ts";
import { dayAfter, environmentFlag, inMonth, mebibytes, millis, saving } from "./texts.ts";

const dayMicros = 86_400_000_000;
/** So long nobody has asked, and so long it has been there. */
const dormantDays = 14;
/** For whoever asks once a month. */
const noticeDays = 30;
/** Fewer days say nothing of the busiest minute. */
const observedDays = 7;
/** Workers are planned to be busy this much in the busiest minute, so that what comes at once finds room. */
const plannedUtilisation = 0.6;
/** A graphics processor is left where a CPU answers in half of the time that the charter gives. */
const latencyShare = 0.5;
/** Below it, a network costs too little to be worth a second version. */
const leastNetworkBytes = 4 * 2 ** 20;

/**
 * What networks of float32 gained as INT8 here and elsewhere: low, expected and high share of the compute that is left, and of the memory.
 * docs/quantization.md measured a seventeenth on one network; published CPU figures are a half to a third.
 */
const quantisedLeft = { low: 0.75, expected: 0.5, high: 0.33 } as const;
const quantisedMemoryLeft = 0.3;

const endpointRule = (
  rule: Pick<Rule<EndpointFacts>, "kind" | "find" | "costOf"> & {
    readonly isAbout?: (endpoint: EndpointFacts) => boolean;
  },
) =>
  ruleOf<EndpointFacts>({
    ...rule,
    subjectKind: "endpoint",
    looksAt: ({ endpoints }: AdviceFacts) => endpoints.filter(rule.isAbout ?? (() => true)),
    nameOf: ({ name }) => name,
    isUnderWay: ({ isEnding }) => isEnding,
  });

/** Workers that wait for requests, and the copies of the model that they hold. */
function standby(
  { workers, gateways, measured }: EndpointFacts,
  { cpuCoreHour, memoryGibHour }: AdvicePrices,
): Cost | undefined {
  const held = workers.least * gateways;
  const memory = memoryKept(memoryGibHour, (measured?.loadedBytes ?? 0) * held);
  return sum([coresKept(cpuCoreHour, held), memory]);
}

/** Of a deployment that has just begun, what it has seen says nothing of a month: there what the endpoint was asked before does. */
function monthlyRequests({ load, monthlyRequests: before }: EndpointFacts): number {
  return load.days < observedDays && before !== undefined ? before : inMonth(load);
}

/** Processor time that the model itself takes for a month's requests. */
function computeInMonth(endpoint: EndpointFacts, { cpuCoreHour }: AdvicePrices): Cost | undefined {
  const { measured } = endpoint;
  const hours = (monthlyRequests(endpoint) * (measured?.cpuMicros ?? 0)) / 3.6e9;
  return measured && priced(cpuCoreHour, hours);
}

function gpuInMonth(endpoint: EndpointFacts): Cost | undefined {
  const { gpu } = endpoint;
  const price = gpu?.costPerThousand === undefined ? undefined : parseCost(gpu.costPerThousand);
  return priced(price, monthlyRequests(endpoint) / 1000);
}

function parseCost(text: string): Cost | undefined {
  const [amount = "", currency = ""] = text.split(" ");
  try {
    const exact = money(amount, currency);
    return { low: exact, expected: exact, high: exact };
  } catch (error) {
    if (error instanceof PortolanError) return undefined;
    throw error;
  }
}

function loadEvidence({ load }: EndpointFacts): Finding["evidence"][number] {
  return {
    what: `requests in ${load.days} days`,
    value: String(load.requests),
    from: "accepted records of the prediction log",
  };
}

export const dormantEndpoint = endpointRule({
  kind: "dormant_endpoint",
  costOf: standby,
  find: (endpoint, { facts, prices }) => {
    const { deployedAt, load, name, workers, isEnding, environment } = endpoint;
    const standsFor = Math.floor((facts.now - deployedAt) / dayMicros);
    if (isEnding || standsFor < dormantDays || load.days < dormantDays || load.requests > 0) return undefined;
    if (workers.least === 0) return undefined;
    return {
      what: `Nobody has asked ${name} for ${load.days} days.`,
      evidence: [
        loadEvidence(endpoint),
        { what: "deployed for", value: `${standsFor} days`, from: "its deployment in force" },
        {
          what: "workers that stand by",
          value: `${workers.least} in each of ${endpoint.gateways} gateways`,
          from: "its deployment; a worker is counted as one core kept for it (assumed)",
        },
      ],
      ...saving(standby(endpoint, prices), "price of a core and of memory"),
      command: `portolan endpoint sunset ${name} --on ${dayAfter(facts.now, noticeDays)} --reason "nobody has asked it for ${load.days} days"${environmentFlag(environment)}`,
      changes: `Whoever asks it is told in each answer until the day, then nothing answers. To keep it at no cost: portolan endpoint deploy ${name} ${endpoint.model} ${endpoint.version} --use-case ${endpoint.useCase} --keep --workers 0..${Math.max(1, workers.most)}${environmentFlag(environment)}`,
    };
  },
});

export const oversizedWorkers = endpointRule({
  kind: "oversized_workers",
  costOf: standby,
  find: (endpoint, { prices }) => {
    const { workers, load, gateways, terms, isEnding, environment } = endpoint;
    if (isEnding || load.days < observedDays || load.requests === 0 || workers.least <= 1) return undefined;
    const spare = (terms?.availability ?? 0) >= 0.99 ? 1 : 0;
    const busy = Math.max(1, Math.ceil(load.busiestWorkers / plannedUtilisation));
    const needed = Math.max(1, Math.ceil((busy + spare) / gateways));
    if (needed >= workers.least) return undefined;
    const saved = 1 - needed / workers.least;
    return {
      what: `${endpoint.name} keeps ${workers.least} workers in each gateway, where ${needed} ${needed === 1 ? "is" : "are"} enough for the busiest minute.`,
      evidence: [
        loadEvidence(endpoint),
        {
          what: `workers busy in the busiest minute of ${load.days} days`,
          value: load.busiestWorkers.toFixed(2),
          from: "times of runs in accepted records",
        },
        {
          what: "share of the time that a worker is planned to be busy",
          value: String(plannedUtilisation),
          from: `assumed${spare > 0 ? "; one more for the charter's availability" : ""}`,
        },
      ],
      ...saving(shareOf(standby(endpoint, prices), saved), "price of a core and of memory"),
      command: `portolan endpoint deploy ${endpoint.name} ${endpoint.model} ${endpoint.version} --use-case ${endpoint.useCase} --keep --workers ${needed}..${Math.max(needed, workers.most)}${environmentFlag(environment)}`,
      changes: `More are still started when the load needs them, up to ${Math.max(needed, workers.most)}. Everything else stays as it is deployed.`,
    };
  },
});

export const gpuFitsCpu = endpointRule({
  kind: "gpu_fits_cpu",
  // Of all, so that what is moved to processors is known by what it costs there.
  costOf: (endpoint, prices) => (endpoint.gpu ? gpuInMonth(endpoint) : computeInMonth(endpoint, prices)),
  find: (endpoint, { prices }) => {
    const { gpu, measured, terms, load, environment } = endpoint;
    if (!gpu || !measured || !terms || load.days < observedDays || load.requests === 0) return undefined;
    if (measured.p95Micros > terms.latencyMsP99 * 1000 * latencyShare) return undefined;
    const saves = less(gpuInMonth(endpoint), computeInMonth(endpoint, prices));
    // A graphics processor that costs less than the processors would is the right place.
    if (saves && isWorthNothing(saves)) return undefined;
    return {
      what: `${endpoint.name} answers on a graphics processor, and a CPU answers in time.`,
      evidence: [
        loadEvidence(endpoint),
        {
          what: "p95 of one row on a CPU",
          value: millis(measured.p95Micros),
          from: "compute profile of the version",
        },
        {
          what: "p99 that the charter asks for",
          value: `${terms.latencyMsP99} ms`,
          from: "charter in force",
        },
        {
          what: "1,000 predictions on the graphics processor",
          value: gpu.costPerThousand ?? "not stated",
          from: "stated with the deployment",
        },
      ],
      ...(gpu.costPerThousand === undefined
        ? { noSaving: "the deployment does not state what the graphics processor costs" }
        : saving(saves, "price of a core")),
      command: `portolan endpoint deploy ${endpoint.name} ${endpoint.model} ${endpoint.version} --use-case ${endpoint.useCase} --keep --backend none${environmentFlag(environment)}`,
      changes:
        "The version answers in the gateway itself, and on no other server; all else stays as it is deployed. Watch p99 in the first hour.",
    };
  },
});

export const unquantisedModel = endpointRule({
  kind: "unquantised_model",
  isAbout: ({ network, measured }) => network !== undefined && measured !== undefined,
  costOf: (endpoint, prices) =>
    sum([
      computeInMonth(endpoint, prices),
      memoryKept(prices.memoryGibHour, (endpoint.measured?.loadedBytes ?? 0) * endpoint.gateways),
    ]),
  find: (endpoint, { prices }) => {
    const { network, measured, load, gateways } = endpoint;
    if (!network || network.isQuantised || !measured || measured.fileBytes < leastNetworkBytes)
      return undefined;
    if (load.days < observedDays || load.requests === 0) return undefined;
    const compute = computeInMonth(endpoint, prices);
    const memory = memoryKept(
      prices.memoryGibHour,
      measured.loadedBytes * gateways * (1 - quantisedMemoryLeft),
    );
    const computeSaved = compute && {
      low: shareOf(compute, 1 - quantisedLeft.low)?.low ?? compute.low,
      expected: shareOf(compute, 1 - quantisedLeft.expected)?.expected ?? compute.expected,
      high: shareOf(compute, 1 - quantisedLeft.high)?.high ?? compute.high,
    };
    const smaller = network.smallerVersion;
    return {
      what: `${endpoint.model} ${endpoint.version} computes in float32; as INT8 it takes less memory and time.`,
      evidence: [
        loadEvidence(endpoint),
        { what: "model file", value: mebibytes(measured.fileBytes), from: "compute profile of the version" },
        { what: "CPU of one row", value: millis(measured.cpuMicros), from: "compute profile of the version" },
        {
          what: "compute that is left after quantisation",
          value: `${quantisedLeft.high} to ${quantisedLeft.low}, expected ${quantisedLeft.expected}`,
          from: "assumed; the command measures it",
        },
        ...(smaller === undefined
          ? []
          : [
              { what: "a smaller version is there", value: `${endpoint.model} ${smaller}`, from: "registry" },
            ]),
      ],
      ...saving(sum([computeSaved, memory]), "price of a core and of memory"),
      command:
        smaller === undefined
          ? `portolan model quantize ${endpoint.model} ${endpoint.version} --method dynamic-int8`
          : `portolan release start ${endpoint.name} ${endpoint.model} ${smaller}${environmentFlag(endpoint.environment)}`,
      changes: "A new version, judged by the same gates; the command says what it loses.",
    };
  },
});
