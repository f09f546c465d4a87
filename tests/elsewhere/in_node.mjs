// Runs one Python program in Pyodide: node in_node.mjs PYODIDE_FOLDER COURSE_FOLDER < program
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, course] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const python = await loadPyodide({ stdout: (text) => console.log(text) });
python.mountNodeFS("/course", course);
python.runPython(`import sys; sys.dont_write_bytecode = True; sys.path.insert(0, "/course")`);
try {
  python.runPython(readFileSync(0, "utf8"));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
