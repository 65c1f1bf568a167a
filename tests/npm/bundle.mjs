// Writes tasks/report/templates/vega.js: one script with the global `vegaRuntime`, the versions and licences of its parts at the top.
import {readFileSync, writeFileSync} from "node:fs";
import {build} from "esbuild";

const {outputFiles, metafile} = await build({
  entryPoints: ["entry.js"], bundle: true, minify: true, charset: "ascii", format: "iife", target: "es2020",
  globalName: "vegaRuntime", legalComments: "none", metafile: true, write: false, outfile: "vega.js",
});
const script = outputFiles[0].text;
if (/<\/script|<!--/i.test(script)) throw new Error("the bundle would end the script element that holds it");

const folders = new Set(Object.keys(metafile.inputs).map(file => file.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0]));
const parts = [...folders].filter(Boolean).sort().map(folder => {
  const {name, version, license} = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map(name => `${folder}/${name}`).find(file => {
    try { return readFileSync(file); } catch { return false; }
  });
  return {what: `${name} ${version} (${license})`, text: file ? readFileSync(file, "utf8").replace(/\r/g, "").trim() : ""};
});
const texts = new Map();  // the parts of one project share their licence
for (const {what, text} of parts) texts.set(text, [...(texts.get(text) ?? []), what]);
const notice = [...texts].map(([text, names]) => `${names.join(", ")}\n\n${text || "(no licence file)"}`).join("\n\n----\n\n");
writeFileSync("../../tasks/report/templates/vega.js", `/*! Made by \`make vega\`.\n\n${notice.replaceAll("*/", "* /")}\n*/\n${script}`);
