export { environmentKey, type Python, type PythonMinor, pythonMinors } from "./python.ts";
