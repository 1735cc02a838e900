export { type LockedRequirement, readLock } from "./lock-file.ts";
export { isPassingRefusal } from "./passing-refusal.ts";
export { environmentKey, type Python, type PythonMinor, pythonMinors } from "./python.ts";
