/** Makes the planner as a static site: `node build/site.ts [FOLDER]`. Any web server shows it, and so does a browser by itself. */

import { mkdirSync, writeFileSync } from "node:fs";
import { renderPlanner } from "../src/report/page/planner-page.ts";

const [folder = "dist-site"] = process.argv.slice(2);
const empty = { size: "", areas: "", arch: "x86-64", physical: "", guest: "", holes: "" };

mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/index.html`, renderPlanner(empty));
process.stdout.write(`${folder}/index.html\n`);
