export { environmentKey, type Python, type PythonMinor, pythonMinors } from "./environment.ts";
