// Runs one Python program in Pyodide: node in_node.mjs PYODIDE_FOLDER COURSE_FOLDER [LIBRARIES_FOLDER] < program
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, course, libraries] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const python = await loadPyodide({ stdout: (text) => console.log(text) });
python.mountNodeFS("/course", course);
if (libraries) python.mountNodeFS("/libraries", libraries);
python.runPython(`import sys; sys.dont_write_bytecode = True; sys.path[:0] = ["/course", "/libraries"]`);
try {
  python.runPython(readFileSync(0, "utf8"));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
