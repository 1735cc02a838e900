import { parentPort, workerData } from "node:worker_threads";
import { answerTask, type StatisticsTask } from "./statistics-task.ts";

/** The program of the statistics' thread. */
if (parentPort === null) throw new Error("this file is the program of a worker thread");
parentPort.postMessage(answerTask(workerData as StatisticsTask));
