/** Pure judgement of pipelines. */
export { type BoundStages, bindStages, type DefinitionFinding } from "./policy/bind-stages.ts";
export { type CronTimes, nextTime, readCron } from "./policy/cron.ts";
